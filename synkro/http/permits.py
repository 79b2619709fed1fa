"""Permits of a rate limiter: how a caller waits for one, and the numbers all limiters share.

A caller asks for a permit, sleeps, and asks again, because other callers may have moved it meanwhile. A limiter
(``ratelimit.py`` in Postgres, ``local_limiter.py`` in this process) only says when the caller's permit is due.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from synkro.core.errors import PermanentError, TransientError

#: how often a sleeper looks up: a person who presses Stop waits no longer
STEP = 0.5
#: a permit this near is granted, and slept for without another look: a statement's time does not add up
LEAD = 0.06
#: a sleeper wakes this long before its permit is due, because the moment may have moved
EARLY = 0.03
#: a caller this late takes a new permit, because the vendor's second begins when the request arrives
LATE = 0.01
#: ... but not for ever: a machine this slow is late each time
RENEWALS = 3
#: part of the usual rate that is left after a 429, one request at a time; applied again after another 429, never below the second
THROTTLE_FACTOR, LOWEST_THROTTLE_FACTOR = 0.8, 0.5
#: how long a 429 slows an account, seconds: one may be a stray request that travelled long ...
SLOWED = 20.0
#: ... a second one soon after the first is no accident
SLOWED_AGAIN = 600.0
#: moments remembered per window; a pace beyond it is counted in shorter windows
REMEMBERED = 50
#: a permit nobody came for is given up, seconds
ABANDONED = 1.0

Check = Callable[[], None]


class Permit(NamedTuple):
    """The state of one caller. ``wait``: seconds until its permit is due, or until the block of the account ends."""

    wait: float
    granted: bool
    #: when the permit is due, by the limiter's clock; ``None`` when no permit is held
    moment: Any


def stopped(reason: str | None) -> PermanentError:
    return PermanentError(
        f"Запросы к сервису остановлены. {reason or 'Сервис отказал в доступе'}. "
        "Устраните причину и проверьте подключение, чтобы продолжить."
    )


def too_long(seconds: float) -> TransientError:
    return TransientError(
        f"Сервис просит подождать ещё {math.ceil(seconds)} с. Запрос будет повторён позже.",
        retry_after=seconds,
    )


class Waiting(ABC):
    """The waiting all limiters share."""

    @abstractmethod
    def _ask(self, before: Permit | None, max_wait: float) -> Permit:
        """Take a permit, confirm the one ``before`` or renew it; :class:`PermanentError` when stopped."""

    def acquire(self, *, check: Check | None = None, max_wait: float = math.inf) -> float:
        start = time.monotonic()
        permit: Permit | None = None
        renewals = 0
        while True:
            asked = time.monotonic()
            permit = self._ask(permit, max_wait - (asked - start))
            if permit.granted:
                time.sleep(max(0.0, permit.wait))
                if time.monotonic() - asked - permit.wait < LATE or renewals == RENEWALS:
                    return time.monotonic() - start
                renewals += 1
            elif asked - start + permit.wait > max_wait:
                raise too_long(permit.wait)
            elif permit.moment is None:
                sleep(permit.wait, check)
                permit = None
            else:
                sleep(permit.wait - EARLY, check)


def sleep(seconds: float, check: Check | None = None) -> None:
    """Sleep, calling ``check`` at least every half second."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if check is not None:
            check()
        time.sleep(min(left, STEP))


def sliding_window(per_second: float) -> tuple[int, float]:
    """How many requests in how many seconds; at least a second where that is not too many to remember.

    6.5 a second are 7 in 1.08 s: 6 in 0.92 s would let 12 go in one second.
    """
    count = min(math.ceil(per_second), REMEMBERED)
    return count, count / per_second
