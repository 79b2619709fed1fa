"""One pace per vendor account, for every process of the installation.

Vendors count the requests of an account in a sliding second, so that is what is counted here: a request is let
go when the N-th before it is a window old. The window is a little longer than the vendor's second, because
requests travel unevenly. The moments lie in one row of ``private.vendor_limits`` per window, and a permit is taken
by one call of ``private.take_turn``, or by two when it has to be slept for: the second one confirms that the
permit has come, by the real moments of the requests before it, and writes down its own.

A 429 stops the whole account and slows it for a while, and for long when another one follows: the vendor may
count otherwise than we think. A block by the vendor (amoCRM answers 403 to everything) stops the company that was refused until
a person of it has looked (``private.vendor_stops``): another company of the same account has a key of its own, and is refused,
or not, by itself.

The waiting itself is in ``permits.py``; :class:`LocalLimiter` keeps the same promises inside one process.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol
from uuid import UUID

from psycopg.rows import tuple_row

from synkro.http import permits
from synkro.http.local_limiter import LocalLimiter
from synkro.http.permits import Check, sleep

__all__ = [
    "WINDOW",
    "Check",
    "CompositeLimiter",
    "Limiter",
    "LocalLimiter",
    "PostgresLimiter",
    "pace",
    "sleep",
    "stopped_accounts",
]

#: a vendor's second as we count it: how unevenly requests may travel is measured by bench/ingestion/request_pace.py
WINDOW = 1.04


def pace(requests: int) -> float:
    """Requests a second that keep ``requests`` within any second as the vendor counts it."""
    return requests / WINDOW


class Limiter(Protocol):
    """What an HTTP client needs of a pace."""

    def acquire(self, *, check: Check | None = None, max_wait: float = math.inf) -> float:
        """Wait for the next permit; returns the seconds waited. The request is to leave at once.

        ``check`` is called at least every second and may raise to give up. A permit further away than
        ``max_wait`` seconds raises :class:`TransientError` with ``retry_after``; an account that is stopped
        raises :class:`PermanentError`.
        """

    def block(self, seconds: float) -> None:
        """The vendor said 429: nobody calls this account for so many seconds, and for a while slowly.

        Never shortens an earlier block.
        """

    def block_until_operator(self, reason: str) -> None:
        """This company does not call the account until :meth:`unblock`; ``reason`` is shown to the operator."""

    def unblock(self) -> None:
        """A person of this company has looked: its calls may go on. The pace stays as it is."""


# a permit that a crash of the server forgets was taken half a second ago: no request waits for the disk
_TAKE = """
select granted, turn, wait, blocked, reason
from set_config('synchronous_commit', 'off', true),
    private.take_turn(%(keys)s, %(counts)s, %(spans)s, %(permit)s, %(late)s, %(lead)s, %(max_wait)s)
where not exists (select from private.vendor_stops where tenant_id = %(tenant)s and account_key = any (%(keys)s))
"""

_STOPPED = """
select reason from private.vendor_stops where tenant_id = %(tenant)s and account_key = any (%(keys)s) order by stopped_at limit 1
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
insert into private.vendor_stops (tenant_id, account_key, reason)
select %(tenant)s, key, %(reason)s from unnest(%(keys)s::text[]) key order by key
on conflict do nothing
"""

_GO_ON = """
delete from private.vendor_stops where tenant_id = %(tenant)s and account_key = any (%(keys)s)
"""

# without a company, as the pace of a bot, the account itself is stopped
_STOP_ACCOUNT = """
insert into private.vendor_limits as l (account_key, blocked_until, blocked_reason)
select key, 'infinity', %(reason)s from unnest(%(keys)s::text[]) key order by key
on conflict (account_key) do update set
    blocked_until = 'infinity',
    blocked_reason = case
        when l.blocked_until = 'infinity' then l.blocked_reason else excluded.blocked_reason
    end,
    updated_at = clock_timestamp()
"""

_GO_ON_ACCOUNT = """
update private.vendor_limits set blocked_until = null, blocked_reason = null, updated_at = clock_timestamp()
where account_key = any (%(keys)s)
"""


class PostgresLimiter(permits.Waiting):
    """A pace shared by every process that uses this database.

    ``conn_factory`` opens a context manager around a psycopg connection that commits on leaving (a pool's
    ``connection()``, ``psycopg.connect``); each call is one short transaction, nothing is held asleep.
    ``account_key`` names the vendor's account, not the tenant: two tenants with one amoCRM share its limit.
    ``tenant_id``: whose calls these are; a stop until the operator looks is theirs alone.
    """

    def __init__(
        self,
        conn_factory: Callable[[], AbstractContextManager[Any]],
        account_key: str,
        per_second: float,
        tenant_id: UUID | None = None,
    ) -> None:
        self._connect = conn_factory
        self._tenant_id = tenant_id
        self._windows: tuple[tuple[str, int, float], ...] = ((account_key, *permits.sliding_window(per_second)),)

    @classmethod
    def joined(cls, *parts: PostgresLimiter) -> PostgresLimiter:
        made = cls(parts[0]._connect, "", 1, parts[0]._tenant_id)
        made._windows = tuple(window for part in parts for window in part._windows)
        return made

    def _run(self, query: str, **values: object) -> tuple[Any, ...] | None:
        keys = [key for key, _, _ in self._windows]
        with self._connect() as connection:
            parameters = {"keys": keys, "tenant": self._tenant_id, **values}
            cursor = connection.cursor(row_factory=tuple_row).execute(query, parameters)
            row: tuple[Any, ...] | None = cursor.fetchone() if cursor.description else None
            return row

    def _ask(self, before: permits.Permit | None, max_wait: float) -> permits.Permit:
        _, counts, spans = map(list, zip(*self._windows, strict=True))
        permit, late = (before.moment, before.granted) if before else (None, False)
        row = self._run(
            _TAKE, counts=counts, spans=spans, permit=permit, late=late, lead=permits.LEAD, max_wait=max_wait
        )
        if row is None:
            raise permits.stopped((self._run(_STOPPED) or (None,))[0])
        granted, moment, wait, blocked, reason = row
        if blocked == math.inf:
            raise permits.stopped(reason)
        return permits.Permit(wait if blocked is None else blocked, granted, moment)

    def block(self, seconds: float) -> None:
        self._run(
            _BLOCK,
            seconds=seconds,
            slowed=permits.SLOWED,
            again=permits.SLOWED_AGAIN,
            share=permits.THROTTLE_FACTOR,
            lowest=permits.LOWEST_THROTTLE_FACTOR,
        )

    def block_until_operator(self, reason: str) -> None:
        self._run(_STOP_ACCOUNT if self._tenant_id is None else _STOP, reason=reason)

    def unblock(self) -> None:
        self._run(_GO_ON_ACCOUNT if self._tenant_id is None else _GO_ON)


class CompositeLimiter:
    """Two limiters at once: one permit that counts in both windows, so that neither expires while the caller waits for the other."""

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
    """Accounts that wait for a person, with the company they are stopped for and the reason (service entry point; rows as dicts)."""
    rows = connection.execute(
        "select account_key, blocked_reason as reason from private.vendor_limits where blocked_until = 'infinity'"
        " union all select s.account_key || ' (' || t.slug || ')', s.reason"
        " from private.vendor_stops s join synkro.tenants t on t.tenant_id = s.tenant_id order by 1"
    )
    return {row["account_key"]: row["reason"] or "" for row in rows}
