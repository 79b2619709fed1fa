"""A clock that stands still until everybody sleeps: waiting is decided and checked without being waited for.

It takes the place of the module ``time`` in the code under test. One actor runs at a time and the one who wakes
first is woken first, so a run is the same on every machine.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable


class Actor:
    """A thread of :meth:`VirtualTime.start`."""

    def __init__(self, time: VirtualTime, work: Callable[[], object]) -> None:
        self._time = time
        self._work = work
        self._failure: BaseException | None = None
        self._joiner: threading.Event | None = None
        self._ended = False
        self._turn = time._enter(0.0)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        self._turn.wait()
        try:
            self._work()
        except BaseException as error:
            self._failure = error
        self._ended = True
        if self._joiner:
            self._time._enter(0.0, self._joiner)
        self._time._wake_next()

    def join(self) -> None:
        """Sleep until the work is done; raises what it raised."""
        if not self._ended:
            self._joiner = threading.Event()
            self._time._wake_next()
            self._joiner.wait()
        if self._failure:
            raise self._failure


class VirtualTime:
    """``monotonic`` and ``sleep`` of the module ``time``."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._sleepers: list[tuple[float, int, threading.Event]] = []
        self._order = itertools.count()

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        turn = self._enter(max(seconds, 1e-6) if seconds else 0.0)
        self._wake_next()
        turn.wait()

    def start(self, work: Callable[[], object]) -> Actor:
        """Begin another actor; it runs as soon as the caller sleeps."""
        return Actor(self, work)

    def _enter(self, seconds: float, turn: threading.Event | None = None) -> threading.Event:
        turn = turn or threading.Event()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), turn))
        return turn

    def _wake_next(self) -> None:
        moment, _, turn = heapq.heappop(self._sleepers)
        self._now = max(self._now, moment)
        turn.set()
