"""The database of a company's own Supabase project: which address is let through, and how it is opened.

The address is a text of a tenant's. It is taken apart whole and never handed to libpq, whose parameters name files to read
and to write (``sslkeylogfile``), several hosts, or a server of our own network. Only the project's own two hosts are let
through, at an address that was checked and is the very one connected to, with the certificate verified.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import httpcore
import psycopg
from psycopg.conninfo import make_conninfo

from synkro.core.certificates import ROOTS
from synkro.core.errors import AuthenticationError, ConfigurationError, TransientError
from synkro.http.destination import Destination, resolve

T = TypeVar("T")

#: a person waits for all of it: the queue, the name, the connection and the answer
SECONDS = 20.0
#: checks at once, and those that wait for one of them: the threads of the pages stay free
THREADS, QUEUE = 2, 4

PORTS = (5432, 6543)
_ADDRESS = re.compile(
    r"postgres(?:ql)?://(?P<user>[\w.%-]{1,128}):(?P<password>[^\s\x00]{1,256})@(?P<host>[a-zA-Z0-9.-]{1,253}|\[::1\])"
    r"(?::(?P<port>[0-9]{1,5}))?/(?P<database>[\w%-]{1,63})(?:\?(?P<parameters>[^\s#]{0,500}))?",
    re.ASCII,
)
_POOLER = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.pooler\.supabase\.com")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
#: what Supabase itself adds to the addresses it shows; the rest of libpq's parameters is refused
_HARMLESS = {"sslmode": ("require", "verify-ca", "verify-full"), "pgbouncer": ("true",)}
_HARMLESS_LOCALLY = {**_HARMLESS, "sslmode": ("disable", "prefer", *_HARMLESS["sslmode"])}

_places = threading.BoundedSemaphore(THREADS + QUEUE)
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="synkro-project-database")


@dataclass(frozen=True)
class Address:
    """The parts of an address that was let through."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    is_local: bool = False


def address(text: str, project_url: str) -> Address:
    """The address ``text`` of the database behind ``project_url``; :class:`ConfigurationError` names what is wrong.

    ``project_url``: what ``hosts.supabase_url`` has let through. A loopback project has its database on the loopback.
    """
    if "[YOUR-PASSWORD]" in text:
        raise ConfigurationError("Поле «db_url»: впишите пароль базы вместо [YOUR-PASSWORD].")
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        raise ConfigurationError(
            "Поле «db_url»: скопируйте строку из Supabase (Connect → Direct connection или Session pooler) вместе с паролем, "
            "вида postgresql://postgres:ПАРОЛЬ@db.КОД_ПРОЕКТА.supabase.co:5432/postgres. Один адрес, без пробелов."
        )
    project = urlsplit(project_url).hostname or ""
    is_local = not project.endswith(".supabase.co")
    for name, value in parse_qsl(match["parameters"] or "", keep_blank_values=True):
        if value not in (_HARMLESS_LOCALLY if is_local else _HARMLESS).get(name, ()):
            raise ConfigurationError(
                f"Поле «db_url»: параметр «{name[:40]}» не поддерживается. Уберите из адреса всё после знака «?»: соединение "
                "всегда зашифровано и проверено."
            )
    found = Address(
        host=match["host"].lower(),
        port=int(match["port"] or PORTS[0]),
        user=unquote(match["user"]),
        password=unquote(match["password"]),
        database=unquote(match["database"]),
        is_local=is_local,
    )
    if is_local:
        if found.host not in _LOOPBACK or not 0 < found.port < 65536:
            raise ConfigurationError("Поле «db_url»: база песочницы должна работать на этом же компьютере.")
        return found
    code = project.partition(".")[0]
    is_direct = found.host == f"db.{code}.supabase.co"
    if not is_direct and not _POOLER.fullmatch(found.host):
        raise ConfigurationError(
            f"Поле «db_url»: это не база проекта {project}. Возьмите адрес этого же проекта: db.{code}.supabase.co или "
            "ПУЛЕР.pooler.supabase.com."
        )
    if not is_direct and found.user.rpartition(".")[2] != code:
        raise ConfigurationError(
            f"Поле «db_url»: пользователь пулера должен кончаться на .{code}, например postgres.{code}: иначе это база другого "
            "проекта."
        )
    if found.port not in PORTS:
        raise ConfigurationError("Поле «db_url»: порт базы Supabase 5432 или 6543.")
    return found


def look(where: Address) -> dict[str, str]:
    """``{"database", "server_version"}`` of the database at this address, within :data:`SECONDS`.

    Raises TransientError when too many look at once or the time is over, AuthenticationError when the server refuses.
    """
    return _apart(lambda until: asyncio.run(_look(where, until)))


async def _look(where: Address, until: float) -> dict[str, str]:
    async with asyncio.timeout(max(0.0, until - time.monotonic())):
        async with await psycopg.AsyncConnection.connect(_conninfo(where, until)) as connection:
            cursor = await connection.execute("select current_database(), current_setting('server_version')")
            row = await cursor.fetchone()
    assert row is not None
    return {"database": str(row[0]), "server_version": str(row[1])}


def _conninfo(where: Address, until: float) -> str:
    host = where.host.strip("[]")
    destination = Destination("supabase", "postgresql", host, where.port, loopback=where.is_local)
    pinned = destination.checked(resolve(host, where.port, max(0.0, until - time.monotonic())))
    # a certificate or a password file of this server's own account is nobody's business there
    verified = {"sslmode": "verify-full", "sslrootcert": str(ROOTS), "sslcertmode": "disable", "gssencmode": "disable"}
    return make_conninfo(
        host=",".join([host] * len(pinned)),
        hostaddr=",".join(pinned),
        port=where.port,
        user=where.user,
        password=where.password,
        dbname=where.database,
        connect_timeout=int(SECONDS),
        application_name="synkro check",
        **({"sslmode": "prefer", "sslcertmode": "disable"} if where.is_local else verified),
    )


def _apart(work: Callable[[float], T]) -> T:
    """``work`` in a thread of its own; it is told the moment (monotonic) by which it must be done."""
    until = time.monotonic() + SECONDS
    if not _places.acquire(blocking=False):
        raise TransientError("Сейчас проверяют несколько баз сразу. Повторите через полминуты.")
    try:
        future = _pool.submit(work, until)
    except BaseException:
        _places.release()
        raise
    future.add_done_callback(lambda _: _places.release())
    try:
        # the look-up of a name is the only step that nothing can cut off: it ends by itself
        return future.result(until + 0.5 - time.monotonic())
    except TimeoutError as error:
        future.cancel()
        raise TransientError(
            f"База Supabase не ответила за {SECONDS:.0f} с. Проверьте, что проект не приостановлен, и повторите.",
            detail=str(error),
        ) from None
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        raise TransientError(
            "Имя базы Supabase не нашлось. Проверьте поле «db_url» и что проект не приостановлен.", detail=str(error)
        ) from None
    except psycopg.Error as error:
        raise AuthenticationError(
            "База Supabase не открылась. Проверьте поле «db_url»: адрес, пользователя и пароль.", detail=str(error)
        ) from None
