"""A pace for the threads of one process: the promises of ``ratelimit.py`` where there is no database."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field

from synkro.http import permits


@dataclass
class _Account:
    """One window's row, in memory; moments are monotonic."""

    count: int
    span: float
    granted_at: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    throttle_factor: float = 1.0
    slowed_until: float = -math.inf
    until: float = 0.0
    reason: str | None = None

    def free(self, now: float, newcomer: bool) -> float:
        """The next free moment, for a newcomer behind everybody who waits."""
        moments = sorted(self.granted_at + self.waiting if newcomer else self.granted_at)
        free = max(now, moments[-self.count] + self.span) if len(moments) >= self.count else now
        if self.slowed_until > now and moments:
            # one at a time, and the burst before the 429 is still counted by the vendor
            free = max(free, moments[-1] + self.span / self.count / self.throttle_factor)
        return free


#: held for microseconds: one for all accounts, because a permit may count on two
_accounts_lock = threading.Lock()


class LocalLimiter(permits.Waiting):
    """A pace for the threads of one process."""

    def __init__(self, per_second: float) -> None:
        self._accounts: tuple[_Account, ...] = (_Account(*permits.sliding_window(per_second)),)

    @classmethod
    def joined(cls, *parts: LocalLimiter) -> LocalLimiter:
        made = cls(1)
        made._accounts = tuple(account for part in parts for account in part._accounts)
        return made

    def _ask(self, before: permits.Permit | None, max_wait: float) -> permits.Permit:
        with _accounts_lock:
            now = time.monotonic()
            for account in self._accounts:
                if before and before.granted and before.moment in account.granted_at:
                    account.granted_at.remove(before.moment)
                account.waiting = [
                    m for m in account.waiting if m > now - permits.ABANDONED and not (before and m == before.moment)
                ]
                if account.until == math.inf:
                    raise permits.stopped(account.reason)
            if (until := max(account.until for account in self._accounts)) > now:
                return permits.Permit(until - now, False, None)
            free = [account.free(now, before is None) for account in self._accounts]
            moment = max(free)
            granted = moment <= now + permits.LEAD
            if not granted and moment - now > max_wait:
                return permits.Permit(moment - now, False, None)
            for account, own in zip(self._accounts, free, strict=True):
                if granted:
                    account.granted_at = sorted([*account.granted_at, moment])[-permits.REMEMBERED :]
                elif own == moment:
                    account.waiting.append(moment)
            return permits.Permit(moment - now, granted, moment)

    def block(self, seconds: float) -> None:
        with _accounts_lock:
            now = time.monotonic()
            for account in self._accounts:
                slowed = permits.SLOWED
                # the answers of one storm come together and count once
                if account.until <= now:
                    slow = account.slowed_until > now
                    account.throttle_factor = (
                        max(permits.LOWEST_THROTTLE_FACTOR, account.throttle_factor * permits.THROTTLE_FACTOR)
                        if slow
                        else permits.THROTTLE_FACTOR
                    )
                    slowed = (
                        permits.SLOWED_AGAIN if account.slowed_until > now - permits.SLOWED_AGAIN else permits.SLOWED
                    )
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
