"""Accounts kept by Supabase Auth, through the ``supabase`` client. Nothing here writes a table of ``auth``.

A client is made for each call and forgotten: it refreshes nothing and keeps no session, and what a sign-in opened at
Supabase is closed at once, because the browser's session is ours (``synkro/accounts/sessions.py``). All clients share the
connections of one HTTP client.

Facts of the API: github.com/supabase/auth (``internal/api``), supabase.com/docs/guides/auth/debugging/error-codes,
supabase.com/docs/guides/auth/rate-limits (address forwarding).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from synkro.accounts.passwords import check_password
from synkro.core.errors import AuthenticationError, ConfigurationError, DataError, SynkroError, TransientError
from synkro.core.settings import settings
from synkro.http.factory import client_for_supabase

#: only a key of this form lets a server name the address of the person it asks for
_FORWARDS = "sb_secret_"
#: what the caller's password is not: each code of the API in words (kind of error, sentence)
_WORDS: dict[str, tuple[type[SynkroError], str]] = {
    "invalid_credentials": (AuthenticationError, "Почта или пароль не подходят."),
    "user_not_found": (AuthenticationError, "Почта или пароль не подходят."),
    "email_not_confirmed": (
        AuthenticationError,
        "Почта ещё не подтверждена. Откройте ссылку из письма Supabase или попросите администратора подтвердить адрес.",
    ),
    "user_banned": (AuthenticationError, "Доступ закрыт администратором Supabase. Попросите его открыть."),
    "over_request_rate_limit": (TransientError, "Слишком много попыток. Подождите несколько минут и повторите."),
    "over_email_send_rate_limit": (
        TransientError,
        "Supabase пока не отправляет новых писем: исчерпан предел проекта. Повторите через час или подключите свой SMTP.",
    ),
    "email_exists": (DataError, "Человек с такой почтой уже есть в Supabase."),
    "user_already_exists": (DataError, "Человек с такой почтой уже есть в Supabase."),
    "email_address_invalid": (DataError, "Supabase не принимает этот адрес почты. Проверьте его."),
    "email_address_not_authorized": (
        ConfigurationError,
        "Встроенная почта Supabase пишет только участникам проекта. Подключите к проекту свой SMTP.",
    ),
    "validation_failed": (DataError, "Supabase не принял данные. Проверьте почту и пароль."),
    "same_password": (DataError, "Новый пароль совпадает с нынешним. Придумайте другой."),
    "weak_password": (
        DataError,
        "Supabase считает пароль слишком простым. Возьмите фразу подлиннее, с цифрами и знаками.",
    ),
    "reauthentication_needed": (
        DataError,
        "Проект Supabase просит подтвердить смену пароля письмом. Воспользуйтесь ссылкой «Забыли пароль».",
    ),
    "current_password_required": (DataError, "Укажите нынешний пароль."),
    "current_password_mismatch": (AuthenticationError, "Нынешний пароль не подходит."),
    "current_password_invalid": (AuthenticationError, "Нынешний пароль не подходит."),
    "insufficient_aal": (
        AuthenticationError,
        "Для этой учётной записи включён второй фактор: пароль меняют в приложении, где он подключён.",
    ),
    "user_sso_managed": (DataError, "Этой учётной записью управляет вход вашей организации (SSO): пароль меняют там."),
    "otp_expired": (DataError, "Ссылка уже использована или устарела. Попросите новую."),
    "otp_disabled": (ConfigurationError, "В проекте Supabase выключены ссылки для входа."),
    "flow_state_not_found": (DataError, "Ссылка уже использована или устарела. Попросите новую."),
    "flow_state_expired": (DataError, "Ссылка уже использована или устарела. Попросите новую."),
    "bad_code_verifier": (DataError, "Откройте ссылку в том браузере, где её попросили, или попросите новую."),
    "invite_not_found": (DataError, "Приглашение уже использовано или устарело. Попросите новое."),
    "signup_disabled": (ConfigurationError, "В проекте Supabase выключено добавление людей."),
    "email_provider_disabled": (
        ConfigurationError,
        "В проекте Supabase выключен вход по почте. Включите провайдер Email.",
    ),
    "captcha_failed": (
        ConfigurationError,
        "В проекте Supabase включена проверка CAPTCHA: вход через сервер она не пропускает. Выключите её для этого проекта.",
    ),
    "not_admin": (
        ConfigurationError,
        "{key} не даёт прав администратора. Возьмите секретный ключ проекта (sb_secret_…).",
    ),
    "bad_jwt": (ConfigurationError, "Supabase не принимает {key}. Проверьте, что ключ из того же проекта."),
    "no_authorization": (ConfigurationError, "Supabase не принимает {key}. Проверьте, что ключ из того же проекта."),
    "session_not_found": (AuthenticationError, "Вход в Supabase закрыт. Войдите ещё раз."),
    "session_expired": (AuthenticationError, "Вход в Supabase закрыт. Войдите ещё раз."),
}
#: values of ``amr`` for sessions that a link of a letter opened (auth: internal/models/factor.go)
_LINK_METHODS = frozenset({"otp", "magiclink", "recovery", "invite", "email/signup", "email_change"})
_DOWN = "Supabase Auth не отвечает. Повторите через минуту."


@dataclass(frozen=True)
class Account:
    """Who Supabase says it is."""

    user_id: UUID
    email: str


# --- clients ----------------------------------------------------------------------------------------------


_lock = threading.Lock()


@lru_cache(maxsize=4)
def _connections(url: str) -> Any:
    return client_for_supabase(url)


def close() -> None:
    """Close the connections to Supabase (at exit, between tests)."""
    with _lock:
        if settings().supabase_url:
            _connections(settings().supabase_url.rstrip("/")).close()
        _connections.cache_clear()


def _key(*, is_admin: bool) -> tuple[str, str]:
    """The key and the variable it stands in; raises :class:`ConfigurationError` when it is not set."""
    key = settings().supabase_secret_key if is_admin else settings().supabase_publishable_key
    name = "SYNKRO_SUPABASE_SECRET_KEY" if is_admin else "SYNKRO_SUPABASE_PUBLISHABLE_KEY"
    if key is None:
        raise ConfigurationError(f"Не задан {name}: без него Supabase Auth не отвечает.")
    return key.get_secret_value(), name


def _person_key() -> tuple[str, str]:
    """The key of a call for a person: the secret one where it may carry the person's address, else the publishable."""
    secret = settings().supabase_secret_key
    if secret is not None and secret.get_secret_value().startswith(_FORWARDS):
        return _key(is_admin=True)
    return _key(is_admin=False)


def _client(key: str, ip_address: str | None = None) -> Any:
    from supabase.lib.client_options import SyncClientOptions

    from supabase import create_client

    url = settings().supabase_url.rstrip("/")
    with _lock:
        http = _connections(url)
    forwarded = {"sb-forwarded-for": ip_address} if ip_address and key.startswith(_FORWARDS) else {}
    return create_client(
        url,
        key,
        SyncClientOptions(
            # a client that refreshes keeps a thread for as long as the process lives
            auto_refresh_token=False,
            persist_session=False,
            flow_type="pkce",
            headers=forwarded,
            httpx_client=http,
        ),
    )


@contextmanager
def _asking(key_name: str) -> Iterator[None]:
    """Turn what the client raises into our errors, by the API's code."""
    from supabase_auth.errors import AuthError, AuthRetryableError, AuthWeakPasswordError

    try:
        yield
    except SynkroError:
        raise
    except AuthWeakPasswordError as error:
        raise DataError(_WORDS["weak_password"][1], detail=repr(error)) from None
    except AuthRetryableError as error:
        raise TransientError(_DOWN, detail=repr(error)) from None
    except AuthError as error:
        raise _in_words(error, key_name) from None
    except Exception as error:
        # an answer that is not the API's: a gateway's page, a body cut short
        raise TransientError(_DOWN, detail=repr(error)) from None


def _in_words(error: Any, key_name: str) -> SynkroError:
    status, code = getattr(error, "status", 0), error.code or ""
    detail = f"{status} {code} {error.message}"
    if status == 429 or code.startswith("over_"):
        sentence = _WORDS.get(code, _WORDS["over_request_rate_limit"])[1]
        return TransientError(sentence, detail=detail, retry_after=60.0)
    if code in _WORDS:
        kind, sentence = _WORDS[code]
        return kind(sentence.format(key=key_name), detail=detail)
    if status in (401, 403):
        # the gateway answers so before Auth has seen the request, without a code
        return ConfigurationError(_WORDS["no_authorization"][1].format(key=key_name), detail=detail)
    if status >= 500 or not status:
        return TransientError(_DOWN, detail=detail)
    return DataError(f"Supabase Auth отказал ({code or status}). Подробности — в журнале.", detail=detail)


def _account(user: Any) -> Account:
    return Account(UUID(str(user.id)), (user.email or "").strip().lower())


def _close(client: Any) -> None:
    """End the session a call opened at Supabase; it would stay there for ever, and nobody needs it."""
    with suppress(Exception):
        client.auth.sign_out({"scope": "local"})


# --- a person ---------------------------------------------------------------------------------------------


def verify(email: str, password: str, ip_address: str | None = None) -> Account:
    """The person with this password; raises what :data:`_WORDS` says."""
    if not email.strip() or not password:
        raise AuthenticationError(_WORDS["invalid_credentials"][1])
    key, name = _person_key()
    client = _client(key, ip_address)
    with _asking(name):
        found = client.auth.sign_in_with_password({"email": email.strip().lower(), "password": password})
    _close(client)
    return _account(found.user)


def change_password(email: str, old: str, new: str, ip_address: str | None = None) -> None:
    """The person's own change: a fresh sign-in, then one call that names the present password too.

    Projects that ask for it (``current_password``) get it, the others ignore the field. The sign-in is younger than a day,
    so a project that asks for a reauthentication is content.
    """
    check_password(new)
    key, name = _person_key()
    client = _client(key, ip_address)
    with _asking(name):
        client.auth.sign_in_with_password({"email": email.strip().lower(), "password": old})
        try:
            client.auth.update_user({"password": new, "current_password": old})
        finally:
            _close(client)


def request_email_change(email: str, password: str, new_email: str, redirect_to: str, ip_address: str | None) -> str:
    """Supabase writes to the new address (and to the old one, as the project wants); returns the code verifier."""
    key, name = _person_key()
    client = _client(key, ip_address)
    with _asking(name):
        client.auth.sign_in_with_password({"email": email.strip().lower(), "password": password})
        try:
            client.auth.update_user({"email": new_email.strip().lower()}, {"email_redirect_to": redirect_to})
            return _verifier(client)
        finally:
            _close(client)


def send_recovery(email: str, redirect_to: str, ip_address: str | None) -> str:
    """A letter with a link, if somebody has this address; returns the code verifier the browser has to keep."""
    key, name = _person_key()
    client = _client(key, ip_address)
    with _asking(name):
        client.auth.reset_password_for_email(email.strip().lower(), {"redirect_to": redirect_to})
        return _verifier(client)


def _verifier(client: Any) -> str:
    stored = client.auth._storage.get_item(f"{client.auth._storage_key}-code-verifier") or ""
    return str(stored).partition("/")[0]


# --- links of letters -------------------------------------------------------------------------------------


def of_token_hash(token_hash: str, kind: str, ip_address: str | None) -> Account | None:
    """The person a link with ``token_hash`` proves; ``None`` when a second letter has to be opened too."""
    key, name = _person_key()
    client = _client(key, ip_address)
    with _asking(name):
        found = client.auth.verify_otp({"token_hash": token_hash, "type": kind})
    _close(client)
    return _account(found.user) if found.user else None


def of_code(code: str, verifier: str, ip_address: str | None) -> Account:
    """The person a link with ``code`` proves, in the browser that asked for it."""
    if not verifier:
        raise DataError(_WORDS["bad_code_verifier"][1])
    key, name = _person_key()
    client = _client(key, ip_address)
    with _asking(name):
        found = client.auth.exchange_code_for_session({"auth_code": code, "code_verifier": verifier})
    _close(client)
    return _account(found.user)


def of_access_token(token: str) -> Account:
    """The person whose token Supabase put behind ``#`` of a link (invitations of the dashboard do so).

    A token of another sign-in, by password or refreshed, proves nothing about a link and is refused.
    """
    if not _is_of_a_link(token):
        raise DataError(_WORDS["otp_expired"][1])
    key, name = _key(is_admin=False)
    client = _client(key)
    with _asking(name):
        found = client.auth.get_user(token)
        with suppress(Exception):
            client.auth.admin.sign_out(token, "local")
    return _account(found.user)


def _is_of_a_link(token: str) -> bool:
    """By the claim ``amr``: the ways this session was proved. Supabase itself checks the signature after."""
    import jwt

    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        methods = {entry["method"] for entry in claims.get("amr") or []}
    except (jwt.PyJWTError, TypeError, KeyError, AttributeError):
        return False
    return bool(methods) and methods <= _LINK_METHODS


# --- an administrator -------------------------------------------------------------------------------------


def create(email: str, password: str) -> Account:
    """A new account whose address counts as confirmed; raises :class:`DataError` when Auth knows the address."""
    key, name = _key(is_admin=True)
    with _asking(name):
        made = _client(key).auth.admin.create_user({"email": email, "password": password, "email_confirm": True})
    return _account(made.user)


def set_password(user_id: UUID, password: str) -> None:
    """By an administrator or after a link: no present password is asked for. Supabase closes the person's sessions."""
    check_password(password)
    key, name = _key(is_admin=True)
    with _asking(name):
        _client(key).auth.admin.update_user_by_id(str(user_id), {"password": password})


def set_blocked(user_id: UUID, is_blocked: bool) -> None:
    """Disable the account at Supabase (a ban of a hundred years) or enable it: no new token is given to it."""
    key, name = _key(is_admin=True)
    with _asking(name):
        _client(key).auth.admin.update_user_by_id(str(user_id), {"ban_duration": "876000h" if is_blocked else "none"})


def recovery_token(email: str) -> str:
    """The hash of a link to set a new password; no letter is sent."""
    key, name = _key(is_admin=True)
    with _asking(name):
        made = _client(key).auth.admin.generate_link({"type": "recovery", "email": email})
    return str(made.properties.hashed_token)


def invite(email: str, redirect_to: str) -> Account:
    """A new account without a password and Supabase's letter with a link; raises :class:`DataError` when Auth knows it."""
    key, name = _key(is_admin=True)
    with _asking(name):
        made = _client(key).auth.admin.invite_user_by_email(email, {"redirect_to": redirect_to})
    return _account(made.user)


# --- keys -------------------------------------------------------------------------------------------------


def published_keys() -> dict[str, Any]:
    """The project's public keys as RFC 7517 has them; raises :class:`TransientError`."""
    import httpx

    url = settings().supabase_url.rstrip("/")
    with _lock:
        http = _connections(url)
    try:
        answer = http.get(f"{url}/auth/v1/.well-known/jwks.json")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise TransientError(_DOWN, detail=repr(error)) from None
    return found
