"""What came back, judged once: status codes, broken bodies and broken connections become our errors.

Pure functions: an answer or an httpx exception goes in, an error with a sentence for the operator comes out.
The error keeps ``status`` and the decoded ``answer`` for callers that must tell two refusals apart (a
Telegram chat that moved, an OAuth ``hint``).
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from synkro.connectors import registry
from synkro.core import clock
from synkro.core.errors import (
    AuthenticationError,
    DataError,
    NotFoundError,
    PermanentError,
    SynkroError,
    TransientError,
)
from synkro.core.log import redact
from synkro.http.body import DeadlineExceeded
from synkro.http.destination import NAMES, Vendor

#: an excerpt of a refusal, in characters: enough for a title and a detail
_EXCERPT = 300
#: no vendor's pause is believed beyond a day
_LONGEST = 86_400.0


class _Answered:
    """What the vendor said."""

    status: int | None = None
    answer: Any = None


class VendorRefused(_Answered, PermanentError):
    """4xx that repeating will not change."""


class VendorForbidden(VendorRefused):
    """403: no rights, or the account is blocked. ``html``: a gateway said so, not the application."""

    html = False


class VendorNotFound(_Answered, NotFoundError):
    """404."""


class VendorUnauthorized(_Answered, AuthenticationError):
    """401."""


class VendorUnavailable(_Answered, TransientError):
    """429, 5xx, a broken answer or a broken connection.

    ``maybe_delivered``: the request may have taken effect although we do not know its answer.
    ``not_sent``: the vendor cannot have acted on it, so even a send may be repeated.
    ``non_retryable``: not worth another try within this call.
    """

    maybe_delivered = False
    not_sent = False
    non_retryable = False


_WHAT_TO_DO = {
    **{name: api.on_unauthorized for name, api in registry.apis().items()},
    "telegram": "Проверьте токен бота в настройках: его мог сменить @BotFather.",
    "ai": "Проверьте ключ AI-провайдера в настройках.",
    "supabase": "Проверьте ключи SYNKRO_SUPABASE_….",
}


def of_status(vendor: Vendor, status: int, headers: httpx.Headers, body: bytes) -> SynkroError:
    """The error of an answer that is not 2xx."""
    name = NAMES[vendor]
    answer = _try_json(body)
    detail = f"HTTP {status}: {excerpt(body)}"
    error: SynkroError
    if status == 401:
        error = VendorUnauthorized(f"{name} не принимает наш ключ. {_WHAT_TO_DO[vendor]}", detail=detail)
    elif status == 402:
        error = VendorRefused(
            f"{name} отвечает, что сервис не оплачен. Проверьте оплату и запустите отчёт снова.",
            detail=detail,
        )
    elif status == 403:
        error = VendorForbidden(_forbidden(vendor), detail=detail)
        error.html = answer is None
    elif status == 404:
        error = VendorNotFound(
            f"{name} не находит запрошенное. Проверьте адрес и номер компании в настройках подключения.",
            detail=detail,
        )
    elif status == 429:
        error = VendorUnavailable(
            f"{name} просит реже обращаться. Запрос будет повторён позже.",
            detail=detail,
            retry_after=retry_after(headers, answer),
        )
        error.not_sent = True
    elif status in (408, 425) or status >= 500:
        error = VendorUnavailable(
            f"{name} временно не отвечает (ошибка {status}). Подождите несколько минут и запустите снова.",
            detail=detail,
            retry_after=retry_after(headers, answer),
        )
    else:
        error = VendorRefused(
            f"{name} не принял запрос (ошибка {status}). Подробности записаны в журнал запуска.",
            detail=detail,
        )
    assert isinstance(error, _Answered)
    error.status, error.answer = status, answer
    return error


def _forbidden(vendor: Vendor) -> str:
    told = registry.api_of(vendor).on_forbidden if vendor in registry.CONNECTORS else ""
    return told or f"{NAMES[vendor]} отказывает в доступе. Проверьте права ключа в настройках подключения."


def of_body(vendor: Vendor, body: bytes, detail: str) -> VendorUnavailable:
    """The error of a 2xx answer that cannot be read: a gateway's page, a cut body."""
    return VendorUnavailable(
        f"{NAMES[vendor]} прислал нечитаемый ответ. Подождите несколько минут и запустите снова.",
        detail=f"{detail}: {excerpt(body)}",
    )


def of_shape(vendor: Vendor, found: object, expected: str) -> DataError:
    """The error of valid JSON that is not what the contract promises."""
    return DataError(
        f"{NAMES[vendor]} прислал ответ непривычной формы, данные не записаны. Сообщите об этом в поддержку.",
        detail=f"expected {expected}, got {type(found).__name__}",
    )


def of_cause(vendor: Vendor, base_url: str, error: BaseException) -> SynkroError | None:
    """:func:`of_exception` for what a library wraps: None when it is no failure of a connection."""
    return of_exception(vendor, httpx.URL(base_url).host, error) if isinstance(error, httpx.HTTPError) else None


def never_sent(error: BaseException) -> bool:
    """The request did not leave: there was no connection to send it through."""
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def of_exception(vendor: Vendor, host: str, error: httpx.HTTPError) -> SynkroError:
    """The error of a connection: every kind says its own thing, because each is mended elsewhere."""
    name = NAMES[vendor]
    detail = redact(f"{type(error).__name__}: {error}")
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return PermanentError(
            f"{name}: сертификат сервера {host} не прошёл проверку, данные не отправлены. "
            "Проверьте дату на сервере и то, что соединение никто не перехватывает.",
            detail=detail,
        )
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        text = f"{name}: не удалось установить защищённое соединение с {host}. Проверьте сеть и повторите."
    elif any(isinstance(cause, socket.gaierror) for cause in causes):
        text = f"{name}: не удалось найти адрес {host}. Проверьте настройки и доступ сервера в интернет."
    elif isinstance(error, DeadlineExceeded):
        text = f"{name} отвечает слишком медленно, запрос остановлен. Повторите позже или уменьшите период."
    elif isinstance(error, httpx.ConnectTimeout):
        text = f"{name}: {host} не отвечает. Проверьте доступ сервера в интернет и повторите."
    elif any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        text = f"{name}: {host} не принимает соединения. Проверьте, работает ли сервис, и повторите позже."
    elif isinstance(error, httpx.TimeoutException):
        text = f"{name} не ответил вовремя. Повторите позже."
    else:
        text = f"{name}: соединение с {host} прервалось. Повторите позже."
    made = VendorUnavailable(text, detail=detail)
    made.not_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    # a server that dripped for a whole minute will drip again
    made.non_retryable = isinstance(error, DeadlineExceeded)
    return made


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()  # a chain of causes can bite its own tail
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def decode(body: bytes) -> Any:
    """JSON of UTF-8 bytes; ``ValueError`` for anything else, NaN included: jsonb would refuse it later."""

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _try_json(body: bytes) -> Any:
    try:
        return decode(body)
    except ValueError:
        return None


def excerpt(body: bytes) -> str:
    """The beginning of a body on one line, redacted: before cutting, a halved token matches no pattern."""
    text = redact(body[: 16 * _EXCERPT].decode("utf-8", "replace"))
    return " ".join(text.split())[:_EXCERPT]


def retry_after(headers: httpx.Headers, answer: Any) -> float | None:
    """Seconds the vendor asks us to wait, told as seconds or as a date: the header, then the body (Kommo, Telegram)."""
    told = [headers.get("retry-after", "").strip()]
    if isinstance(answer, dict):
        parameters = answer.get("parameters")
        told += [answer.get("retry_after"), parameters.get("retry_after") if isinstance(parameters, dict) else None]
    for value in told:
        try:
            seconds = None if value is None or isinstance(value, bool) else _sane(float(value))
        except (TypeError, ValueError):
            seconds = _until_date(value, headers.get("date", "")) if value and isinstance(value, str) else None
        if seconds is not None:
            return seconds
    return None


def moment(header: str) -> datetime | None:
    """Aware UTC of an HTTP date; ``None`` for anything else."""
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _until_date(text: str, now: str) -> float | None:
    then = moment(text)
    if then is None:
        return None
    # the vendor's own clock, if it tells it: ours may be hours off
    return _sane((then - (moment(now) or clock.now())).total_seconds())


def _sane(seconds: float) -> float | None:
    return min(seconds, _LONGEST) if seconds >= 0 else None
