"""One pace per vendor account, for every process of the installation.

Vendors count the requests of an account in a sliding second, so that is what is counted here: a request is let
go when the N-th before it is a window old. The window is a little longer than the vendor's second, because
requests travel unevenly. The moments lie in one row of ``private.vendor_limits`` per meter, and a turn is taken
by one call of ``private.take_turn``, or by two when it has to be slept for: the second one confirms that the
turn has come, by the real moments of the requests before it, and writes down its own.

A 429 stops the whole account and slows it for a while, and for long when another one follows: the vendor may
count otherwise than we think. A block by the vendor (amoCRM answers 403 to everything) stops it until a person has looked.

:class:`LocalLimiter` keeps the same promises inside one process, for checks that have no database.
"""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from psycopg.rows import tuple_row

from synkro.errors import PermanentError, TransientError

#: a vendor's second as we count it: how unevenly requests may travel is measured by bench/ingestion_pace.py
WINDOW = 1.04
#: amoCRM and Kommo refuse the 8th request of a second
AMOCRM_PER_SECOND = 7 / WINDOW
#: Radist refuses the 6th request of a second, and the 2nd on /chats/ and /contacts/
RADIST_PER_SECOND = 5 / WINDOW
RADIST_LISTING_PER_SECOND = 1 / WINDOW

#: how often a sleeper looks up: a person who presses Stop waits no longer
_STEP = 0.5
#: a turn this near is granted, and slept for without another look: a statement's time does not add up
_LEAD = 0.06
#: sleepers come back this long before their turn: theirs may be a little later than was reckoned, and is granted still
_EARLY = 0.03
#: who is so late for his turn writes down a new one, because the vendor's second begins when the request arrives
_LATE = 0.01
#: ... but not for ever: a machine this slow is late each time
_RENEWALS = 3
#: of the usual pace after a 429, one request at a time; once more after a 429 at that pace, but never below
_SHARE, _LOWEST_SHARE = 0.8, 0.5
#: how long a 429 slows an account, seconds: one may be a stray request that travelled long ...
SLOWED = 20.0
#: ... a second one soon after the first is no accident
SLOWED_AGAIN = 600.0
#: moments remembered per meter; a pace beyond it is counted in shorter windows
_REMEMBERED = 50
#: a turn nobody came for is given up, seconds
_ABANDONED = 1.0

Check = Callable[[], None]


class Limiter(Protocol):
    """What an HTTP client needs of a pace."""

    def acquire(self, *, check: Check | None = None, max_wait: float = math.inf) -> float:
        """Wait for the next turn; returns the seconds waited. The request is to leave at once.

        ``check`` is called at least every second and may raise to give up. A turn further away than
        ``max_wait`` seconds raises :class:`TransientError` with ``retry_after``; an account that is stopped
        raises :class:`PermanentError`.
        """

    def block(self, seconds: float) -> None:
        """The vendor said 429: nobody calls this account for so many seconds, and for a while slowly.

        Never shortens an earlier block.
        """

    def block_until_operator(self, reason: str) -> None:
        """Nobody calls this account until :meth:`unblock`; ``reason`` is shown to the operator."""

    def unblock(self) -> None:
        """A person has looked: calls may go on."""


class Turn(NamedTuple):
    """Where a caller stands. ``wait``: seconds until his turn, or until the block of the account ends."""

    wait: float
    granted: bool
    #: the moment of the turn, by the clock of who keeps it; ``None`` when none is kept
    moment: Any


def stopped(reason: str | None) -> PermanentError:
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
    """The waiting all limiters share."""

    @abstractmethod
    def _ask(self, before: Turn | None, max_wait: float) -> Turn:
        """Take a turn, confirm the one ``before`` or renew it; :class:`PermanentError` when stopped."""

    def acquire(self, *, check: Check | None = None, max_wait: float = math.inf) -> float:
        start = time.monotonic()
        turn: Turn | None = None
        renewals = 0
        while True:
            asked = time.monotonic()
            turn = self._ask(turn, max_wait - (asked - start))
            if turn.granted:
                time.sleep(max(0.0, turn.wait))
                if time.monotonic() - asked - turn.wait < _LATE or renewals == _RENEWALS:
                    return time.monotonic() - start
                renewals += 1
            elif asked - start + turn.wait > max_wait:
                raise _too_long(turn.wait)
            elif turn.moment is None:
                sleep(turn.wait, check)
                turn = None
            else:
                sleep(turn.wait - _EARLY, check)


def sleep(seconds: float, check: Check | None = None) -> None:
    """Sleep, calling ``check`` at least every half second."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if check is not None:
            check()
        time.sleep(min(left, _STEP))


def _meter(per_second: float) -> tuple[int, float]:
    """How many requests in how many seconds; at least a second where that is not too many to remember.

    6.5 a second are 7 in 1.08 s: 6 in 0.92 s would let 12 go in one second.
    """
    count = min(math.ceil(per_second), _REMEMBERED)
    return count, count / per_second


# --- inside one process ----------------------------------------------------------------------------------


@dataclass
class _Account:
    """One meter's row, in memory; moments are monotonic."""

    count: int
    span: float
    let_go: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    share: float = 1.0
    slowed_until: float = -math.inf
    until: float = 0.0
    reason: str | None = None

    def free(self, now: float, newcomer: bool) -> float:
        """The next free moment, for a newcomer behind everybody who waits."""
        slow = self.slowed_until > now
        count, span = (1, self.span / self.count / self.share) if slow else (self.count, self.span)
        moments = sorted(self.let_go + self.waiting if newcomer else self.let_go)
        return max(now, moments[-count] + span) if len(moments) >= count else now


#: held for microseconds: one for all accounts, because a turn may count on two
_accounts_lock = threading.Lock()


class LocalLimiter(_Waiting):
    """A pace for the threads of one process."""

    def __init__(self, per_second: float) -> None:
        self._accounts: tuple[_Account, ...] = (_Account(*_meter(per_second)),)

    @classmethod
    def joined(cls, *parts: LocalLimiter) -> LocalLimiter:
        made = cls(1)
        made._accounts = tuple(account for part in parts for account in part._accounts)
        return made

    def _ask(self, before: Turn | None, max_wait: float) -> Turn:
        with _accounts_lock:
            now = time.monotonic()
            for account in self._accounts:
                if before and before.granted and before.moment in account.let_go:
                    account.let_go.remove(before.moment)
                account.waiting = [
                    m for m in account.waiting if m > now - _ABANDONED and not (before and m == before.moment)
                ]
                if account.until == math.inf:
                    raise stopped(account.reason)
            if (until := max(account.until for account in self._accounts)) > now:
                return Turn(until - now, False, None)
            free = [account.free(now, before is None) for account in self._accounts]
            moment = max(free)
            granted = moment <= now + _LEAD
            if not granted and moment - now > max_wait:
                return Turn(moment - now, False, None)
            for account, own in zip(self._accounts, free, strict=True):
                if granted:
                    account.let_go = sorted([*account.let_go, moment])[-_REMEMBERED:]
                elif own == moment:
                    account.waiting.append(moment)
            return Turn(moment - now, granted, moment)

    def block(self, seconds: float) -> None:
        with _accounts_lock:
            now = time.monotonic()
            for account in self._accounts:
                slowed = SLOWED
                # the answers of one storm come together and count once
                if account.until <= now:
                    slow = account.slowed_until > now
                    account.share = max(_LOWEST_SHARE, account.share * _SHARE) if slow else _SHARE
                    slowed = SLOWED_AGAIN if account.slowed_until > now - SLOWED_AGAIN else SLOWED
                account.until = max(account.until, now + seconds)
                account.slowed_until = max(account.slowed_until, now + seconds + slowed)

    def block_until_operator(self, reason: str) -> None:
        with _accounts_lock:
            for account in self._accounts:
                if account.until < math.inf:
                    account.until, account.reason = math.inf, reason

    def unblock(self) -> None:
        with _accounts_lock:
            for account in self._accounts:
                account.until, account.reason = 0.0, None


# --- for the whole installation --------------------------------------------------------------------------

_TAKE = """
select granted, turn, wait, blocked, reason
from private.take_turn(%(keys)s, %(counts)s, %(spans)s, %(turn)s, %(late)s, %(lead)s, %(max_wait)s)
"""

# the answers of one storm come together and count once
_BLOCK = """
insert into private.vendor_limits as l (account_key, blocked_until, share, slowed_until)
select key, clock_timestamp() + %(seconds)s * interval '1 second', %(share)s,
    clock_timestamp() + (%(seconds)s + %(slowed)s) * interval '1 second'
from unnest(%(keys)s::text[]) key order by key
on conflict (account_key) do update set
    share = case
        when l.blocked_until > clock_timestamp() then l.share
        when l.slowed_until > clock_timestamp() then greatest(l.share * %(share)s, %(lowest)s)
        else %(share)s
    end,
    blocked_until = greatest(l.blocked_until, excluded.blocked_until),
    slowed_until = greatest(l.slowed_until, case
        when coalesce(l.blocked_until <= clock_timestamp(), true)
            and l.slowed_until > clock_timestamp() - %(again)s * interval '1 second'
        then clock_timestamp() + (%(seconds)s + %(again)s) * interval '1 second'
        else excluded.slowed_until
    end),
    updated_at = clock_timestamp()
"""

_STOP = """
insert into private.vendor_limits as l (account_key, blocked_until, blocked_reason)
select key, 'infinity', %(reason)s from unnest(%(keys)s::text[]) key order by key
on conflict (account_key) do update set
    blocked_until = 'infinity',
    blocked_reason = case
        when l.blocked_until = 'infinity' then l.blocked_reason else excluded.blocked_reason
    end,
    updated_at = clock_timestamp()
"""

_UNBLOCK = """
update private.vendor_limits set blocked_until = null, blocked_reason = null, updated_at = clock_timestamp()
where account_key = any (%(keys)s)
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
        self._meters: tuple[tuple[str, int, float], ...] = ((account_key, *_meter(per_second)),)

    @classmethod
    def joined(cls, *parts: PostgresLimiter) -> PostgresLimiter:
        made = cls(parts[0]._connect, "", 1)
        made._meters = tuple(meter for part in parts for meter in part._meters)
        return made

    def _run(self, query: str, **values: object) -> tuple[Any, ...] | None:
        keys = [key for key, _, _ in self._meters]
        with self._connect() as connection:
            cursor = connection.cursor(row_factory=tuple_row).execute(query, {"keys": keys, **values})
            row: tuple[Any, ...] | None = cursor.fetchone() if cursor.description else None
            return row

    def _ask(self, before: Turn | None, max_wait: float) -> Turn:
        _, counts, spans = map(list, zip(*self._meters, strict=True))
        turn, late = (before.moment, before.granted) if before else (None, False)
        row = self._run(_TAKE, counts=counts, spans=spans, turn=turn, late=late, lead=_LEAD, max_wait=max_wait)
        assert row is not None
        granted, moment, wait, blocked, reason = row
        if blocked == math.inf:
            raise stopped(reason)
        return Turn(wait if blocked is None else blocked, granted, moment)

    def block(self, seconds: float) -> None:
        self._run(_BLOCK, seconds=seconds, slowed=SLOWED, again=SLOWED_AGAIN, share=_SHARE, lowest=_LOWEST_SHARE)

    def block_until_operator(self, reason: str) -> None:
        self._run(_STOP, reason=reason)

    def unblock(self) -> None:
        self._run(_UNBLOCK)


class Both:
    """Two paces at once: one turn that both meters count, so that neither goes stale while the other is slept for."""

    def __init__(self, narrow: Limiter, wide: Limiter) -> None:
        self._parts = (narrow, wide)
        self._joined: Limiter
        if isinstance(narrow, PostgresLimiter) and isinstance(wide, PostgresLimiter):
            self._joined = PostgresLimiter.joined(narrow, wide)
        elif isinstance(narrow, LocalLimiter) and isinstance(wide, LocalLimiter):
            self._joined = LocalLimiter.joined(narrow, wide)
        else:
            raise TypeError("both paces must be kept in one place, in Postgres or in this process")

    def acquire(self, *, check: Check | None = None, max_wait: float = math.inf) -> float:
        return self._joined.acquire(check=check, max_wait=max_wait)

    def block(self, seconds: float) -> None:
        self._joined.block(seconds)

    def block_until_operator(self, reason: str) -> None:
        self._joined.block_until_operator(reason)

    def unblock(self) -> None:
        self._joined.unblock()


def stopped_accounts(connection: Any) -> dict[str, str]:
    """Accounts that wait for a person, with the reason (service door; rows as dicts)."""
    rows = connection.execute(
        "select account_key, blocked_reason from private.vendor_limits where blocked_until = 'infinity' order by 1"
    )
    return {row["account_key"]: row["blocked_reason"] or "" for row in rows}
