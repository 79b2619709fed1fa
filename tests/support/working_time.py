"""Working minutes by plain arithmetic over intervals: what the SQL of ``transforms/macros/time.sql`` is compared with."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from synkro.core.calendar import Interval


def business_minutes(working: Sequence[Interval], a: datetime, b: datetime) -> float:
    """``bh(a, b)``: minutes of ``[a, b)`` that fall into working time; 0 if ``b`` is not after ``a``."""
    total = timedelta()
    for start, stop in working[_first_open(working, a) :]:
        if start >= b:
            break
        total += max(timedelta(), min(stop, b) - max(start, a))
    return total.total_seconds() / 60


def add_business_minutes(working: Sequence[Interval], a: datetime, minutes: float) -> datetime:
    """``bh_add(a, minutes)``: the first moment at which ``bh(a, ·)`` reaches ``minutes``.

    Raises ``ValueError`` if the minutes are negative or ``working`` ends before they are over.
    """
    if minutes < 0:
        raise ValueError(f"{minutes:g} minutes are less than none")
    left = timedelta(minutes=minutes)
    if not left:
        return a
    for start, stop in working[_first_open(working, a) :]:
        begin = max(start, a)
        if stop - begin >= left:
            return begin + left
        left -= stop - begin
    raise ValueError(f"the calendar ends before {minutes:g} minutes after {a:%Y-%m-%d %H:%M} are over")


def _first_open(working: Sequence[Interval], a: datetime) -> int:
    """Index of the first interval that ends after ``a``."""
    return bisect_right(working, a, key=lambda interval: interval[1])
