"""What stands between us and Postgres: nothing, a pooler that gives a connection for a session, or one for a transaction.

It is told by behaviour, for an address may hide it: two connections that say nothing share a backend only where a
pooler lends it for a transaction. Nothing is set or locked while asking.
"""

from __future__ import annotations

import selectors
import time
from typing import Any, Literal
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import tuple_row

Mode = Literal["direct", "session", "transaction"]

#: a pooler in session mode with no connection left lets its client wait: that is an answer as well
SECONDS = 5.0
#: whose backend is asked for, in turn; a pooler that takes its connections round-robin shows itself by the first's own
_TURNS = (0, 0, 1, 0, 1, 1, 0)


def mode(first: psycopg.Connection[Any], url: str) -> Mode:
    """What the open connection ``first`` of this address goes through; it must stand outside a transaction."""
    if (urlsplit(url).hostname or "").endswith((".pooler.supabase.com", ".pooler.supabase.co")) and ":6543" in url:
        return "transaction"
    try:
        second = psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError:
        # no room for a second one beside the first: each holds its own
        return _alone(first)
    try:
        if _share((first, second)):
            return "transaction"
    finally:
        second.close()
    return _alone(first)


def _share(pair: tuple[psycopg.Connection[Any], psycopg.Connection[Any]]) -> bool:
    """Whether the two take backends from one stock."""
    seen: dict[int, int] = {}
    for turn in _TURNS:
        pid = _backend(pair[turn])
        if pid is None:
            return False
        if seen.setdefault(turn, pid) != pid or seen.get(1 - turn) == pid:
            return True
    return False


def _alone(connection: psycopg.Connection[Any]) -> Mode:
    """A server tells at the start which backend answers, PgBouncer a number of its own; Supabase's pooler knows the login by
    another name than the server, the project is a part of it."""
    row = connection.cursor(row_factory=tuple_row).execute("select session_user::text").fetchone()
    is_direct = row is not None and row[0] == connection.info.user
    return "direct" if is_direct and _backend(connection) == connection.info.backend_pid else "session"


def _backend(connection: psycopg.Connection[Any]) -> int | None:
    """The number of the backend that answers, ``None`` when none does in time."""
    wire = connection.pgconn
    wire.send_query(b"select pg_backend_pid()")
    deadline = time.monotonic() + SECONDS
    found = None
    with selectors.DefaultSelector() as waiting:
        waiting.register(wire.socket, selectors.EVENT_READ)
        while True:
            while wire.flush() or wire.is_busy():
                left = deadline - time.monotonic()
                if left <= 0 or not waiting.select(left):
                    return None
                wire.consume_input()
            result = wire.get_result()
            if result is None:
                return found
            if (value := result.get_value(0, 0)) is not None:
                found = int(value)
