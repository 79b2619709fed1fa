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

#: evaluated guesses per account and 15 minutes; the counter is the account's, whatever the address
MAX_FAILURES = 10
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
            "select u.id, u.encrypted_password from auth.users u where lower(u.email) = %s and u.deleted_at is null"
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
