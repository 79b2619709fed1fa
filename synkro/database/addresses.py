"""The configured addresses of the database, judged in words: does it open, what stands between, is it encrypted.

Each look raises an error with the cause and the cure, or returns what is well. Nothing is set or locked on the way.
"""

from __future__ import annotations

import os
import re
import socket
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from synkro.core.certificates import HOSTS
from synkro.core.errors import ConfigurationError, TransientError
from synkro.core.log import redact
from synkro.database import connections, poolers

_DIRECT = re.compile(r"db\.[a-z0-9]{16,40}\.supabase\.(?:co|com)")
_NAMES = {
    "direct": "прямое соединение",
    "session": "пулер в режиме сеансов",
    "transaction": "пулер в режиме транзакций",
}
_PORT = 5432


def judge(variable: str, url: str, *, may_share: bool = False) -> str:
    """What is well with the address of this variable. ``may_share``: nothing of its user outlives a transaction."""
    host = urlsplit(url).hostname or ""
    _reachable(variable, host)
    try:
        connection = connections.waited(
            lambda: psycopg.connect(url, autocommit=True, connect_timeout=connections.CONNECT_SECONDS)
        )
    except psycopg.OperationalError as error:
        cause = redact(str(error).strip().splitlines()[0])
        raise TransientError(
            f"{variable}: база не открылась. Проверьте адрес, пользователя и пароль. Ответ: {cause}", detail=str(error)
        ) from None
    with connection:
        mode = poolers.mode(connection, url)
        is_encrypted = bool(connection.pgconn.ssl_in_use)
    if mode == "transaction" and not may_share:
        raise ConfigurationError(
            f"{variable}: {_NAMES[mode]}. Здесь держат блокировки и настройки сеанса: возьмите прямой адрес или "
            "Session pooler (на Supabase порт 5432)."
        )
    return f"{_NAMES[mode]}; {encryption(variable, host, sslmode(url), is_encrypted)}"


def sslmode(url: str) -> str:
    """What the client asks for: the address says, else the environment of libpq, else its default."""
    return str(conninfo_to_dict(url).get("sslmode") or os.environ.get("PGSSLMODE") or "prefer")


def encryption(variable: str, host: str, mode: str, is_encrypted: bool) -> str:
    """What is to be said of encryption; raises where passwords and rows would cross the internet in clear."""
    is_supabase = host.endswith(HOSTS)
    if is_encrypted:
        if mode == "verify-full":
            return "TLS, сервер проверен"
        advice = " Допишите к адресу ?sslmode=verify-full: корневые сертификаты Supabase у Synkro есть."
        return f"TLS, но сервер не проверяется (sslmode={mode}).{advice if is_supabase else ''}"
    if is_supabase:
        raise ConfigurationError(
            f"{variable}: соединение с Supabase не зашифровано (sslmode={mode}), пароль и строки идут открыто. "
            "Допишите к адресу ?sslmode=verify-full."
        )
    if host in ("localhost", "127.0.0.1", "::1", ""):
        return "без TLS, на этой же машине"
    return "без TLS: годится только внутри своей сети"


def _reachable(variable: str, host: str) -> None:
    """Whether this machine has a way to a project's direct host, which has an address of IPv6 alone."""
    if not _DIRECT.fullmatch(host) or _addresses(host, socket.AF_INET):
        return
    if any(_has_route(address) for address in _addresses(host, socket.AF_INET6)):
        return
    raise ConfigurationError(
        f"{variable}: у {host} есть только адрес IPv6, а с этой машины пути IPv6 нет. Возьмите адрес Session pooler "
        "(Connect → Session pooler, порт 5432, пользователь postgres.КОД_ПРОЕКТА) или включите проекту IPv4 add-on."
    )


def _addresses(host: str, family: socket.AddressFamily) -> list[str]:
    try:
        found = socket.getaddrinfo(host, _PORT, family, socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(entry[4][0]) for entry in found]


def _has_route(address: str) -> bool:
    """Connecting a datagram socket sends nothing: the system only looks for a way."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((address, _PORT))
    except OSError:
        return False
    return True
