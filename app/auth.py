"""Who is asking: the browser cookie or a token, sign-in, sign-out, passwords, links of letters.

The cookie holds an opaque id of a ``private.web_sessions`` row, signed with ``SYNKRO_WEB_SECRET`` so that junk never
reaches the database. Every sign-in makes a new id. Who checks a password is ``synkro/accounts``; what happened goes to the
audit log here. Programs of members may send a Supabase access token instead of the cookie, to the REST API alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from app.offload import off_loop
from synkro import accounts, audit, db, invitations, sessions
from synkro.accounts import attempts
from synkro.errors import AuthenticationError, ConfigurationError, DataError
from synkro.files import secret_file
from synkro.invitations import Invitation
from synkro.settings import settings
from synkro.users import User

logger = logging.getLogger("synkro.app")

MIN_SECRET = 32
WRITE_FAILURES_SECONDS = 60.0
#: as long as Supabase keeps a link of a letter
LETTER_SECONDS = 3600
#: how long a browser is known to an account after its last sign-in
DEVICE_SECONDS = 90 * 86400
KNOWN = "С этой почтой уже есть вход в Synkro. Войдите со своим паролем и примите приглашение."
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True)
class Caller:
    """One signed-in request or socket."""

    user: User
    #: empty for a program that came with a token
    session_id: str
    #: came by a link of a letter: sets a password before anything else
    may_set_password: bool = False

    @property
    def must_set_password(self) -> bool:
        return self.user.must_change_password or self.may_set_password


def is_https() -> bool:
    return settings().is_production or settings().base_url.startswith("https://")


def cookie_name() -> str:
    """``__Host-`` pins the cookie to this host and to https; plain http knows no such cookie."""
    return "__Host-synkro" if is_https() else "synkro"


def web_secret() -> str:
    """The key of the cookie's signature; raises :class:`ConfigurationError` when it is missing in production or short."""
    configured = settings().web_secret
    if configured is not None:
        value = configured.get_secret_value()
        if len(value) < MIN_SECRET or len(set(value)) < 8:
            raise ConfigurationError(
                f"SYNKRO_WEB_SECRET слишком простой: нужно не меньше {MIN_SECRET} случайных знаков. "
                'Сделайте его командой python -c "import secrets; print(secrets.token_urlsafe(32))".'
            )
        return value
    if settings().is_production:
        raise ConfigurationError("Не задан SYNKRO_WEB_SECRET: без него нельзя подписывать вход в браузере.")
    return secret_file(settings().data_dir / "web_secret")


def _signature(session_id: str) -> str:
    return hmac.new(web_secret().encode(), session_id.encode(), hashlib.sha256).hexdigest()[:32]


def sealed(session_id: str) -> str:
    """The cookie's value."""
    return f"{session_id}.{_signature(session_id)}"


def opened(value: str | None) -> str | None:
    """The session id in a cookie of ours, else ``None``."""
    session_id, _, signature = (value or "").rpartition(".")
    if not session_id or not hmac.compare_digest(signature.encode(), _signature(session_id).encode()):
        return None
    return session_id


def session_in(header: str | None) -> str | None:
    """The session id in a ``Cookie`` header."""
    try:
        morsel = SimpleCookie(header or "").get(cookie_name())
    except CookieError:
        return None
    return opened(morsel.value) if morsel else None


def set_cookie(response: Any, session_id: str) -> None:
    response.set_cookie(
        cookie_name(),
        sealed(session_id),
        max_age=int(sessions.ABSOLUTE.total_seconds()),
        httponly=True,
        secure=is_https(),
        samesite="lax",
        path="/",
    )


def drop_cookie(response: Any) -> None:
    response.delete_cookie(cookie_name(), httponly=True, secure=is_https(), samesite="lax", path="/")


def letter_cookie_name() -> str:
    """What is kept in the browser between asking for a letter and opening its link."""
    return f"{cookie_name()}-letter"


def set_letter_cookie(response: Any, kind: str, verifier: str) -> None:
    """Remember, signed, which letter was asked for and Supabase's code verifier."""
    response.set_cookie(
        letter_cookie_name(),
        sealed(f"{kind}.{verifier}"),
        max_age=LETTER_SECONDS,
        httponly=True,
        secure=is_https(),
        samesite="lax",
        path="/",
    )


def letter_in(cookies: Mapping[str, str]) -> tuple[str, str]:
    """Kind and verifier of :func:`set_letter_cookie`; two empty texts for anything else."""
    kind, _, verifier = (opened(cookies.get(letter_cookie_name())) or "").partition(".")
    return kind, verifier


# --- known browsers ---------------------------------------------------------------------------------------


def device_cookie_name(email: str) -> str:
    """One for each account that signed in here: the name holds the start of its keyed hash."""
    return f"{cookie_name()}-device-{attempts.account_key(email)[:12]}"


def set_device_cookie(response: Any, email: str) -> None:
    """After a full sign-in: this browser is known to this account, whoever fails elsewhere."""
    value = f"device.{attempts.account_key(email)}.{secrets.token_urlsafe(16)}.{int(time.time())}"
    response.set_cookie(
        device_cookie_name(email),
        sealed(value),
        max_age=DEVICE_SECONDS,
        httponly=True,
        secure=is_https(),
        samesite="lax",
        path="/",
    )


def device_in(cookies: Mapping[str, str], email: str) -> str | None:
    """The id of this browser if it signed in to this very account within :data:`DEVICE_SECONDS`."""
    parts = (opened(cookies.get(device_cookie_name(email))) or "").split(".")
    if len(parts) != 4 or parts[0] != "device" or not parts[3].isdecimal():
        return None
    is_young = 0 <= time.time() - int(parts[3]) <= DEVICE_SECONDS
    return parts[2] if is_young and hmac.compare_digest(parts[1], attempts.account_key(email)) else None


def identify(session_id: str | None) -> Caller | None:
    """The person behind a session id (database; renews the idle clock)."""
    found = sessions.of(session_id)
    return Caller(found.user, session_id, found.may_set_password) if found and session_id else None


def bearer_in(header: str | None) -> str | None:
    """The token in an ``Authorization`` header."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def identify_token(token: str) -> Caller:
    """The person behind a Supabase access token; raises :class:`AuthenticationError`."""
    if not accounts.is_supabase():
        raise AuthenticationError("Эта установка не принимает токены: войдите на странице входа.")
    from synkro.accounts import tokens

    return Caller(tokens.person_of(token), "")


def safe_next(target: str | None) -> str:
    """Where to go after sign-in: a path of ours, else ``/``.

    Refuses what a browser may read as another host: ``//x``, ``/\\x``, schemes, control characters, also when encoded.
    """
    value = target or "/"
    if not value.startswith("/") or value.startswith("//") or _UNSAFE.search(value) or len(value) > 1000:
        return "/"
    parts = urlsplit(value)
    lowered = value.lower()
    if parts.scheme or parts.netloc or lowered.startswith(("/%2f", "/%5c", "/%09", "/%0")):
        return "/"
    if parts.path.startswith(("/login", "/logout", "/auth/", "/forgot", "/_nicegui", "/api/")):
        return "/"
    return value


# --- sign-in ----------------------------------------------------------------------------------------------


def sign_in(
    email: str, password: str, ip_address: str | None, user_agent: str | None, *, device: str | None = None
) -> tuple[User, str]:
    """The person and a fresh session id; raises :class:`AuthenticationError`.

    A success goes to the audit log here, failures by ``synkro/accounts/attempts.py``.
    """
    user = accounts.sign_in(email, password, ip_address, device=device)
    session_id = sessions.open_session(user.user_id, ip_address, user_agent)
    with db.as_service("login") as connection:
        audit.write(connection, "login.ok", actor_id=user.user_id, actor=user.email, ip_address=ip_address)
    return user, session_id


async def write_failures_forever() -> None:
    """Failures of a window that is over become lines of the audit log."""
    while True:
        await asyncio.sleep(WRITE_FAILURES_SECONDS)
        try:
            await off_loop(attempts.write_down)
        except Exception as error:
            logger.warning("Не удалось записать неудачные входы: %s", error)


def sign_out(caller: Caller, ip_address: str | None) -> None:
    sessions.close_session(caller.session_id)
    with db.as_service("login") as connection:
        audit.write(connection, "logout", actor_id=caller.user.user_id, actor=caller.user.email, ip_address=ip_address)


def change_password(caller: Caller, old: str, new: str, ip_address: str | None) -> None:
    """Needs the present password, or a session that a link opened. Closes every session of the person, this one too."""
    user = caller.user
    if caller.may_set_password:
        accounts.set_own_password(user, new)
    else:
        accounts.change_password(user, old, new, ip_address)
    with db.as_service("password") as connection:
        audit.write(connection, "password.changed", actor_id=user.user_id, actor=user.email, ip_address=ip_address)


# --- links of letters -------------------------------------------------------------------------------------


def open_confirmed(confirmed: accounts.Confirmed, ip_address: str | None, user_agent: str | None) -> str:
    """A session for whoever opened a link; one of a forgotten password or an invitation sets a password first."""
    user = confirmed.user
    session_id = sessions.open_session(
        user.user_id, ip_address, user_agent, may_set_password=confirmed.may_set_password
    )
    with db.as_service("login") as connection:
        audit.write(
            connection,
            "login.link",
            actor_id=user.user_id,
            actor=user.email,
            message=confirmed.kind,
            ip_address=ip_address,
        )
        if confirmed.kind == "invite":
            for accepted in invitations.accept_by_letter(connection, user):
                _note_accepted(connection, accepted, user, ip_address)
    return session_id


# --- invitations ------------------------------------------------------------------------------------------


def invited(token: str) -> Invitation:
    """What the link offers; raises :class:`DataError` when it offers nothing any more."""
    with db.as_service("invitation") as connection:
        return invitations.look(connection, token)


def accept(token: str, user: User, ip_address: str | None) -> None:
    """The signed-in person takes the role; raises :class:`DataError`."""
    with db.as_service("invitation") as connection:
        _note_accepted(connection, invitations.accept(connection, token, user), user, ip_address)


def join(token: str, password: str, ip_address: str | None, user_agent: str | None) -> tuple[str, str]:
    """A new person makes an account with their own password and takes the role; returns the e-mail and the session id.

    Somebody who has an account signs in instead: raises :class:`DataError`, as for a link that offers nothing.
    """
    offered = invited(token)
    company = offered.tenant_name
    accounts.check_password(password, (offered.email, offered.full_name, company))
    try:
        made = accounts.add(offered.email, password, full_name=offered.full_name, company=company)
    except DataError:
        raise DataError(KNOWN) from None
    if made.is_known:
        raise DataError(KNOWN)
    accept(token, made.user, ip_address)
    session_id = sessions.open_session(made.user.user_id, ip_address, user_agent)
    with db.as_service("login") as connection:
        audit.write(connection, "login.ok", actor_id=made.user.user_id, actor=made.user.email, ip_address=ip_address)
    return made.user.email, session_id


def _note_accepted(connection: db.Connection, accepted: Invitation, user: User, ip_address: str | None) -> None:
    audit.write(
        connection,
        "person.accepted",
        tenant_id=accepted.tenant_id,
        actor_id=user.user_id,
        actor=user.email,
        metadata={"user_id": str(user.user_id), "role": accepted.role},
        ip_address=ip_address,
    )
