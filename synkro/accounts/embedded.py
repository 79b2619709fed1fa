"""Accounts kept by ourselves: Argon2id in ``auth.users``, the column of Supabase Auth, which reads this form too.

Every function takes a connection of the service entry point, except :func:`verify`, which must not hold one while it hashes.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from uuid import UUID

import psycopg

from synkro.accounts import hashing, sessions
from synkro.accounts.passwords import check_password
from synkro.core.errors import AuthenticationError, DataError, TransientError
from synkro.database import db
from synkro.tenancy.users import User, checked_email, get, make_profile


def add(
    connection: db.Connection,
    email: str,
    password: str,
    *,
    full_name: str = "",
    must_change_password: bool = False,
) -> User:
    """Make an account and its profile; raises :class:`DataError` when the address is taken or wrong."""
    email = checked_email(email)
    try:
        row = connection.execute(
            "insert into auth.users (email, encrypted_password, email_confirmed_at) values (%s, %s, now()) returning id",
            (email, hashing.hashed(check_password(password, (email, full_name)))),
        ).fetchone()
    except psycopg.errors.UniqueViolation:
        raise DataError(f"Человек с адресом {email} уже есть.") from None
    assert row is not None
    return make_profile(connection, row["id"], email, full_name=full_name, must_change_password=must_change_password)


def set_password(connection: db.Connection, user_id: UUID, password: str, *, must_change: bool = False) -> None:
    """Change the password and close every browser session of the person."""
    connection.execute(
        "update auth.users set encrypted_password = %s, updated_at = now() where id = %s",
        (hashing.hashed(check_password(password)), user_id),
    )
    sessions.after_new_password(connection, user_id, must_change=must_change)


def set_email(connection: db.Connection, user_id: UUID, email: str) -> None:
    """Move the account to an address that was proved; raises :class:`DataError` when somebody took it meanwhile."""
    try:
        connection.execute("update auth.users set email = %s, updated_at = now() where id = %s", (email, user_id))
    except psycopg.errors.UniqueViolation:
        raise DataError(f"Адрес {email} уже занят другим человеком.") from None


def set_blocked(connection: db.Connection, user_id: UUID, is_blocked: bool) -> None:
    """Disable or enable the account; what it owns stays."""
    connection.execute(
        "update auth.users set banned_until = case when %s then now() + interval '100 years' end, updated_at = now()"
        " where id = %s",
        (is_blocked, user_id),
    )


def verify(email: str, password: str) -> User:
    """The person with this password; raises :class:`AuthenticationError` with one text for every reason.

    Whoever calls counts the attempts (``synkro/accounts/attempts.py``).
    """
    email = email.strip().lower()
    with db.as_service("login") as connection:
        found = connection.execute(
            "select u.id, u.encrypted_password, x.has_bcrypt from (select exists (select from auth.users o"
            "  where o.encrypted_password like '$2%%') as has_bcrypt) x left join auth.users u on lower(u.email) = %s"
            "  and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now())",
            # a text that Postgres cannot hold is nobody's address
            (email.replace("\x00", ""),),
        ).fetchone()
    assert found is not None
    stored = found["encrypted_password"]
    # outside the transaction: hashing takes its time and must not hold a connection
    if not hashing.matches(stored, password, has_bcrypt=found["has_bcrypt"]):
        raise AuthenticationError("Почта или пароль не подходят.")
    if hashing.is_outdated(stored):
        _hash_anew(found["id"], stored, password)
    with db.as_service("login") as connection:
        connection.execute("update auth.users set last_sign_in_at = now() where id = %s", (found["id"],))
        return get(connection, found["id"])


def _hash_anew(user_id: UUID, stored: str, password: str) -> None:
    """Replace an older hash by today's. The password stays, so the person's sessions stay too."""
    # a busy machine does it at the next sign-in
    with suppress(TransientError):
        fresh = hashing.hashed(password)
        with db.as_service("login") as connection:
            changed = connection.execute(
                "update auth.users set encrypted_password = %s where id = %s and encrypted_password = %s",
                (fresh, user_id, stored),
            ).rowcount
            if changed:
                sessions.after_new_hash(connection, user_id, hashlib.sha256(stored.encode()).hexdigest())
