"""Turns: how a caller waits for one, whoever keeps them, and the numbers both keepers share.

A turn is asked for, slept towards and asked for again: the moments of others may have moved meanwhile. Who keeps the
turns (``ratelimit.py`` in Postgres, ``ratelimit_local.py`` in this process) only has to say where a caller stands.
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
#: a turn this near is granted, and slept for without another look: a statement's time does not add up
LEAD = 0.06
#: sleepers come back this long before their turn: theirs may be a little later than was reckoned, and is granted still
EARLY = 0.03
#: who is so late for his turn writes down a new one, because the vendor's second begins when the request arrives
LATE = 0.01
#: ... but not for ever: a machine this slow is late each time
RENEWALS = 3
#: of the usual pace after a 429, one request at a time; once more after a 429 at that pace, but never below
SHARE, LOWEST_SHARE = 0.8, 0.5
#: how long a 429 slows an account, seconds: one may be a stray request that travelled long ...
SLOWED = 20.0
#: ... a second one soon after the first is no accident
SLOWED_AGAIN = 600.0
#: moments remembered per meter; a pace beyond it is counted in shorter windows
REMEMBERED = 50
#: a turn nobody came for is given up, seconds
ABANDONED = 1.0

Check = Callable[[], None]


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


def too_long(seconds: float) -> TransientError:
    return TransientError(
        f"Сервис просит подождать ещё {math.ceil(seconds)} с. Запрос будет повторён позже.",
        retry_after=seconds,
    )


class Waiting(ABC):
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
                if time.monotonic() - asked - turn.wait < LATE or renewals == RENEWALS:
                    return time.monotonic() - start
                renewals += 1
            elif asked - start + turn.wait > max_wait:
                raise too_long(turn.wait)
            elif turn.moment is None:
                sleep(turn.wait, check)
                turn = None
            else:
                sleep(turn.wait - EARLY, check)


def sleep(seconds: float, check: Check | None = None) -> None:
    """Sleep, calling ``check`` at least every half second."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if check is not None:
            check()
        time.sleep(min(left, STEP))


def meter(per_second: float) -> tuple[int, float]:
    """How many requests in how many seconds; at least a second where that is not too many to remember.

    6.5 a second are 7 in 1.08 s: 6 in 0.92 s would let 12 go in one second.
    """
    count = min(math.ceil(per_second), REMEMBERED)
    return count, count / per_second
