"""Who is asking: the browser cookie, sign-in, sign-out, passwords.

The cookie holds an opaque id of a ``private.web_sessions`` row, signed with ``SYNKRO_WEB_SECRET`` so that junk never
reaches the database. Every sign-in makes a new id. With ``SYNKRO_SUPABASE_URL`` set, Supabase Auth checks the password;
profiles, roles and browser sessions stay here either way.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from synkro import audit, db, sessions, users
from synkro.errors import AuthenticationError, ConfigurationError, DataError, SynkroError, TransientError
from synkro.files import secret_file
from synkro.settings import settings
from synkro.users import User

MIN_SECRET = 32
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True)
class Caller:
    """One signed-in request or socket."""

    user: User
    session_id: str


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


def identify(session_id: str | None) -> Caller | None:
    """The person behind a session id (database; renews the idle clock)."""
    user = sessions.user_of(session_id)
    return Caller(user, session_id) if user and session_id else None


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
    if parts.path.startswith(("/login", "/logout", "/_nicegui", "/api/")):
        return "/"
    return value


# --- sign-in ----------------------------------------------------------------------------------------------


def sign_in(email: str, password: str, ip_address: str | None, user_agent: str | None) -> tuple[User, str]:
    """The person and a fresh session id; raises :class:`AuthenticationError`. Both outcomes go to the audit log."""
    try:
        user = (
            _verify_with_supabase(email, password)
            if settings().supabase_url
            else users.verify(email, password, ip_address)
        )
    except AuthenticationError as error:
        with db.as_service("login") as connection:
            audit.write(
                connection,
                "login.failed",
                actor=email.strip().lower()[:320],
                message=error.message,
                ip_address=ip_address,
            )
        raise
    session_id = sessions.open_session(user.user_id, ip_address, user_agent)
    with db.as_service("login") as connection:
        audit.write(connection, "login.ok", actor_id=user.user_id, actor=user.email, ip_address=ip_address)
    return user, session_id


def sign_out(caller: Caller, ip_address: str | None) -> None:
    sessions.close_session(caller.session_id)
    with db.as_service("login") as connection:
        audit.write(connection, "logout", actor_id=caller.user.user_id, actor=caller.user.email, ip_address=ip_address)


def change_password(user: User, old: str, new: str, ip_address: str | None) -> None:
    """Needs the present password. Closes every browser session of the person, this one too."""
    if old == new:
        raise DataError("Новый пароль совпадает с нынешним. Придумайте другой.")
    users.check_password(new)
    if settings().supabase_url:
        client = _supabase_client()
        _supabase_session(client, user.email, old)
        client.auth.update_user({"password": new})
    else:
        users.verify(user.email, old, ip_address)
    with db.as_service("password") as connection:
        users.set_password(connection, user.user_id, new)
        audit.write(connection, "password.changed", actor_id=user.user_id, actor=user.email, ip_address=ip_address)


def create_account(connection: db.Connection, email: str, full_name: str) -> tuple[User, str]:
    """A new person with a one-time password, shown once and changed at the first sign-in (service door)."""
    password = "-".join(secrets.token_hex(2) for _ in range(4))
    user_id = None
    if settings().supabase_url:
        made = _supabase_client(admin=True).auth.admin.create_user(
            {"email": email, "password": password, "email_confirm": True}
        )
        user_id = made.user.id
        connection.execute(
            "insert into synkro.user_profiles (user_id, email, full_name, must_change_password) values (%s, %s, %s, true)"
            " on conflict (user_id) do nothing",
            (user_id, email.strip().lower(), full_name.strip()),
        )
        return users.by_email(connection, email), password
    return users.add(connection, email, password, full_name=full_name, must_change_password=True), password


# --- Supabase Auth ----------------------------------------------------------------------------------------


def _supabase_client(*, admin: bool = False) -> Any:
    from supabase import create_client

    key = settings().supabase_secret_key if admin else settings().supabase_publishable_key
    if key is None:
        name = "SYNKRO_SUPABASE_SECRET_KEY" if admin else "SYNKRO_SUPABASE_PUBLISHABLE_KEY"
        raise ConfigurationError(f"Не задан {name}: без него Supabase Auth не отвечает.")
    return create_client(settings().supabase_url, key.get_secret_value())


def _supabase_session(client: Any, email: str, password: str) -> Any:
    from supabase import AuthApiError

    try:
        return client.auth.sign_in_with_password({"email": email.strip().lower(), "password": password})
    except AuthApiError:
        raise AuthenticationError("Почта или пароль не подходят.") from None
    except SynkroError:
        raise
    except Exception as error:
        raise TransientError("Supabase Auth не отвечает. Повторите через минуту.", detail=repr(error)) from None


def _verify_with_supabase(email: str, password: str) -> User:
    """Supabase counts the attempts itself; a first sign-in makes the profile."""
    user_id = _supabase_session(_supabase_client(), email, password).user.id
    with db.as_service("login") as connection:
        connection.execute(
            "insert into synkro.user_profiles (user_id, email) values (%s, %s) on conflict (user_id) do nothing",
            (user_id, email.strip().lower()),
        )
        return users.get(connection, user_id)
