"""Accounts kept by ourselves: bcrypt in ``auth.users``, the column and form of Supabase Auth, so that people can move over.

Every function takes a connection of the service door, except :func:`verify`, which must not hold one while it hashes.
"""

from __future__ import annotations

import secrets
from uuid import UUID

import bcrypt
import psycopg

from synkro import db, sessions
from synkro.accounts.passwords import MAX_PASSWORD_BYTES, check_password
from synkro.errors import AuthenticationError, DataError
from synkro.users import User, checked_email, get, make_profile

#: compared against when the account does not exist, so that the answer takes as long
_NOBODY = bcrypt.hashpw(secrets.token_bytes(16), bcrypt.gensalt(10))


def _hash(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()


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
            (email, _hash(check_password(password))),
        ).fetchone()
    except psycopg.errors.UniqueViolation:
        raise DataError(f"Человек с адресом {email} уже есть.") from None
    assert row is not None
    return make_profile(connection, row["id"], email, full_name=full_name, must_change_password=must_change_password)


def set_password(connection: db.Connection, user_id: UUID, password: str, *, must_change: bool = False) -> None:
    """Change the password and close every browser session of the person."""
    connection.execute(
        "update auth.users set encrypted_password = %s, updated_at = now() where id = %s",
        (_hash(check_password(password)), user_id),
    )
    sessions.after_new_password(connection, user_id, must_change=must_change)


def set_email(connection: db.Connection, user_id: UUID, email: str) -> None:
    """Move the account to an address that was proved; raises :class:`DataError` when somebody took it meanwhile."""
    try:
        connection.execute("update auth.users set email = %s, updated_at = now() where id = %s", (email, user_id))
    except psycopg.errors.UniqueViolation:
        raise DataError(f"Адрес {email} уже занят другим человеком.") from None


def verify(email: str, password: str) -> User:
    """The person with this password; raises :class:`AuthenticationError` with one text for every reason.

    Whoever calls counts the attempts (``synkro/accounts/attempts.py``).
    """
    email = email.strip().lower()
    with db.as_service("login") as connection:
        found = connection.execute(
            "select u.id, u.encrypted_password from auth.users u where lower(u.email) = %s and u.deleted_at is null"
            " and (u.banned_until is null or u.banned_until <= now())",
            # a text that Postgres cannot hold is nobody's address
            (email.replace("\x00", ""),),
        ).fetchone()
    stored = (found["encrypted_password"] or "").encode() if found else b""
    # outside the transaction: hashing takes a tenth of a second and must not hold a connection
    matches = bcrypt.checkpw(password.encode()[:MAX_PASSWORD_BYTES], stored or _NOBODY) and bool(stored)
    if not matches or found is None:
        raise AuthenticationError("Почта или пароль не подходят.")
    with db.as_service("login") as connection:
        connection.execute("update auth.users set last_sign_in_at = now() where id = %s", (found["id"],))
        return get(connection, found["id"])
