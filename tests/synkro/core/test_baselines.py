"""Which earlier windows a day, a week, a month and any other stretch are compared with."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from synkro.core import baselines, calendar
from synkro.core.baselines import Days
from synkro.core.windows import Window, label_of

ZONE = "Asia/Almaty"
WEEK = {"weekly": {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}}


def days(holidays: tuple[str, ...] = (), start: time = time(22, 1), zone: str = ZONE) -> Days:
    return Days(calendar.parse({**WEEK, "holidays": list(holidays)}), start, zone)


def labels(of: Days, window: Window, compared_with: str) -> list[date]:
    return [label_of(one.window, of.timezone) for one in baselines.of(window, of) if one.compared_with == compared_with]


def test_a_day_is_compared_with_the_same_weekday() -> None:
    own = days()
    wednesday = date(2026, 11, 18)
    assert labels(own, own.day(wednesday), "usual") == [wednesday - timedelta(weeks=n) for n in range(1, 9)]
    assert labels(own, own.day(wednesday), "previous") == [date(2026, 11, 11)]
    assert {one.unit for one in baselines.of(own.day(wednesday), own)} == {"weekday"}


def test_a_holiday_is_no_usual_working_day() -> None:
    own = days(("2026-11-04", "2026-11-11"))
    assert labels(own, own.day(date(2026, 11, 18)), "usual")[0] == date(2026, 10, 28)
    # and a day off is compared with days off alone
    assert labels(own, own.day(date(2026, 11, 11)), "usual") == [date(2026, 11, 4)]
    # what came before is said of a holiday too
    assert labels(own, own.day(date(2026, 11, 18)), "previous") == [date(2026, 11, 11)]


def test_a_week_is_compared_with_weeks() -> None:
    own = days()
    week = own.week(date(2026, 11, 18))
    found = [one for one in baselines.of(week, own) if one.compared_with == "usual"]
    assert [one.window for one in found] == [own.week(date(2026, 11, 18) - timedelta(weeks=n)) for n in range(1, 9)]
    assert {one.unit for one in found} == {"week"}


@pytest.mark.parametrize(
    ("month", "working_days", "first", "holidays"),
    [
        # 21 working days of November: back from the last of October
        (date(2026, 11, 1), 21, date(2026, 10, 2), ()),
        # February is short, and January before it is long enough
        (date(2026, 2, 1), 20, date(2026, 1, 5), ()),
        # holidays of January move the beginning back
        (date(2026, 2, 1), 20, date(2025, 12, 31), ("2026-01-05", "2026-01-06", "2026-01-07")),
        # a month of holidays has fewer working days to look for
        (date(2026, 11, 1), 18, date(2026, 10, 7), ("2026-11-02", "2026-11-03", "2026-11-04")),
    ],
)
def test_a_month_is_compared_with_as_many_working_days(
    month: date, working_days: int, first: date, holidays: tuple[str, ...]
) -> None:
    own = days(holidays)
    found = baselines.of(own.month(month), own)
    usual = next(one for one in found if one.compared_with == "usual")
    previous = next(one for one in found if one.compared_with == "previous")
    assert (usual.unit, usual.working_days) == ("working_days", working_days)
    assert usual.window == Window(own.day(first).start, own.month(month).start)
    inside = [first + timedelta(days=n) for n in range(120) if first + timedelta(days=n) < month]
    assert sum(map(own.is_working, inside)) == working_days, "exactly as many"
    assert previous.window == own.month(month - timedelta(days=1))


def test_months_of_every_length_compare() -> None:
    """Twelve months: each has a month before it and a stretch of its own working days."""
    own = days()
    for number in range(1, 13):
        found = {one.compared_with: one for one in baselines.of(own.month(date(2026, number, 1)), own)}
        assert found["usual"].working_days == sum(
            own.is_working(date(2026, number, day)) for day in range(1, 32) if _exists(2026, number, day)
        )
        assert found["usual"].window.end == own.month(date(2026, number, 1)).start == found["previous"].window.end


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def test_a_company_that_never_works_has_no_working_days_to_count() -> None:
    own = Days(calendar.parse({"overrides": {f"2026-11-{day:02}": [] for day in range(1, 31)}}), time(6), ZONE)
    found = baselines.of(own.month(date(2026, 11, 1)), own)
    assert [one.compared_with for one in found] == ["previous"]


def test_any_stretch_moves_back_by_whole_weeks_of_the_wall_clock() -> None:
    own = days(zone="Europe/Berlin")
    # the clocks went back on 25 October 2026: nine in the morning stays nine in the morning
    window = Window(datetime(2026, 10, 26, 8, tzinfo=UTC), datetime(2026, 10, 26, 11, tzinfo=UTC))
    first = next(one.window for one in baselines.of(window, own) if one.compared_with == "usual")
    assert first == Window(datetime(2026, 10, 19, 7, tzinfo=UTC), datetime(2026, 10, 19, 10, tzinfo=UTC))
    # ten days do not overlap with what they are compared with
    long = Window(window.start, window.start + timedelta(days=10))
    found = [one.window for one in baselines.of(long, own)]
    assert all(one.end <= long.start for one in found) and len(found) == baselines.STEPS + 1


def test_a_day_of_a_clock_change_is_a_day() -> None:
    own = days(start=time(2, 30), zone="Europe/Berlin")
    found = baselines.of(own.day(date(2026, 3, 29)), own)
    assert [one.window for one in found if one.compared_with == "usual"][:2] == [
        own.day(date(2026, 3, 22)),
        own.day(date(2026, 3, 15)),
    ]


def test_the_last_whole_weeks_and_months_before_a_window() -> None:
    own = days()
    found = baselines.earlier_wholes(own.day(date(2026, 11, 18)), own, 2, 2)
    assert found == [
        (own.week(date(2026, 11, 11)), "weekly"),
        (own.week(date(2026, 11, 4)), "weekly"),
        (own.month(date(2026, 10, 1)), "monthly"),
        (own.month(date(2026, 9, 1)), "monthly"),
    ]
    # a week that has just ended is whole
    monday = own.day(date(2026, 11, 16))
    assert baselines.earlier_wholes(monday, own, 1, 0) == [(own.week(date(2026, 11, 11)), "weekly")]
