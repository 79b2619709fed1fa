"""People: accounts of the embedded auth, their profiles and roles.

Passwords are bcrypt in ``auth.users``, the same column and form as Supabase Auth keeps, so accounts move over.
With Supabase configured the sign-in itself is Supabase's (``app/auth.py``); profiles and roles stay here.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import bcrypt
import psycopg

from synkro import db
from synkro.errors import AuthenticationError, DataError, NotFoundError

Role = Literal["super_admin", "admin_lite", "user"]
ROLES: tuple[Role, ...] = ("super_admin", "admin_lite", "user")
MIN_PASSWORD = 12
#: bcrypt looks at no byte beyond this one: a longer password would be cut without a word
MAX_PASSWORD_BYTES = 72
#: evaluated guesses per account and 15 minutes; the counter is the account's, whatever the address
MAX_FAILURES = 10
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_COMMON = frozenset(
    [
        "password1234",
        "123456789012",
        "qwertyuiop12",
        "qwerty123456",
        "administrator",
        "parolparol12",
        "passwordpassword",
        "111111111111",
    ]
)
#: compared against when the account does not exist, so that the answer takes as long
_NOBODY = bcrypt.hashpw(secrets.token_bytes(16), bcrypt.gensalt(10))


@dataclass(frozen=True)
class User:
    user_id: UUID
    email: str
    full_name: str
    timezone: str
    language: str
    phone: str | None
    must_change_password: bool


@dataclass(frozen=True)
class Membership:
    user_role_id: UUID
    user_id: UUID
    tenant_id: UUID | None
    role: Role
    is_active: bool


_USER = "user_id, email, full_name, timezone, language, phone, must_change_password"


def check_password(password: str) -> str:
    """Raises :class:`DataError` that says what is wrong: length, bytes or a known password."""
    if len(password) < MIN_PASSWORD:
        raise DataError(f"Пароль короче {MIN_PASSWORD} знаков. Возьмите фразу из нескольких слов.")
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise DataError(f"Пароль длиннее {MAX_PASSWORD_BYTES} байт. Сократите его.")
    if password.lower() in _COMMON or len(set(password)) < 4:
        raise DataError("Такой пароль подбирают первым. Возьмите фразу из нескольких слов.")
    return password


def _hash(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()


def add(
    connection: db.Connection,
    email: str,
    password: str,
    *,
    full_name: str = "",
    must_change_password: bool = False,
    user_id: UUID | None = None,
) -> User:
    """Make an account (service door). ``user_id`` is given when Supabase made it already."""
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise DataError(f"Адрес «{email}» не похож на почту: нужен вид имя@домен.")
    try:
        row = connection.execute(
            "insert into auth.users (id, email, encrypted_password, email_confirmed_at)"
            " values (coalesce(%s, gen_random_uuid()), %s, %s, now()) returning id",
            (user_id, email, _hash(check_password(password))),
        ).fetchone()
    except psycopg.errors.UniqueViolation:
        raise DataError(f"Человек с адресом {email} уже есть.") from None
    assert row is not None
    profile = connection.execute(
        "insert into synkro.user_profiles (user_id, email, full_name, must_change_password)"
        f" values (%s, %s, %s, %s) returning {_USER}",
        (row["id"], email, full_name.strip(), must_change_password),
    ).fetchone()
    assert profile is not None
    return User(**profile)


def set_password(connection: db.Connection, user_id: UUID, password: str, *, must_change: bool = False) -> None:
    """Change the password and close every browser session of the person (service door)."""
    connection.execute(
        "update auth.users set encrypted_password = %s, updated_at = now() where id = %s",
        (_hash(check_password(password)), user_id),
    )
    connection.execute(
        "update synkro.user_profiles set must_change_password = %s, updated_at = now() where user_id = %s",
        (must_change, user_id),
    )
    connection.execute(
        "update private.web_sessions set revoked_at = now() where user_id = %s and revoked_at is null",
        (user_id,),
    )


def verify(email: str, password: str, ip_address: str | None = None) -> User:
    """The person with this password; raises :class:`AuthenticationError` with one text for every reason."""
    email = email.strip().lower()
    with db.as_service("login") as connection:
        failures = connection.execute(
            "select count(*) as n from private.login_attempts where lower(email) = %(email)s and not was_successful"
            " and created_at > greatest(now() - interval '15 minutes', coalesce((select max(created_at)"
            "  from private.login_attempts where lower(email) = %(email)s and was_successful), '-infinity'))",
            {"email": email},
        ).fetchone()
        found = connection.execute(
            "select u.id, u.encrypted_password from auth.users u where lower(u.email) = %s"
            " and (u.banned_until is null or u.banned_until <= now())",
            (email,),
        ).fetchone()
    if failures and failures["n"] >= MAX_FAILURES:
        raise AuthenticationError(
            "Слишком много попыток входа. Подождите 15 минут или попросите администратора сменить пароль."
        )
    stored = (found["encrypted_password"] or "").encode() if found else b""
    # outside the transaction: hashing takes a tenth of a second and must not hold a connection
    matches = bcrypt.checkpw(password.encode()[:MAX_PASSWORD_BYTES], stored or _NOBODY) and bool(stored)
    with db.as_service("login") as connection:
        connection.execute(
            "insert into private.login_attempts (email, ip_address, was_successful) values (%s, %s, %s)",
            (email[:320], ip_address, matches),
        )
        if matches and found:
            connection.execute("update auth.users set last_sign_in_at = now() where id = %s", (found["id"],))
            return get(connection, found["id"])
    raise AuthenticationError("Почта или пароль не подходят.")


def get(connection: db.Connection, user_id: UUID) -> User:
    row = connection.execute(f"select {_USER} from synkro.user_profiles where user_id = %s", (user_id,)).fetchone()
    if row is None:
        raise NotFoundError("Человек не найден.")
    return User(**row)


def by_email(connection: db.Connection, email: str) -> User:
    row = connection.execute(
        f"select {_USER} from synkro.user_profiles where lower(email) = lower(%s)",
        (email.strip(),),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"Человек с адресом {email} не найден.")
    return User(**row)


def update_profile(connection: db.Connection, user: User) -> None:
    connection.execute(
        "update synkro.user_profiles set full_name = %s, phone = %s, timezone = %s, language = %s, updated_at = now()"
        " where user_id = %s",
        (user.full_name, user.phone, user.timezone, user.language, user.user_id),
    )


def grant(
    connection: db.Connection,
    user_id: UUID,
    tenant_id: UUID | None,
    role: Role,
    *,
    created_by: UUID | None = None,
) -> None:
    """Give (or change) a role; ``tenant_id`` is ``None`` for super_admin and only for it."""
    if (tenant_id is None) != (role == "super_admin"):
        raise DataError("Роль super_admin действует на всю установку, остальные — в одной компании: уточните компанию.")
    connection.execute(
        "insert into synkro.user_roles (user_id, tenant_id, role, created_by) values (%s, %s, %s, %s)"
        " on conflict (tenant_id, user_id) do update set role = excluded.role, is_active = true",
        (user_id, tenant_id, role, created_by),
    )


def revoke(connection: db.Connection, user_id: UUID, tenant_id: UUID | None) -> None:
    """Take the role away; open pages lose the tenant at their next event."""
    connection.execute(
        "update synkro.user_roles set is_active = false where user_id = %s and tenant_id is not distinct from %s",
        (user_id, tenant_id),
    )


def memberships(connection: db.Connection, user_id: UUID) -> list[Membership]:
    rows = connection.execute(
        "select user_role_id, user_id, tenant_id, role, is_active from synkro.user_roles where user_id = %s and is_active",
        (user_id,),
    )
    return [Membership(**row) for row in rows]


def people_of(connection: db.Connection, tenant_id: UUID) -> list[tuple[User, Membership]]:
    """Everyone with a role in the tenant, by name."""
    rows = connection.execute(
        "select p.user_id, p.email, p.full_name, p.timezone, p.language, p.phone, p.must_change_password,"
        " r.user_role_id, r.role, r.is_active"
        " from synkro.user_roles r join synkro.user_profiles p using (user_id) where r.tenant_id = %s"
        " order by p.full_name, p.email",
        (tenant_id,),
    )
    return [
        (
            User(**{key: row[key] for key in User.__dataclass_fields__}),
            Membership(row["user_role_id"], row["user_id"], tenant_id, row["role"], row["is_active"]),
        )
        for row in rows
    ]


def anyone(connection: db.Connection) -> bool:
    """Whether the first administrator was made already."""
    return connection.execute("select from auth.users limit 1").fetchone() is not None
