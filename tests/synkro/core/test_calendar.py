"""The working calendar: worked cases of the metrics, night shifts, holidays, clock changes, refusals."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synkro.core.calendar import Interval, intervals, parse
from synkro.core.errors import DataError
from tests.support.working_time import add_business_minutes, business_minutes

ALMATY, BERLIN = "Asia/Almaty", "Europe/Berlin"
OFFICE = [["09:00", "13:00"], ["14:00", "18:00"]]
WORKED: dict[str, Any] = {"weekly": {day: OFFICE for day in ("mon", "tue", "wed", "thu", "fri")}}
NIGHTS: dict[str, Any] = {"weekly": {"fri": [["22:00", "06:00"]], "sat": [["22:00", "06:00"]]}}


def expand(value: dict[str, Any] | None, tz: str, first: str, last: str) -> list[Interval]:
    return intervals(parse(value), tz, date.fromisoformat(first), date.fromisoformat(last))


def local(text: str, tz: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz))


def shown(found: list[Interval], tz: str) -> list[str]:
    """``02 09:00-02 13:00`` in local time."""
    form = "%d %H:%M"
    return ["-".join(f"{moment.astimezone(ZoneInfo(tz)):{form}}" for moment in pair) for pair in found]


@pytest.mark.parametrize(
    ("case", "a", "b", "calendar_minutes", "business", "deadline"),
    [
        ("1", "2026-03-02 10:00", "2026-03-02 10:07", 7, 7, "2026-03-02 10:15"),
        ("2", "2026-03-02 10:00", "2026-03-02 10:25", 25, 25, "2026-03-02 10:15"),
        ("3 lunch between", "2026-03-02 12:50", "2026-03-02 14:05", 75, 15, "2026-03-02 14:05"),
        ("4 overnight", "2026-03-02 19:30", "2026-03-03 09:10", 820, 10, "2026-03-03 09:15"),
        ("7", "2026-03-02 10:00", "2026-03-02 10:40", 40, 40, "2026-03-02 10:15"),
        ("11", "2026-03-02 16:00", "2026-03-02 18:00", 120, 120, "2026-03-02 16:15"),
        ("weekend", "2026-03-06 17:50", "2026-03-09 09:02", 3792, 12, "2026-03-09 09:05"),
        ("both off hours", "2026-03-07 11:00", "2026-03-08 12:00", 1500, 0, "2026-03-09 09:15"),
        ("ends with the shift", "2026-03-02 12:45", "2026-03-02 13:00", 15, 15, "2026-03-02 13:00"),
        ("backwards", "2026-03-02 10:07", "2026-03-02 10:00", -7, 0, "2026-03-02 10:22"),
    ],
)
def test_worked_cases(case: str, a: str, b: str, calendar_minutes: float, business: float, deadline: str) -> None:
    working = expand(WORKED, ALMATY, "2026-03-02", "2026-03-15")
    opened, closed = local(a, ALMATY), local(b, ALMATY)
    assert (closed - opened).total_seconds() / 60 == calendar_minutes
    assert business_minutes(working, opened, closed) == business
    assert add_business_minutes(working, opened, 15) == local(deadline, ALMATY)


EXPANDED: list[tuple[str, dict[str, Any] | None, str, str, str, list[str]]] = [
    ("office", WORKED, ALMATY, "2026-03-02", "2026-03-02", ["02 09:00-02 13:00", "02 14:00-02 18:00"]),
    ("weekend", WORKED, ALMATY, "2026-03-07", "2026-03-08", []),
    ("none is around the clock", None, ALMATY, "2026-03-07", "2026-03-08", ["07 00:00-09 00:00"]),
    ("empty is around the clock", {}, ALMATY, "2026-03-07", "2026-03-07", ["07 00:00-08 00:00"]),
    (
        "around the clock but holidays",
        {"holidays": ["2026-03-08"]},
        ALMATY, "2026-03-07", "2026-03-09",
        ["07 00:00-08 00:00", "09 00:00-10 00:00"],
    ),
    ("holiday", WORKED | {"holidays": ["2026-03-02"]}, ALMATY, "2026-03-02", "2026-03-02", []),
    (
        "an override opens a Saturday, closes a Monday and wins over a holiday",
        WORKED
        | {
            "holidays": ["2026-03-07"],
            "overrides": {"2026-03-07": [["10:00", "14:00"]], "2026-03-09": []},
        },
        ALMATY, "2026-03-07", "2026-03-09",
        ["07 10:00-07 14:00"],
    ),
    (
        "nights are clipped at the edges", NIGHTS, ALMATY, "2026-03-07", "2026-03-07",
        ["07 00:00-07 06:00", "07 22:00-08 00:00"],
    ),
    ("nights", NIGHTS, ALMATY, "2026-03-06", "2026-03-08", ["06 22:00-07 06:00", "07 22:00-08 06:00"]),
    (
        "a night runs into a holiday",
        NIGHTS | {"holidays": ["2026-03-07"]},
        ALMATY, "2026-03-06", "2026-03-08",
        ["06 22:00-07 06:00"],
    ),
    (
        "touching and overlapping shifts merge",
        {
            "weekly": {
                "mon": [["13:00", "18:00"], ["09:00", "13:00"], ["17:00", "00:00"]],
                "tue": [["00:00", "02:00"]],
            }
        },
        ALMATY, "2026-03-02", "2026-03-03",
        ["02 09:00-03 02:00"],
    ),
    (
        "24:00", {"weekly": {"mon": [["20:00", "24:00"]]}}, ALMATY, "2026-03-02", "2026-03-03",
        ["02 20:00-03 00:00"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "tz", "first", "last", "expected"), EXPANDED, ids=lambda v: str(v)[:30])
def test_expansion(
    name: str, value: dict[str, Any] | None, tz: str, first: str, last: str, expected: list[str]
) -> None:
    found = expand(value, tz, first, last)
    assert shown(found, tz) == expected
    assert all(moment.tzinfo is UTC for pair in found for moment in pair)


DAILY_NIGHT = {"weekly": {day: [["22:00", "06:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}}


@pytest.mark.parametrize(
    ("value", "tz", "first", "last", "minutes"),
    [
        # Almaty put its clocks back at 00:00 of 2024-03-01, from +6 to +5
        (None, ALMATY, "2024-02-29", "2024-02-29", 25 * 60),
        (None, ALMATY, "2024-03-01", "2024-03-01", 24 * 60),
        (WORKED, ALMATY, "2024-02-29", "2024-03-01", 16 * 60),
        # Berlin: the night of the jump is an hour short, the one back an hour long
        (None, BERLIN, "2026-03-29", "2026-03-29", 23 * 60),
        (None, BERLIN, "2026-10-25", "2026-10-25", 25 * 60),
        (DAILY_NIGHT, BERLIN, "2026-03-29", "2026-03-29", 7 * 60),
        (DAILY_NIGHT, BERLIN, "2026-10-25", "2026-10-25", 9 * 60),
        ({"weekly": {"sun": [["02:00", "02:30"]]}}, BERLIN, "2026-03-29", "2026-03-29", 0),
        ({"weekly": {"sun": [["01:00", "02:30"]]}}, BERLIN, "2026-03-29", "2026-03-29", 60),
        ({"weekly": {"sun": [["02:30", "04:00"]]}}, BERLIN, "2026-03-29", "2026-03-29", 60),
    ],
)
def test_clock_changes(value: dict[str, Any] | None, tz: str, first: str, last: str, minutes: float) -> None:
    working = expand(value, tz, first, last)
    assert business_minutes(working, local("2020-01-01", tz), local("2030-01-01", tz)) == minutes


def test_the_same_clock_is_another_moment_after_almaty_moved() -> None:
    working = expand(WORKED, ALMATY, "2024-02-29", "2024-03-01")
    assert working[0][0] == datetime(2024, 2, 29, 3, tzinfo=UTC)
    assert working[2][0] == datetime(2024, 3, 1, 4, tzinfo=UTC)
    assert business_minutes(working, local("2024-02-29 17:50", ALMATY), local("2024-03-01 09:05", ALMATY)) == 15


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "calendar: нужен объект"),
        ({"week": {}}, r"calendar\.week: неизвестное поле.*weekly"),
        ({"weekly": [1]}, r"calendar\.weekly: нужен объект"),
        ({"weekly": {"monday": []}}, r"calendar\.weekly\.monday: неизвестное поле.*mon, tue"),
        ({"weekly": {"mon": "09:00-18:00"}}, r"calendar\.weekly\.mon: нужен список"),
        ({"weekly": {"mon": [["09:00"]]}}, r"calendar\.weekly\.mon\[0\]: нужны два времени"),
        ({"weekly": {"mon": ["09:00", "18:00"]}}, r"calendar\.weekly\.mon\[0\]: нужны два времени"),
        (
            {"weekly": {"mon": [["09:00", "13:00"], ["14:00", "25:00"]]}},
            r"calendar\.weekly\.mon\[1\].*25:00.*ЧЧ:ММ",
        ),
        ({"weekly": {"mon": [["9", "18:00"]]}}, r"calendar\.weekly\.mon\[0\]: неверное время"),
        ({"weekly": {"mon": [[9, 18]]}}, r"calendar\.weekly\.mon\[0\]: неверное время 9"),
        ({"weekly": {"mon": [["24:00", "06:00"]]}}, r"calendar\.weekly\.mon\[0\]: неверное время '24:00'"),
        ({"weekly": {"mon": [["09:00", "09:00"]]}}, r'calendar\.weekly\.mon\[0\]: начало и конец.*"24:00"'),
        ({"weekly": {"mon": []}}, r"calendar\.weekly: нет ни одного рабочего часа"),
        ({"holidays": "2026-03-09"}, r"calendar\.holidays: нужен список"),
        ({"holidays": ["2026-03-08", "09.03.2026"]}, r"calendar\.holidays\[1\]: неверная дата.*ГГГГ-ММ-ДД"),
        ({"holidays": ["20260309"]}, r"calendar\.holidays\[0\]: неверная дата"),
        ({"overrides": []}, None),
        ({"overrides": ["2026-03-07"]}, r"calendar\.overrides: нужен объект"),
        ({"overrides": {"2026-02-30": []}}, r"calendar\.overrides\.2026-02-30: неверная дата"),
        ({"overrides": {"2026-03-07": [["10:00"]]}}, r"calendar\.overrides\.2026-03-07\[0\]: нужны два"),
    ],
)  # fmt: skip
def test_refusals_name_the_field(value: Any, words: str | None) -> None:
    if words is None:
        parse(value)
        return
    with pytest.raises(DataError, match=words):
        parse(value)


def test_a_calendar_that_is_too_short_for_the_minutes() -> None:
    working = expand(WORKED, ALMATY, "2026-03-02", "2026-03-02")
    assert add_business_minutes(working, local("2026-03-02 09:00", ALMATY), 480) == local("2026-03-02 18:00", ALMATY)
    with pytest.raises(ValueError, match="the calendar ends"):
        add_business_minutes(working, local("2026-03-02 09:00", ALMATY), 481)
    with pytest.raises(ValueError, match="less than none"):
        add_business_minutes(working, local("2026-03-02 09:00", ALMATY), -1)
    # nothing to wait for, also at night
    night = local("2026-03-02 23:00", ALMATY)
    assert add_business_minutes(working, night, 0) == night


CLOCK = st.times().map(lambda clock: f"{clock:%H:%M}")
SHIFTS = st.lists(st.lists(CLOCK, min_size=2, max_size=2, unique=True), max_size=3)
CALENDARS = st.dictionaries(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), SHIFTS).map(
    lambda weekly: {"weekly": weekly} if any(weekly.values()) else None
)
ZONES = st.sampled_from([ALMATY, BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"])
DAYS = st.dates(date(2024, 1, 1), date(2027, 1, 1))


@given(CALENDARS, ZONES, DAYS, st.integers(1, 9))
def test_expansion_is_sorted_disjoint_and_the_same_in_parts(
    value: dict[str, Any] | None, tz: str, first: date, length: int
) -> None:
    calendar, last = parse(value), first + timedelta(days=length)
    whole = intervals(calendar, tz, first, last)
    assert all(start < stop for start, stop in whole)
    assert all(one[1] < two[0] for one, two in pairwise(whole))
    middle = first + timedelta(days=length // 2)
    parts = intervals(calendar, tz, first, middle) + intervals(calendar, tz, middle + timedelta(days=1), last)
    early, late = datetime(2023, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    assert business_minutes(whole, early, late) == pytest.approx(business_minutes(parts, early, late))


@given(CALENDARS, ZONES, DAYS, st.integers(0, 3 * 1440), st.integers(0, 600))
def test_adding_is_the_inverse_of_counting(
    value: dict[str, Any] | None, tz: str, first: date, skip: int, minutes: int
) -> None:
    working = intervals(parse(value), tz, first, first + timedelta(days=90))
    a = datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(minutes=skip)
    try:
        moment = add_business_minutes(working, a, minutes)
    except DataError:
        assert business_minutes(working, a, a + timedelta(days=120)) < minutes
        return
    assert moment >= a
    assert business_minutes(working, a, moment) == minutes
    # the first such moment: a little earlier, the minutes are not over
    if minutes:
        assert business_minutes(working, a, moment - timedelta(seconds=1)) < minutes
