"""The only two entry points to Postgres.

``as_user(user_id)``     one transaction as that user: role ``authenticated`` with their claims, so row level
                         security decides what is seen. Every page and every API call goes through here.
``as_service(purpose)``  one transaction as ``service_role``, for workers and for what no user may touch
                         (secrets, browser sessions). The purpose becomes the connection's application name.

Both set the role with ``set_config(…, true)``: a session-level SET would leak to the next borrower of the
pooled connection, and what goes through a entry point may go through a pooler that lends a connection for one transaction:
nothing behind them outlives the transaction. dlt, dbt, Dagster and migrations, which need the schemas' owner and hold
locks in their sessions, take :func:`owner_url` and open it by ``connections.connect``.

No SQL written by a user or a model may run behind either entry point: a statement could set other claims.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from synkro.core.errors import TransientError
from synkro.core.files import secret_file
from synkro.core.settings import settings
from synkro.database import connections
from synkro.database.embedded.postgres import EmbeddedPostgres

Row = dict[str, Any]
Connection = psycopg.Connection[Row]

APP_ROLE = "synkro_app"
#: connections of one process to the app's address, where the setting says nothing: of any; of one that leads a run, with its
#: heart and the threads that read dialogs; of the app, which answers many people at once
POOL, RUN_POOL, APP_POOL = 2, 3, 5
#: a transaction nothing is said in for so long belongs to a process that sleeps or is cut off: the server ends it, or its
#: locks would hold back for ever whoever goes on with its work. As long as a run's lease.
IDLE_SECONDS = 60
#: a connection that was alive so long ago is taken as it is: less than a server needs to start again
FRESH_SECONDS = 0.5
#: how long a entry point waits for a connection: for a server that is down, and for one whose connections are all lent (a page is
#: not waited for that long)
DOWN_SECONDS = 15.0
#: the pool is asked in turns of so many seconds: at each it tries to connect at once again
_TURN = 5.0

#: what libpq says of a server that stopped, starts or cannot be reached
_LOST = (
    "connection to server",
    "server closed the connection",
    "terminating connection",
    "connection already closed",
    "the database system is",
)

#: when each pooled connection was last given back, by time.monotonic
_back_at: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
_pools: dict[str, ConnectionPool[Connection]] = {}
_lock = threading.Lock()
_size = POOL


def lost(detail: str) -> TransientError:
    """The server stopped answering in the middle of the work, or had no connection to lend for it."""
    if connections.is_busy(detail):
        return connections.busy(detail)
    return TransientError("База данных перестала отвечать. Проверьте её и запустите отчёт ещё раз.", detail=detail)


def tells_of_loss(said: str) -> bool:
    """Whether an error of which a library has left the text alone is that of a lost server, or of a busy one."""
    return connections.is_busy(said) or any(words in said for words in _LOST)


def embedded() -> EmbeddedPostgres:
    """The embedded server of the data directory (not started by this call)."""
    return EmbeddedPostgres(settings().data_dir)


def owner_url() -> str:
    """URL of the schemas' owner; starts the embedded server when no database is configured."""
    configured = settings().database_url
    if configured is not None:
        return configured.get_secret_value()
    return _embedded_url(settings().data_dir)


@lru_cache(maxsize=4)
def _embedded_url(data_dir: Path) -> str:
    """Asked before every transaction: starting (or attaching to) the server is done once a process."""
    server = EmbeddedPostgres(data_dir)
    server.start()
    return server.url("synkro")


def app_url() -> str:
    """URL of the app's login role, which can become ``authenticated`` or ``service_role`` and nothing else."""
    configured = settings().app_database_url
    if configured is not None:
        return configured.get_secret_value()
    if settings().database_url is not None:
        return owner_url()
    return with_login(owner_url(), APP_ROLE, secret_file(settings().data_dir / "app_database_password"))


def with_login(url: str, user: str, password: str) -> str:
    """The same database, another login.

    Supabase's pooler tells projects apart by the end of the user name (``postgres.PROJECT``): it is kept.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    project = (parts.username or "").partition(".")[2]
    name = f"{user}.{project}" if project else user
    return urlunsplit(parts._replace(netloc=f"{quote(name)}:{quote(password, safe='')}@{host}"))


def with_port(url: str, port: int) -> str:
    """The same database by another port: the transaction mode of a pooler."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].rpartition(":")[0] or parts.netloc.rpartition("@")[2]
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@{host}:{port}" if login else f"{host}:{port}"))


def with_database(url: str, dbname: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{dbname}"))


def _note(connection: Connection) -> None:
    """Remember when a connection came back."""
    _back_at[connection] = time.monotonic()


def _look(connection: Connection) -> None:
    """Ask the server whether a connection lives, unless it did a moment ago: a step makes a thousand short transactions."""
    if time.monotonic() - _back_at.get(connection, float("-inf")) > FRESH_SECONDS:
        ConnectionPool.check_connection(connection)


def _pool() -> ConnectionPool[Connection]:
    url = app_url()
    with _lock:
        if url not in _pools:
            _pools[url] = ConnectionPool(
                url,
                min_size=0,
                max_size=settings().database_pool or _size,
                max_idle=60,
                reconnect_timeout=_TURN,
                open=True,
                check=_look,
                reset=_note,
                # poolers in transaction mode refuse named prepared statements
                kwargs={"row_factory": dict_row, "prepare_threshold": None, "connect_timeout": 10},
                connection_class=psycopg.Connection[Row],
            )
        return _pools[url]


def grow(size: int) -> None:
    """Let this process hold so many connections at least, unless the setting says how many."""
    global _size
    with _lock:
        _size = max(_size, size)
        for pool in _pools.values():
            pool.resize(0, settings().database_pool or _size)


def close() -> None:
    """Close the pools of this process (before a fork, at exit, between tests)."""
    with _lock:
        for pool in _pools.values():
            pool.close(timeout=5)
        _pools.clear()
    _embedded_url.cache_clear()


def _borrow(patience: float) -> Connection:
    """A connection of the pool. ``patience``: how long it is waited for while all of the server's are lent."""
    began = time.monotonic()
    while True:
        pool = _pool()
        try:
            return pool.getconn(timeout=_TURN)
        except (PoolTimeout, psycopg.OperationalError) as error:
            waited, cause = time.monotonic() - began, refusal(str(pool.conninfo))
            if cause is not None and connections.is_busy(cause):
                if waited >= patience:
                    raise connections.busy(cause) from None
            elif waited >= DOWN_SECONDS:
                # an embedded server that was restarted may have another port
                _embedded_url.cache_clear()
                raise TransientError(
                    "База данных не отвечает. Проверьте, что сервер Postgres запущен, и повторите."
                    if cause is not None
                    else "Все соединения этого процесса с базой заняты. Повторите; если повторяется, увеличьте "
                    "SYNKRO_DATABASE_POOL.",
                    detail=cause or str(error),
                ) from None


def refusal(url: str) -> str | None:
    """What the server answers to a connection now: the pool keeps its words to itself. ``None``: it takes one."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        return str(error)
    return None


@contextmanager
def _transaction(
    role: str,
    claims: dict[str, Any],
    application_name: str,
    idle_seconds: int = IDLE_SECONDS,
    is_durable: bool = True,
    statement_seconds: int = connections.SERVICE_SECONDS,
    patience: float = connections.PATIENCE,
) -> Iterator[Connection]:
    connection = _borrow(patience)
    try:
        with connection.transaction():
            connection.execute(
                "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true),"
                " set_config('application_name', %s, true), set_config('idle_in_transaction_session_timeout', %s, true),"
                " set_config('statement_timeout', %s, true)"
                + ("" if is_durable else ", set_config('synchronous_commit', 'off', true)"),
                (role, json.dumps(claims), application_name[:60], f"{idle_seconds}s", f"{statement_seconds}s"),
            )
            yield connection
    finally:
        _pool().putconn(connection)


@contextmanager
def as_user(user_id: UUID | str) -> Iterator[Connection]:
    """One transaction that sees and does what this user may."""
    claims = {"sub": str(user_id), "role": "authenticated"}
    with _transaction(
        "authenticated",
        claims,
        "synkro app",
        statement_seconds=connections.PEOPLE_SECONDS,
        patience=DOWN_SECONDS,
    ) as connection:
        yield connection


@contextmanager
def as_service(purpose: str, *, idle_seconds: int = IDLE_SECONDS, is_durable: bool = True) -> Iterator[Connection]:
    """One transaction of a worker; ``purpose`` says which (shown in pg_stat_activity).

    ``idle_seconds``: more only for one that holds a row while it asks a vendor. ``is_durable``: False where a crash of the
    server may forget the last half second (a turn at a vendor, a reading that would be made again): the commit does not
    wait for the disk, two milliseconds, a thousand times a run.
    """
    claims = {"role": "service_role"}
    with _transaction("service_role", claims, f"synkro {purpose}", idle_seconds, is_durable) as connection:
        yield connection


def set_app_password(connection: psycopg.Connection[Any], password: str) -> None:
    """Give the app's login role its password (after the migrations made the role)."""
    connection.execute(
        sql.SQL("alter role {} with login password {}").format(sql.Identifier(APP_ROLE), sql.Literal(password))
    )
