"""How a connection of the schemas' owner is opened: it waits for its turn, and its limits are its purpose's.

A hosted project lends few connections (a session pool of Supabase: fifteen), refuses what comes beside them and stops a
statement after two minutes. So whoever is refused waits, and every connection is told how long a statement of its may
take: by SQL, as poolers drop the options of a start-up packet. What holds a lock or a setting in its session may not go
through a pooler that shares connections between transactions; that is asked once a process and address.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import psycopg
from psycopg.rows import tuple_row

from synkro.core.errors import ConfigurationError, TransientError
from synkro.database import poolers

logger = logging.getLogger(__name__)

T = TypeVar("T")
Purpose = Literal["migration", "lock", "load", "build", "question"]

#: how long one statement may take, seconds
STATEMENT_SECONDS: dict[Purpose, int] = {
    # an index on a table of years
    "migration": 3600,
    # waits until every report under way has ended
    "lock": 4 * 3600,
    "load": 3600,
    # a full refresh makes a table of all companies at once
    "build": 2 * 3600,
    "question": 600,
}
#: … and behind the two entry points of ``db``: a page is not waited for longer, a worker's transaction may count a day
PEOPLE_SECONDS = 60
SERVICE_SECONDS = 600

#: how long a refused connection is asked for again
PATIENCE = 60.0
CONNECT_SECONDS = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 4.0

#: what the poolers say when all their connections are lent: Supavisor (new and old words), PgBouncer
_POOLER_IS_BUSY = (
    "emaxconn",
    "maxclientsinsessionmode",
    "max clients reached",
    "max client connections reached",
    "checkout timeout",
    "echeckouttimeout",
    "unable to check out connection from the pool",
    "no more connections allowed",
    "query_wait_timeout",
)
#: … and Postgres itself
_SERVER_IS_BUSY = ("too many clients already", "too many connections for", "remaining connection slots")

#: addresses this process has found fit for what a session holds
_fit: set[str] = set()


def connect(
    url: str,
    purpose: Purpose,
    *,
    autocommit: bool = False,
    row_factory: Any = tuple_row,
    application_name: str | None = None,
    patience: float | None = None,
) -> psycopg.Connection[Any]:
    """A connection of the owner; ``patience``: seconds to wait for it, instead of a minute.

    Raises TransientError when all connections stay lent, ConfigurationError when the address shares them between
    transactions (nothing has been written or locked then), and psycopg's own errors for everything else.
    """

    def attempt() -> psycopg.Connection[Any]:
        return psycopg.connect(
            url,
            autocommit=True,
            row_factory=row_factory,
            connect_timeout=CONNECT_SECONDS,
            application_name=application_name or f"synkro {purpose}",
        )

    connection = waited(attempt, patience=patience)
    try:
        if url not in _fit:
            if poolers.mode(connection, url) == "transaction":
                raise ConfigurationError(
                    "Адрес базы ведёт в пулер в режиме транзакций (на Supabase порт 6543): соединение там общее, и "
                    "блокировки с настройками достались бы чужим запросам. Укажите в SYNKRO_DATABASE_URL прямой адрес "
                    "или Session pooler (порт 5432). В базе ничего не изменено."
                )
            _fit.add(url)
        connection.execute(limit(purpose))
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


def limit(purpose: Purpose) -> Any:
    """The statement that tells a connection how long its statements may take."""
    return f"set statement_timeout = '{STATEMENT_SECONDS[purpose]}s'"


def waited(attempt: Callable[[], T], *, patience: float | None = None) -> T:
    """What the attempt gives; while every connection is lent it is made again, each time after a longer pause."""
    deadline = time.monotonic() + (PATIENCE if patience is None else patience)
    pause = FIRST_PAUSE
    while True:
        try:
            return attempt()
        except Exception as error:
            if not is_busy(str(error)):
                raise
            left = deadline - time.monotonic()
            if left <= 0:
                raise busy(str(error)) from None
            logger.info("all connections are lent, waiting: %s", error)
        # apart from the others who wait
        time.sleep(min(pause * random.uniform(0.5, 1), left))
        pause = min(pause * 2, LONGEST_PAUSE)


def is_busy(said: str) -> bool:
    """Whether an error, of which a library may have left the text alone, says that all connections are lent."""
    words = said.lower()
    return any(mark in words for mark in (*_POOLER_IS_BUSY, *_SERVER_IS_BUSY))


def busy(detail: str) -> TransientError:
    """All connections stayed lent for as long as we waited."""
    words = detail.lower()
    if any(mark in words for mark in _POOLER_IS_BUSY):
        return TransientError(
            "Пул соединений Supabase занят: все соединения заняты дольше минуты. Увеличьте Pool Size в настройках базы "
            "проекта или уменьшите SYNKRO_DATABASE_POOL и SYNKRO_CONCURRENT_RUNS (сколько отчётов идёт сразу), и повторите.",
            detail=detail,
        )
    return TransientError(
        "Все соединения Postgres заняты дольше минуты. Увеличьте max_connections или уменьшите SYNKRO_DATABASE_POOL и "
        "SYNKRO_CONCURRENT_RUNS (сколько отчётов идёт сразу), и повторите.",
        detail=detail,
    )
