"""Working time and business days, straight from the calendar's JSON: minute by minute of the wall clock, no tables.

``bh`` and ``bh_add`` of metrics.md §1 are exact fractions of a minute.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.transforms.oracle.raw import Company

Interval = tuple[datetime, datetime]
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Clock:
    def __init__(self, company: Company) -> None:
        self.zone = ZoneInfo(company.settings.timezone)
        self.day_start = company.settings.business_day_start
        self.working = self._working(company)
        self._ends = [end for _, end in self.working]
        self._starts: dict[date, datetime] = {}

    def utc(self, day: date, clock: time) -> datetime:
        """The first moment at which the wall clock has reached this time: a time that comes twice is its first
        coming, one that is skipped is the moment of the jump."""
        wall = datetime.combine(day, clock)
        first = wall.replace(tzinfo=self.zone, fold=0)
        moment = first.astimezone(UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) == wall:
            return moment
        moment = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        while moment.astimezone(self.zone).replace(tzinfo=None) < wall:
            moment += MINUTE
        return moment

    def business_date(self, moment: datetime) -> date:
        """Label of the business day: the local date of the middle of the day that holds ``moment``."""
        guess = moment.astimezone(self.zone).date() + 2 * DAY
        while self._start_of(guess) > moment:
            guess -= DAY
        return guess

    def _start_of(self, label: date) -> datetime:
        # a day that starts before noon has its middle on the date it starts on, a later one on the next
        if label not in self._starts:
            first = label if self.day_start < time(12) else label - DAY
            self._starts[label] = self.utc(first, self.day_start)
        return self._starts[label]

    def is_working(self, moment: datetime) -> bool:
        place = bisect_right(self._ends, moment)
        return place < len(self.working) and self.working[place][0] <= moment

    def bh(self, a: datetime, b: datetime) -> Fraction:
        """Minutes of ``[a, b)`` in working time."""
        total = timedelta()
        for start, end in self.working[bisect_right(self._ends, a) :]:
            if start >= b:
                break
            total += min(end, b) - max(start, a)
        return minutes(total)

    def bh_add(self, a: datetime, m: int) -> datetime | None:
        """The first moment at which ``bh(a, ·) = m``; None when the calendar ends before."""
        left = timedelta(minutes=m)
        for start, end in self.working[bisect_right(self._ends, a) :]:
            begin = max(start, a)
            if end - begin >= left:
                return begin + left
            left -= end - begin
        return None

    def _working(self, company: Company) -> list[Interval]:
        """Each shift is of the calendar that is valid on the date it starts on, and runs to its end."""
        first, last = company.calendar_range
        start, end = self.utc(first, time()), self.utc(last + DAY, time())
        found: list[Interval] = []
        day = first - 2 * DAY
        while day <= last:
            for opens, closes in _shifts(_valid_on(day, company.settings.calendars), day):
                a, b = max(self._at(day, opens), start), min(self._at(day, closes), end)
                if a < b:
                    found.append((a, b))
            day += DAY
        merged: list[Interval] = []
        for a, b in sorted(found):
            if merged and a <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], b))
            else:
                merged.append((a, b))
        return merged

    def _at(self, day: date, clock: int) -> datetime:
        days, rest = divmod(clock, 24 * 60)
        return self.utc(day + days * DAY, time(*divmod(rest, 60)))


def minutes(span: timedelta) -> Fraction:
    return Fraction(span // timedelta(microseconds=1), 60_000_000)


def _valid_on(day: date, calendars: list[tuple[date, dict[str, Any] | None]]) -> dict[str, Any] | None:
    """The last to begin of those that cover the date; the first covers all."""
    found = calendars[0][1]
    for begins, calendar in calendars[1:]:
        until = (calendar or {}).get("valid_to", "9999-12-31")
        if begins <= day <= date.fromisoformat(until):
            found = calendar
    return found


def _shifts(calendar: dict[str, Any] | None, day: date) -> list[tuple[int, int]]:
    """Minutes from midnight of the shifts that start on the date; an end after 24:00 lies on the next day."""
    around_the_clock = [["00:00", "24:00"]]
    if not calendar:
        listed = around_the_clock
    elif day.isoformat() in calendar.get("overrides", {}):
        listed = calendar["overrides"][day.isoformat()]
    elif day.isoformat() in calendar.get("holidays", []):
        listed = []
    elif not calendar.get("weekly"):
        listed = around_the_clock
    else:
        listed = calendar["weekly"].get(WEEKDAYS[day.weekday()], [])
    shifts = []
    for opens, closes in listed:
        a, b = (int(text[:2]) * 60 + int(text[3:]) for text in (opens, closes))
        shifts.append((a, b if b > a else b + 24 * 60))
    return shifts
