"""Two real connections over one lock: the first holds it, the second waits, is refused or takes something else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg

from synkro.database import db
from synkro.tenancy import runtime_config, tenants

T = TypeVar("T")
#: far more than a machine that is busy needs
PATIENCE = 120.0
#: what a row that another transaction holds is waited for with
ROW = "transactionid"
ADVISORY = "advisory"

_WAITING = """
select l.locktype from pg_locks as l join pg_stat_activity as a using (pid)
where not l.granted and a.datname = current_database() and cardinality(pg_blocking_pids(l.pid)) > 0
"""


@contextmanager
def meanwhile(work: Callable[[], T]) -> Iterator[Future[T]]:
    """``work`` in a thread of its own; leaving waits for its end, so that no transaction outlives its test."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def until_it_waits(second: Future[Any], kind: str) -> None:
    """Return when somebody in the database waits for a lock of this kind; fail when the second went on instead."""
    deadline = time.monotonic() + PATIENCE
    seen: set[str] = set()
    with psycopg.connect(db.owner_url(), autocommit=True) as watcher:
        while time.monotonic() < deadline:
            seen = {row[0] for row in watcher.execute(_WAITING)}
            if kind in seen:
                return
            if second.done():
                raise AssertionError(f"it did not wait: {second.exception() or second.result()!r}")
            time.sleep(0.01)
    raise AssertionError(f"nobody waits for a lock of the kind {kind}, but for {seen}")


def hurried(connection: Any) -> Any:
    """A transaction that would rather fail than wait: what skips a lock must not queue for it."""
    connection.execute("set local lock_timeout = '3s'")
    return connection


def clock(connection: Any) -> Any:
    """The server's time now, not that of the transaction's beginning."""
    row = connection.execute("select clock_timestamp() as at").fetchone()
    return row["at"] if isinstance(row, dict) else row[0]


def company() -> UUID:
    """A company that nobody else locks."""
    with db.as_service("test") as connection:
        made = tenants.add(connection, "Альфа", f"t{uuid4().hex[:12]}", "Asia/Almaty")
        runtime_config.start(connection, made.tenant_id, "Asia/Almaty")
    return made.tenant_id
