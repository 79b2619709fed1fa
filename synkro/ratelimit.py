"""One pace per vendor account, for every process of the installation.

A vendor counts requests per account, not per process of ours, so the next free slot lives in one row of
``private.vendor_limits`` and a request takes it with a single UPDATE. Slots are evenly spaced: a bucket that
saves up would send its burst into a vendor that counts seconds. A 429 moves the whole account; a block by the
vendor (amoCRM answers 403 to everything) stops it until a person has looked.

:class:`LocalLimiter` keeps the same promises inside one process, for checks that have no database.
"""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from psycopg.rows import tuple_row

from synkro.errors import PermanentError, TransientError

#: amoCRM and Kommo refuse the 8th request of a second. Eight slots span 1.08 s at 6.5 a second and 1.17 s at
#: 6.0; on an idle machine slots were used up to 54 ms late, before any jitter of the network
AMOCRM_PER_SECOND = 6.0
#: Radist refuses the 6th request of a second, and the 2nd on /chats/ and /contacts/
RADIST_PER_SECOND = 4.5
RADIST_LISTING_PER_SECOND = 0.95

#: how often a sleeper looks up: a person who presses Stop waits no longer
_STEP = 0.5

Check = Callable[[], None]


class Limiter(Protocol):
    """What an HTTP client needs of a pace."""

    def acquire(self, *, check: Check | None = None, max_wait: float = math.inf) -> float:
        """Wait for the next slot; returns the seconds waited.

        ``check`` is called at least every second and may raise to give up. A slot further away than
        ``max_wait`` seconds raises :class:`TransientError` with ``retry_after``; an account that is stopped
        raises :class:`PermanentError`.
        """

    def block(self, seconds: float) -> None:
        """Nobody calls this account for so many seconds. Never shortens an earlier block."""

    def block_until_operator(self, reason: str) -> None:
        """Nobody calls this account until :meth:`unblock`; ``reason`` is shown to the operator."""

    def unblock(self) -> None:
        """A person has looked: calls may go on."""


def _stopped(reason: str | None) -> PermanentError:
    return PermanentError(
        f"Запросы к сервису остановлены. {reason or 'Сервис отказал в доступе'}. "
        "Устраните причину и проверьте подключение, чтобы продолжить."
    )


def _too_long(seconds: float) -> TransientError:
    return TransientError(
        f"Сервис просит подождать ещё {math.ceil(seconds)} с. Запрос будет повторён позже.",
        retry_after=seconds,
    )


class _Waiting(ABC):
    """The waiting all limiters share; take a slot, sleep towards it, take another if a block came between."""

    @abstractmethod
    def _take(self) -> float:
        """Reserve a slot: seconds until it, negative seconds until a block ends (nothing reserved)."""

    @abstractmethod
    def _blocked_for(self) -> float:
        """Seconds until the block ends, 0 without one."""

    def acquire(self, *, check: Check | None = None, max_wait: float = math.inf) -> float:
        start = time.monotonic()
        while True:
            wait = self._take()
            if wait and time.monotonic() - start + abs(wait) > max_wait:
                raise _too_long(abs(wait))
            if wait:
                sleep(abs(wait), check)
            # a slot that was slept for may lie inside a block that came meanwhile
            if wait == 0 or (wait > 0 and self._blocked_for() <= 0):
                return time.monotonic() - start


def sleep(seconds: float, check: Check | None = None) -> None:
    """Sleep, calling ``check`` at least every half second."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if check is not None:
            check()
        time.sleep(min(left, _STEP))


class LocalLimiter(_Waiting):
    """A pace for the threads of one process."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1.0 / per_second
        self._next = 0.0
        self._until = 0.0
        self._reason: str | None = None
        self._lock = threading.Lock()

    def _take(self) -> float:
        with self._lock:
            now = time.monotonic()
            if blocked := self._blocked_for():
                return -blocked
            slot = max(now, self._next)
            self._next = slot + self._gap
            return slot - now

    def _blocked_for(self) -> float:
        if self._until == math.inf:
            raise _stopped(self._reason)
        return max(0.0, self._until - time.monotonic())

    def block(self, seconds: float) -> None:
        with self._lock:
            self._until = max(self._until, time.monotonic() + seconds)

    def block_until_operator(self, reason: str) -> None:
        with self._lock:
            self._until, self._reason = math.inf, reason

    def unblock(self) -> None:
        with self._lock:
            self._until, self._reason = 0.0, None


# clock_timestamp() is the time after the row's lock was waited for; now() would be the time before
_TAKE = """
insert into private.vendor_limits as l (account_key, next_at, updated_at)
values (%(key)s, clock_timestamp() + %(gap)s * interval '1 second', clock_timestamp())
on conflict (account_key) do update set
    next_at = case
        when l.blocked_until > clock_timestamp() then l.next_at
        else greatest(l.next_at, clock_timestamp()) + %(gap)s * interval '1 second'
    end,
    updated_at = clock_timestamp()
returning
    (extract(epoch from l.next_at) - extract(epoch from clock_timestamp()))::float8 - %(gap)s,
    (extract(epoch from l.blocked_until) - extract(epoch from clock_timestamp()))::float8,
    l.blocked_reason
"""

_LOOK = """
select (extract(epoch from blocked_until) - extract(epoch from clock_timestamp()))::float8, blocked_reason
from private.vendor_limits where account_key = %(key)s
"""

_BLOCK = """
insert into private.vendor_limits as l (account_key, blocked_until, blocked_reason, updated_at)
values (
    %(key)s,
    case when %(seconds)s::float8 is null then 'infinity'::timestamptz
         else clock_timestamp() + %(seconds)s::float8 * interval '1 second' end,
    %(reason)s, clock_timestamp()
)
on conflict (account_key) do update set
    blocked_until = greatest(l.blocked_until, excluded.blocked_until),
    blocked_reason = case
        when l.blocked_until = 'infinity' then l.blocked_reason else excluded.blocked_reason
    end,
    updated_at = clock_timestamp()
"""

_UNBLOCK = """
update private.vendor_limits set blocked_until = null, blocked_reason = null, updated_at = clock_timestamp()
where account_key = %(key)s
"""


class PostgresLimiter(_Waiting):
    """A pace shared by every process that uses this database.

    ``conn_factory`` opens a context manager around a psycopg connection that commits on leaving (a pool's
    ``connection()``, ``psycopg.connect``); each call is one short transaction, nothing is held asleep.
    ``account_key`` names the vendor's account, not the tenant: two tenants with one amoCRM share its limit.
    """

    def __init__(
        self, conn_factory: Callable[[], AbstractContextManager[Any]], account_key: str, per_second: float
    ) -> None:
        self._connect = conn_factory
        self._key = account_key
        self._gap = 1.0 / per_second

    def _run(self, query: str, **values: object) -> tuple[Any, ...] | None:
        with self._connect() as connection:
            cursor = connection.cursor(row_factory=tuple_row).execute(query, {"key": self._key, **values})
            row: tuple[Any, ...] | None = cursor.fetchone() if cursor.description else None
            return row

    def _take(self) -> float:
        row = self._run(_TAKE, gap=self._gap)
        assert row is not None
        blocked = self._judge(row[1], row[2])
        return -blocked if blocked else max(0.0, row[0])

    def _blocked_for(self) -> float:
        row = self._run(_LOOK)
        return self._judge(*row) if row else 0.0

    @staticmethod
    def _judge(blocked: float | None, reason: str | None) -> float:
        if blocked == math.inf:
            raise _stopped(reason)
        return max(0.0, blocked or 0.0)

    def block(self, seconds: float) -> None:
        self._run(_BLOCK, seconds=seconds, reason=None)

    def block_until_operator(self, reason: str) -> None:
        self._run(_BLOCK, seconds=None, reason=reason)

    def unblock(self) -> None:
        self._run(_UNBLOCK)


class Both:
    """Two paces at once: the narrow one first, so that the wide one's slot is fresh when it is used."""

    def __init__(self, narrow: Limiter, wide: Limiter) -> None:
        self._parts = (narrow, wide)

    def acquire(self, *, check: Check | None = None, max_wait: float = math.inf) -> float:
        waited = 0.0
        for part in self._parts:
            waited += part.acquire(check=check, max_wait=max_wait - waited)
        return waited

    def block(self, seconds: float) -> None:
        for part in self._parts:
            part.block(seconds)

    def block_until_operator(self, reason: str) -> None:
        for part in self._parts:
            part.block_until_operator(reason)

    def unblock(self) -> None:
        for part in self._parts:
            part.unblock()
