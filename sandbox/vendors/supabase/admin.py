"""``/admin/users`` and ``/admin/generate_link``, for the secret key alone.

Confirmed (supabase/auth, internal/api/admin.go, mail.go): a new password ends every session of the person, a ban ends none (it
stops refreshing and the use of access tokens at this API), a deletion the database refuses is a 500.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg

from sandbox.vendors.supabase import accounts
from sandbox.vendors.supabase.accounts import Connection, Row
from sandbox.vendors.supabase.mailing import KINDS, invited
from sandbox.vendors.supabase.refusals import Refusal, broken, email_exists, invalid
from sandbox.vendors.supabase.service import Ask, Auth

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


def users(auth: Auth, ask: Ask, connection: Connection) -> Any:
    """``GET|POST /admin/users``"""
    auth.require_admin(ask)
    return _list(ask, connection) if ask.method == "GET" else _create(auth, ask, connection)


def user(auth: Auth, ask: Ask, connection: Connection) -> Row:
    """``GET|PUT|DELETE /admin/users/{id}``"""
    auth.require_admin(ask)
    found = _load(connection, ask.path.rpartition("/")[2])
    if ask.method == "PUT":
        found = _update(auth, ask, connection, found)
    if ask.method == "DELETE":
        return _delete(ask, connection, found)
    return accounts.shown(connection, found)


def _load(connection: Connection, user_id: str) -> Row:
    try:
        wanted = UUID(user_id)
    except ValueError:
        raise invalid("user_id must be an UUID", 404) from None
    found = accounts.by_id(connection, wanted)
    if found is None:
        raise Refusal(404, "user_not_found", "User not found")
    return found


def _list(ask: Ask, connection: Connection) -> tuple[Row, dict[str, str]]:
    try:
        page, per_page = int(ask.query.get("page") or 1), int(ask.query.get("per_page") or 50)
        if page < 0 or per_page < 1:
            raise ValueError
    except ValueError:
        raise invalid("Bad Pagination Parameters: invalid syntax") from None
    rows, total = accounts.listed(connection, max(page, 1), per_page)
    pages = -(-total // per_page)
    links = [f'</admin/users?page={page + 1}&per_page={per_page}>; rel="next"'] if pages > page else []
    links.append(f'</admin/users?page={pages}&per_page={per_page}>; rel="last"')
    body = {"users": [accounts.shown(connection, row) for row in rows], "aud": accounts.AUDIENCE}
    return body, {"Link": ", ".join(links), "X-Total-Count": str(total)}


def _create(auth: Auth, ask: Ask, connection: Connection) -> Row:
    if not ask.text("email"):
        raise invalid("Cannot create a user without either an email or phone")
    email, ban = auth.check_email(ask.text("email")), _ban(ask)
    if accounts.by_email(connection, email):
        raise email_exists()
    password, given_hash = ask.text("password"), ask.text("password_hash")
    if password and given_hash:
        raise invalid("Only a password or a password hash should be provided")
    if len(password.encode()) > accounts.MAX_PASSWORD:
        raise invalid("bcrypt: password length exceeds 72 bytes")
    try:
        wanted = UUID(ask.text("id")) if ask.text("id") else None
    except ValueError:
        raise invalid("ID must conform to the uuid v4 format") from None
    with _told("Database error creating new user"), connection.transaction():
        # an administrator's password is not asked to be strong, and none at all becomes one nobody knows
        made = accounts.create(
            connection,
            email,
            given_hash or accounts.hashed(password or secrets.token_urlsafe(48)),
            user_id=wanted,
            role=ask.text("role") or accounts.AUDIENCE,
            app_metadata=ask.mapping("app_metadata"),
            user_metadata=ask.mapping("user_metadata"),
        )
        if ask.body.get("email_confirm"):
            made = accounts.confirm(connection, made)
        if ban:
            made = ban(connection, made)
        accounts.write_down(connection, "user_signedup", None, ask.address, user_email=email)
    return accounts.shown(connection, made)


def _update(auth: Auth, ask: Ask, connection: Connection, found: Row) -> Row:
    ban = _ban(ask)
    email = auth.check_email(ask.text("email")) if ask.text("email") else ""
    if ask.text("password"):
        auth.check_strength(ask.text("password"))
    with _told("Error updating user"), connection.transaction():
        if ask.text("role"):
            found = accounts.change(connection, found, role=ask.text("role"))
        if ask.body.get("email_confirm"):
            found = accounts.confirm(connection, found)
        if ask.text("password"):
            found = accounts.set_password(connection, found, accounts.hashed(ask.text("password")), None)
        if email:
            accounts.ensure_identity(connection, found, email, is_verified=bool(ask.body.get("email_confirm")))
            found = accounts.change(connection, found, email=email)
        for field, column in (("app_metadata", "raw_app_meta_data"), ("user_metadata", "raw_user_meta_data")):
            if (given := ask.mapping(field)) is not None:
                found = accounts.change(connection, found, **{column: accounts.merged(found[column], given)})
        if ban:
            found = ban(connection, found)
        accounts.write_down(connection, "user_modified", None, ask.address, user_id=str(found["id"]))
    return found


def _ban(ask: Ask) -> Callable[[Connection, Row], Row] | None:
    """What ``ban_duration`` asks for: a time from now, or with «none» the end of a ban."""
    text = ask.text("ban_duration")
    if not text:
        return None
    if text == "none":
        return lambda connection, found: accounts.change(connection, found, banned_until=None)
    if not re.fullmatch(rf"(?:{_DURATION.pattern})+", text):
        raise invalid(f'invalid format for ban duration: time: invalid duration "{text}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
    until = accounts.now() + timedelta(seconds=seconds)
    return lambda connection, found: accounts.change(connection, found, banned_until=until)


def _delete(ask: Ask, connection: Connection, found: Row) -> Row:
    if ask.body.get("should_soft_delete"):
        accounts.soft_delete(connection, found)
    else:
        with _told("Database error deleting user"), connection.transaction():
            connection.execute("delete from users where id = %s", (found["id"],))
    accounts.write_down(connection, "user_deleted", None, ask.address, user_id=str(found["id"]))
    return {}


class _told:
    """What the database refuses becomes the service's own error."""

    def __init__(self, message: str) -> None:
        self._message = message

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, psycopg.Error):
            raise broken(self._message) from error


def generate_link(auth: Auth, ask: Ask, connection: Connection) -> Row:
    """``POST /admin/generate_link``: the link and the code, without a mail."""
    auth.require_admin(ask)
    kind, email = ask.text("type"), auth.check_email(ask.text("email"))
    person = accounts.by_email(connection, email)
    if person is None and kind == "recovery":
        raise Refusal(404, "user_not_found", "User with this email not found")
    if kind == "invite":
        person = accounts.change(connection, invited(connection, email, ask.mapping("data")), invited_at=accounts.now())
    elif kind == "signup" or (kind == "magiclink" and person is None):
        person, kind = _signed_up(auth, ask, connection, person, email, kind), "signup"
    elif kind not in ("recovery", "magiclink"):
        raise invalid(f"Invalid email action link type requested: {kind}")
    assert person is not None
    code = accounts.one_time_code()
    token, back = accounts.token_hash(email, code), auth.referrer(ask)
    person = accounts.store_token(connection, person, KINDS[kind][0], token, email)
    return {
        **accounts.shown(connection, person),
        "action_link": auth.link(token, kind, back),
        "email_otp": code,
        "hashed_token": token,
        "verification_type": kind,
        "redirect_to": back,
    }


def _signed_up(auth: Auth, ask: Ask, connection: Connection, person: Row | None, email: str, kind: str) -> Row:
    if person and person["email_confirmed_at"]:
        raise email_exists()
    if person:
        return person
    password = ask.text("password") if kind == "signup" else secrets.token_urlsafe(48)
    if not password:
        raise invalid("Signup requires a valid password")
    auth.check_strength(password)
    return accounts.create(connection, email, accounts.hashed(password), user_metadata=ask.mapping("data"))
