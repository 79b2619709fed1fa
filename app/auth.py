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
from uuid import UUID

from app.offload import off_loop
from synkro import accounts
from synkro.accounts import attempts, second_factor, sessions
from synkro.core.errors import AuthenticationError, ConfigurationError, DataError
from synkro.core.files import secret_file
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy import audit, invitations, users
from synkro.tenancy.audit.actions import Action
from synkro.tenancy.invitations import Invitation
from synkro.tenancy.users import User

logger = logging.getLogger("synkro.app")

MIN_SECRET = 32
WRITE_FAILURES_SECONDS = 60.0
#: as long as Supabase keeps a link of a letter
LETTER_SECONDS = 3600
#: how long a browser is known to an account after its last sign-in
DEVICE_SECONDS = 90 * 86400
#: between the password and the code
STEP_SECONDS = 600
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
    #: made the second step of the sign-in
    has_second_factor: bool = False

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


def drop_letter_cookie(response: Any) -> None:
    response.delete_cookie(letter_cookie_name(), httponly=True, secure=is_https(), samesite="lax", path="/")


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
    if found is None or not session_id:
        return None
    return Caller(found.user, session_id, found.may_set_password, found.has_second_factor)


def bearer_in(header: str | None) -> str | None:
    """The token in an ``Authorization`` header."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def identify_token(token: str) -> Caller:
    """The person behind a Supabase access token; raises :class:`AuthenticationError`.

    A token proves a password at most, so it is not taken from whoever makes a second step.
    """
    if not accounts.is_supabase():
        raise AuthenticationError("Эта установка не принимает токены: войдите на странице входа.")
    from synkro.accounts import tokens

    user = tokens.person_of(token)
    if second_factor.status(user.user_id).is_needed:
        raise AuthenticationError("Токен не подтверждает второй шаг входа: войдите на странице входа.")
    return Caller(user, "")


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


@dataclass(frozen=True)
class Entered:
    """Who proved the first step. Either a session is open, or the second step comes next."""

    user: User
    session_id: str | None
    #: value of the cookie that leads to the second step
    step: str | None = None


def sign_in(
    email: str, password: str, ip_address: str | None, user_agent: str | None, *, device: str | None = None
) -> Entered:
    """The person with this password; raises :class:`AuthenticationError`.

    A success goes to the audit log here, failures by ``synkro/accounts/attempts.py``.
    """
    return _enter(accounts.sign_in(email, password, ip_address, device=device), ip_address, user_agent)


def _enter(
    user: User,
    ip_address: str | None,
    user_agent: str | None,
    *,
    may_set_password: bool = False,
    action: Action = "login.ok",
    message: str = "",
) -> Entered:
    """A session, unless the person has to make a second step: then there is none before it."""
    if second_factor.status(user.user_id).is_needed:
        return Entered(user, None, _step_value(user, may_set_password))
    return Entered(user, _open(user, ip_address, user_agent, may_set_password, action=action, message=message))


def _open(
    user: User,
    ip_address: str | None,
    user_agent: str | None,
    may_set_password: bool,
    *,
    has_second_factor: bool = False,
    action: Action = "login.ok",
    message: str = "",
) -> str:
    session_id = sessions.open_session(
        user.user_id,
        ip_address,
        user_agent,
        may_set_password=may_set_password,
        has_second_factor=has_second_factor,
    )
    _note(user, action, ip_address, message)
    return session_id


def _note(user: User, action: Action, ip_address: str | None, message: str = "") -> None:
    with db.as_service("login") as connection:
        audit.write(connection, action, actor_id=user.user_id, actor=user.email, message=message, ip_address=ip_address)


# --- the second step --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """Somebody between the two steps: the password (or a link) is proved, no session is open."""

    user: User
    may_set_password: bool
    status: second_factor.Status


def step_cookie_name() -> str:
    return f"{cookie_name()}-step"


def set_step_cookie(response: Any, value: str) -> None:
    response.set_cookie(
        step_cookie_name(), value, max_age=STEP_SECONDS, httponly=True, secure=is_https(), samesite="lax", path="/"
    )


def drop_step_cookie(response: Any) -> None:
    response.delete_cookie(step_cookie_name(), httponly=True, secure=is_https(), samesite="lax", path="/")


def _step_value(user: User, may_set_password: bool) -> str:
    """Signed, for :data:`STEP_SECONDS`, and void once the password changes."""
    mark = sessions.account_mark(user.user_id)
    return sealed(f"step.{user.user_id}.{mark}.{int(may_set_password)}.{int(time.time()) + STEP_SECONDS}")


def step_in(cookies: Mapping[str, str]) -> Step | None:
    """Who is between the two steps in this browser (database)."""
    parts = (opened(cookies.get(step_cookie_name())) or "").split(".")
    if len(parts) != 5 or parts[0] != "step" or int(parts[4]) < time.time():
        return None
    user_id = UUID(parts[1])
    if not parts[2] or not hmac.compare_digest(parts[2], sessions.account_mark(user_id)):
        return None
    with db.as_service("login") as connection:
        user = users.get(connection, user_id)
    return Step(user, parts[3] == "1", second_factor.status(user_id))


def finish_step(step: Step, code: str, ip_address: str | None, user_agent: str | None, *, device: str | None) -> str:
    """Open the session by a code; raises :class:`AuthenticationError`."""
    with attempts.counted(step.user.email, ip_address, device=device, kind="code"):
        is_recovery = second_factor.check(step.user, code)
    message = "recovery code" if is_recovery else "code"
    return _open(step.user, ip_address, user_agent, step.may_set_password, has_second_factor=True, message=message)


def set_up_step(
    step: Step, code: str, ip_address: str | None, user_agent: str | None, *, device: str | None
) -> tuple[str, list[str]]:
    """Turn the second step on and open the session; returns it and the recovery codes."""
    with attempts.counted(step.user.email, ip_address, device=device, kind="code"):
        codes = second_factor.confirm(step.user, code)
    _note(step.user, "second_factor.on", ip_address)
    session_id = _open(step.user, ip_address, user_agent, step.may_set_password, has_second_factor=True, message="code")
    return session_id, codes


def turn_on(caller: Caller, password: str, code: str, ip_address: str | None) -> list[str]:
    """For somebody signed in; returns the recovery codes. Other sessions of the person end."""
    accounts.check_own_password(caller.user, password, ip_address)
    with attempts.counted(caller.user.email, ip_address, kind="change"):
        codes = second_factor.confirm(caller.user, code)
    with db.as_service("second factor") as connection:
        sessions.after_second_factor(connection, caller.session_id)
    _note(caller.user, "second_factor.on", ip_address)
    return codes


def renew_codes(caller: Caller, code: str, ip_address: str | None) -> list[str]:
    """New recovery codes, by a code."""
    with attempts.counted(caller.user.email, ip_address, kind="change"):
        second_factor.check(caller.user, code)
    with db.as_service("second factor") as connection:
        codes = second_factor.new_codes(connection, caller.user.user_id)
    _note(caller.user, "second_factor.codes", ip_address)
    return codes


def turn_off(caller: Caller, code: str, ip_address: str | None) -> None:
    """By a code; raises :class:`DataError` for whoever has to have it."""
    if second_factor.status(caller.user.user_id).is_required:
        raise DataError("Оператору второй шаг входа нужен: выключить его нельзя.")
    with attempts.counted(caller.user.email, ip_address, kind="change"):
        second_factor.check(caller.user, code)
    with db.as_service("second factor") as connection:
        second_factor.remove(connection, caller.user.user_id, keeps_sessions=True)
    _note(caller.user, "second_factor.off", ip_address)


async def write_failures_forever() -> None:
    """Failures of a window that is over become lines of the audit log."""
    while True:
        await asyncio.sleep(WRITE_FAILURES_SECONDS)
        try:
            await off_loop(attempts.write_down)
        except Exception as error:
            logger.warning("Failed sign-ins could not be written down: %s", error)


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


def open_confirmed(confirmed: accounts.Confirmed, ip_address: str | None, user_agent: str | None) -> Entered:
    """For whoever opened a link: a session, which sets a password first after a forgotten one or an invitation; or the
    second step, which a link does not replace."""
    user = confirmed.user
    entered = _enter(
        user,
        ip_address,
        user_agent,
        may_set_password=confirmed.may_set_password,
        action="login.link",
        message=confirmed.kind,
    )
    if confirmed.kind == "invite":
        with db.as_service("login") as connection:
            for accepted in invitations.accept_by_letter(connection, user):
                _note_accepted(connection, accepted, user, ip_address)
    return entered


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
    return made.user.email, _open(made.user, ip_address, user_agent, False)


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
