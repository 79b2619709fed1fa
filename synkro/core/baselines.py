"""Which earlier windows a window is compared with.

In: a window, the working calendar, ``business_day_start`` and the zone. Out: the windows, newest first. Pure rules; which
of them stand in the marts and are complete is asked later.

A day is compared with the same weekday of the eight weeks before, working days with working days and days off with days
off. A week is compared with the weeks before. A month is compared with the month before, and with the stretch just before
it that has as many working days: months have different lengths. Any other stretch is compared with itself moved back by
whole weeks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from synkro.core.calendar import Calendar
from synkro.core.windows import Window, business_day_window, instant, label_of, month_window, week_window, zone

#: ``usual``: what is normal; ``previous``: the same stretch once before
ComparedWith = Literal["usual", "previous"]
#: what one window of the comparison is
Unit = Literal["weekday", "week", "working_days", "month", "stretch"]

#: how many steps back are offered; the newest complete ones are taken
STEPS = 8
#: no stretch before a month is longer
_LONGEST = 100
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Baseline:
    compared_with: ComparedWith
    window: Window
    unit: Unit
    #: of ``unit`` working_days: how many
    working_days: int | None = None

    @property
    def stored(self) -> dict[str, Any]:
        return {
            "compared_with": self.compared_with,
            "start": self.window.start.isoformat(),
            "end": self.window.end.isoformat(),
            "unit": self.unit,
            "working_days": self.working_days,
        }


@dataclass(frozen=True)
class Days:
    """Business days of a company, and which of them it works."""

    calendar: Calendar
    day_start: time
    timezone: str

    def day(self, label: date) -> Window:
        return business_day_window(label, self.day_start, self.timezone)

    def week(self, label: date) -> Window:
        return week_window(label, self.day_start, self.timezone)

    def month(self, label: date) -> Window:
        return month_window(label, self.day_start, self.timezone)

    def is_working(self, label: date) -> bool:
        return bool(self.calendar.shifts(label))

    def kind(self, window: Window) -> Literal["day", "week", "month", "stretch"]:
        label = label_of(window, self.timezone)
        if window == self.day(label):
            return "day"
        if window == self.week(label):
            return "week"
        return "month" if window == self.month(label) else "stretch"


def of(window: Window, days: Days) -> list[Baseline]:
    """What the window is compared with, newest first."""
    label, kind = label_of(window, days.timezone), days.kind(window)
    if kind == "day":
        return [Baseline("previous", days.day(label - _WEEK), "weekday"), *_weekdays(label, days)]
    if kind == "week":
        return _repeated([days.week(label - n * _WEEK) for n in range(1, STEPS + 1)], "week")
    if kind == "month":
        return _of_month(label, days)
    weeks = -(-(window.end - window.start) // _WEEK)
    return _repeated([_moved(window, n * weeks * _WEEK, days.timezone) for n in range(1, STEPS + 1)], "stretch")


def _repeated(windows: list[Window], unit: Unit) -> list[Baseline]:
    return [Baseline("previous", windows[0], unit), *(Baseline("usual", window, unit) for window in windows)]


def _weekdays(label: date, days: Days) -> Iterator[Baseline]:
    """A holiday says nothing of a working day, nor the other way round."""
    is_working = days.is_working(label)
    for n in range(1, STEPS + 1):
        earlier = label - n * _WEEK
        if days.is_working(earlier) == is_working:
            yield Baseline("usual", days.day(earlier), "weekday")


def _of_month(label: date, days: Days) -> list[Baseline]:
    first = label.replace(day=1)
    found = [Baseline("previous", days.month(first - _DAY), "month")]
    wanted = sum(days.is_working(first + n * _DAY) for n in range(31) if (first + n * _DAY).month == first.month)
    day, left = first, wanted
    while left and first - day < timedelta(days=_LONGEST):
        day -= _DAY
        left -= days.is_working(day)
    if wanted and not left:
        stretch = Window(days.day(day).start, days.month(label).start)
        found.append(Baseline("usual", stretch, "working_days", wanted))
    return found


def _moved(window: Window, back: timedelta, timezone: str) -> Window:
    """The same stretch of the wall clock, earlier."""
    where = zone(timezone)

    def moved(moment: datetime) -> datetime:
        local = moment.astimezone(where)
        return instant(local.date() - back, local.time(), where)

    return Window(moved(window.start), moved(window.end))


def earlier_wholes(window: Window, days: Days, weeks: int, months: int) -> list[tuple[Window, str]]:
    """The last whole weeks and months that end before the window begins, each with its kind of report."""
    label = label_of(window, days.timezone)
    offered = [days.week(label - n * _WEEK) for n in range(weeks + 1)]
    found = [(one, "weekly") for one in offered if one.end <= window.start][:weeks]
    first, before = label.replace(day=1), []
    for _ in range(months + 1):
        before.append(days.month(first))
        first = (first - _DAY).replace(day=1)
    return found + [(one, "monthly") for one in before if one.end <= window.start][:months]
