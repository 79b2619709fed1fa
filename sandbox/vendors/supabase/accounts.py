"""People, sessions and one-time tokens in schema ``auth``, written the way Supabase Auth writes them.

Confirmed (supabase/auth, internal/models): the service looks people up by ``instance_id`` (all zeros) and audience, reads
the token columns into plain strings and therefore fails on NULL there, deletes session rows on a change of password and on
sign-out, and only sets ``banned_until`` on a ban.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import string
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import bcrypt
import psycopg
from psycopg.types.json import Jsonb

from sandbox.vendors.supabase.refusals import broken

Row = dict[str, Any]
Connection = psycopg.Connection[Row]

NOBODY = UUID(int=0)
AUDIENCE = "authenticated"
#: bcrypt reads no more; the service refuses longer ones (confirmed: MaxPasswordLength)
MAX_PASSWORD = 72
COST = 4
#: columns the service reads into strings that cannot be NULL
_STRINGS = (
    "confirmation_token", "recovery_token", "email_change_token_current", "email_change_token_new", "email_change",
    "phone_change_token", "phone_change", "reauthentication_token",
)  # fmt: skip
#: kind of token -> (its column, when it was sent)
TOKENS = {
    "confirmation_token": "confirmation_sent_at",
    "recovery_token": "recovery_sent_at",
    "email_change_token_new": "email_change_sent_at",
    "email_change_token_current": "email_change_sent_at",
    "reauthentication_token": "reauthentication_sent_at",
}


def now() -> datetime:
    return datetime.now(UTC)


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode()


def matches(user: Row, password: str) -> bool:
    stored = user["encrypted_password"] or ""
    if not stored or len(password.encode()) > MAX_PASSWORD:
        return False
    try:
        return bcrypt.checkpw(password.encode(), stored.encode())
    except ValueError:
        return False


def token_hash(address: str, code: str) -> str:
    return hashlib.sha224((address + code).encode()).hexdigest()


def one_time_code() -> str:
    return "".join(secrets.choice(string.digits) for _ in range(6))


# --- people -------------------------------------------------------------------------------------------------------


def _read(row: Row | None) -> Row | None:
    if row is not None and any(row[name] is None for name in _STRINGS):
        raise broken("Database error querying schema")
    return row


def by_email(connection: Connection, email: str) -> Row | None:
    query = "select * from users where instance_id = %s and lower(email) = lower(%s) and aud = %s and not is_sso_user limit 1"
    return _read(connection.execute(query, (NOBODY, email, AUDIENCE)).fetchone())


def by_id(connection: Connection, user_id: UUID | str) -> Row | None:
    query = "select * from users where instance_id = %s and id = %s"
    return _read(connection.execute(query, (NOBODY, user_id)).fetchone())


def again(connection: Connection, user: Row) -> Row:
    found = by_id(connection, user["id"])
    assert found is not None
    return found


def is_banned(user: Row) -> bool:
    return user["banned_until"] is not None and user["banned_until"] > now()


def create(
    connection: Connection,
    email: str,
    password_hash: str | None,
    *,
    user_id: UUID | None = None,
    role: str = AUDIENCE,
    app_metadata: Row | None = None,
    user_metadata: Row | None = None,
) -> Row:
    """A person with an identity of provider ``email``, not yet confirmed."""
    email = email.lower()
    made = connection.execute(
        "insert into users (instance_id, id, aud, role, email, encrypted_password, raw_app_meta_data,"
        " raw_user_meta_data, confirmation_token, recovery_token, email_change_token_new, email_change,"
        " created_at, updated_at) values (%s, %s, %s, %s, %s, %s, %s, %s, '', '', '', '', %s, %s) returning *",
        (
            *(NOBODY, user_id or uuid4(), AUDIENCE, role, email, password_hash),
            Jsonb({"provider": "email", "providers": ["email"], **(app_metadata or {})}),
            *(Jsonb(user_metadata or {}), now(), now()),
        ),
    ).fetchone()
    assert made is not None
    ensure_identity(connection, made, email, is_verified=False)
    return made


def ensure_identity(connection: Connection, user: Row, email: str, *, is_verified: bool) -> None:
    """The person's identity of provider ``email`` carries this address."""
    data = {"sub": str(user["id"]), "email": email, "email_verified": is_verified, "phone_verified": False}
    connection.execute(
        "insert into identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)"
        " values (%(key)s, %(id)s, %(data)s, 'email', now(), now(), now()) on conflict (provider_id, provider)"
        " do update set identity_data = identities.identity_data || excluded.identity_data, updated_at = now()",
        {"key": str(user["id"]), "id": user["id"], "data": Jsonb(data)},
    )


def change(connection: Connection, user: Row, **values: Any) -> Row:
    """Set columns of the person's row."""
    text = ", ".join(f"{name} = %({name})s" for name in values)
    wrapped = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()}
    connection.execute(
        f"update users set {text}, updated_at = now() where id = %(of)s".encode(), {**wrapped, "of": user["id"]}
    )
    return again(connection, user)


def merged(stored: Row | None, updates: Row) -> Row:
    """Metadata after an update: a key set to null goes."""
    both = {**(stored or {}), **updates}
    return {key: value for key, value in both.items() if value is not None}


def confirm(connection: Connection, user: Row) -> Row:
    clear_token(connection, user, "confirmation_token")
    confirmed = {"email_confirmed_at": user["email_confirmed_at"] or now(), "confirmation_token": ""}
    if user["email"]:
        ensure_identity(connection, user, user["email"], is_verified=True)
    return change(connection, user, **confirmed)


def set_password(connection: Connection, user: Row, password_hash: str | None, keep_session: UUID | None) -> Row:
    """Store a password, forget every pending token and end the other sessions (all of them without ``keep_session``)."""
    connection.execute("delete from one_time_tokens where user_id = %s", (user["id"],))
    connection.execute("delete from sessions where user_id = %s and id is distinct from %s", (user["id"], keep_session))
    return change(
        connection,
        user,
        encrypted_password=password_hash,
        phone_change_token="",
        phone_change_sent_at=None,
        **{name: "" for name in TOKENS},
        **{name: None for name in TOKENS.values()},
    )


def soft_delete(connection: Connection, user: Row) -> None:
    """Make the address unreadable and keep the row."""
    if user["deleted_at"] is not None:
        return
    scrambled = hashlib.sha256(f"{user['id']}{user['email']}".encode()).hexdigest()
    connection.execute("delete from one_time_tokens where user_id = %s", (user["id"],))
    connection.execute("delete from sessions where user_id = %s", (user["id"],))
    connection.execute(
        "update identities set identity_data = '{}', provider_id = encode(sha256((id::text || provider_id)::bytea), 'hex')"
        " where user_id = %s",
        (user["id"],),
    )
    change(
        connection,
        user,
        email=scrambled,
        encrypted_password=None,
        deleted_at=now(),
        raw_app_meta_data={},
        raw_user_meta_data={},
        **{name: "" for name in ("confirmation_token", "recovery_token", "email_change_token_current")},
        **{name: "" for name in ("email_change_token_new", "email_change", "phone_change", "phone_change_token")},
    )


def listed(connection: Connection, page: int, per_page: int) -> tuple[list[Row], int]:
    """One page of everybody, newest first, and how many there are."""
    where = "from users where instance_id = %s and aud = %s"
    total = connection.execute(f"select count(*) as n {where}", (NOBODY, AUDIENCE)).fetchone()
    rows = connection.execute(
        f"select * {where} order by created_at desc limit %s offset %s",
        (NOBODY, AUDIENCE, per_page, (page - 1) * per_page),
    ).fetchall()
    return rows, total["n"] if total else 0


def shown(connection: Connection, user: Row) -> Row:
    """The person as the API shows them: absent times are left out, an absent address is an empty string."""
    identities = connection.execute(
        "select * from identities where user_id = %s order by created_at", (user["id"],)
    ).fetchall()
    always = {
        "id": str(user["id"]),
        "aud": user["aud"] or "",
        "role": user["role"] or "",
        "email": user["email"] or "",
        "phone": user["phone"] or "",
        "app_metadata": user["raw_app_meta_data"] or {},
        "user_metadata": user["raw_user_meta_data"] or {},
        "identities": [_identity(row) for row in identities],
        "created_at": moment(user["created_at"]),
        "updated_at": moment(user["updated_at"]),
        "is_anonymous": user["is_anonymous"],
    }
    times = (
        "email_confirmed_at", "phone_confirmed_at", "confirmed_at", "invited_at", "confirmation_sent_at",
        "recovery_sent_at", "email_change_sent_at", "reauthentication_sent_at", "last_sign_in_at", "banned_until",
        "deleted_at",
    )  # fmt: skip
    always |= {name: moment(user[name]) for name in times if user[name] is not None}
    return always | ({"new_email": user["email_change"]} if user["email_change"] else {})


def _identity(row: Row) -> Row:
    return {
        "identity_id": str(row["id"]),
        "id": row["provider_id"],
        "user_id": str(row["user_id"]),
        "identity_data": row["identity_data"],
        "provider": row["provider"],
        "last_sign_in_at": moment(row["last_sign_in_at"]),
        "created_at": moment(row["created_at"]),
        "updated_at": moment(row["updated_at"]),
        "email": row["email"],
    }


def moment(value: datetime | None) -> str | None:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None


# --- one-time tokens ----------------------------------------------------------------------------------------------


def store_token(connection: Connection, user: Row, kind: str, token: str, address: str) -> Row:
    """Remember a token in the person's row and in ``one_time_tokens``; an older one of the kind stops working."""
    clear_token(connection, user, kind)
    connection.execute(
        "insert into one_time_tokens (id, user_id, token_type, token_hash, relates_to) values (%s, %s, %s, %s, %s)",
        (uuid4(), user["id"], kind, token, address),
    )
    return change(connection, user, **{kind: token, TOKENS[kind]: now()})


def clear_token(connection: Connection, user: Row, kind: str) -> None:
    connection.execute("delete from one_time_tokens where user_id = %s and token_type = %s", (user["id"], kind))


def by_token(connection: Connection, token: str, kinds: tuple[str, ...]) -> tuple[Row, str] | None:
    """Whose token this is and of which kind."""
    row = connection.execute(
        "select user_id, token_type::text as kind from one_time_tokens where token_hash = %s"
        " and token_type::text = any (%s)",
        (token, list(kinds)),
    ).fetchone()
    user = by_id(connection, row["user_id"]) if row else None
    return (user, row["kind"]) if row and user else None


def is_fresh(user: Row, kind: str, seconds: float) -> bool:
    sent = user[TOKENS[kind]]
    return sent is not None and now() <= sent + timedelta(seconds=seconds)


# --- sessions -----------------------------------------------------------------------------------------------------


def open_session(connection: Connection, user: Row, method: str, address: str, agent: str) -> tuple[UUID, str]:
    """A session and its first refresh token."""
    session_id = uuid4()
    connection.execute(
        "insert into sessions (id, user_id, created_at, updated_at, aal, user_agent, ip)"
        " values (%s, %s, now(), now(), 'aal1', %s, %s)",
        (session_id, user["id"], agent or None, address or None),
    )
    connection.execute(
        "insert into mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)"
        " values (%s, %s, now(), now(), %s)",
        (uuid4(), session_id, method),
    )
    return session_id, new_refresh_token(connection, user, session_id, None)


def new_refresh_token(connection: Connection, user: Row, session_id: UUID, parent: str | None) -> str:
    alphabet = string.ascii_lowercase + string.digits
    token = "".join(secrets.choice(alphabet) for _ in range(12))
    connection.execute(
        "insert into refresh_tokens (instance_id, token, user_id, revoked, created_at, updated_at, parent, session_id)"
        " values (%s, %s, %s, false, now(), now(), %s, %s)",
        (NOBODY, token, str(user["id"]), parent, session_id),
    )
    connection.execute("update users set last_sign_in_at = now(), updated_at = now() where id = %s", (user["id"],))
    return token


def session_of(connection: Connection, session_id: str) -> Row | None:
    return connection.execute(
        "select s.*, array(select authentication_method from mfa_amr_claims c where c.session_id = s.id) as methods"
        " from sessions s where s.id = %s",
        (session_id,),
    ).fetchone()


def write_down(connection: Connection, action: str, user: Row | None, address: str, **traits: Any) -> None:
    """An entry of the audit log."""
    payload = {
        "action": action,
        "actor_id": str(user["id"]) if user else str(NOBODY),
        "actor_username": user["email"] if user else "service_role",
        "log_type": "account",
        "traits": traits,
    }
    connection.execute(
        "insert into audit_log_entries (instance_id, id, payload, created_at, ip_address) values (%s, %s, %s, now(), %s)",
        (NOBODY, uuid4(), json.dumps(payload), address),
    )
