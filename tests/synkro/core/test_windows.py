"""Windows: labels, clock changes, what people type, limits."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synkro.core import windows
from synkro.core.errors import DataError
from synkro.core.windows import Window, business_date, business_day_window, check_forced, label_of, parse_window

ALMATY, BERLIN, MOSCOW = "Asia/Almaty", "Europe/Berlin", "Europe/Moscow"


def at(text: str) -> datetime:
    """``2026-03-02 10:00`` in UTC, or with an offset."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("label", "day_start", "tz", "start", "end", "hours"),
    [
        ("2026-03-02", "22:01", ALMATY, "2026-03-01 22:01+05:00", "2026-03-02 22:01+05:00", 24),
        ("2026-03-02", "06:00", ALMATY, "2026-03-02 06:00+05:00", "2026-03-03 06:00+05:00", 24),
        ("2026-03-02", "00:00", MOSCOW, "2026-03-02 00:00+03:00", "2026-03-03 00:00+03:00", 24),
        ("2026-03-02", "11:59", MOSCOW, "2026-03-02 11:59+03:00", "2026-03-03 11:59+03:00", 24),
        ("2026-03-02", "12:00", MOSCOW, "2026-03-01 12:00+03:00", "2026-03-02 12:00+03:00", 24),
        # Almaty moved from +6 to +5 at 00:00 of 2024-03-01: 23:00 of February 29 came twice
        ("2024-03-01", "22:01", ALMATY, "2024-02-29 22:01+06:00", "2024-03-01 22:01+05:00", 25),
        ("2024-02-29", "23:30", ALMATY, "2024-02-28 23:30+06:00", "2024-02-29 23:30+06:00", 24),
        ("2024-03-01", "23:30", ALMATY, "2024-02-29 23:30+06:00", "2024-03-01 23:30+05:00", 25),
        ("2024-03-02", "22:01", ALMATY, "2024-03-01 22:01+05:00", "2024-03-02 22:01+05:00", 24),
        # Berlin: forward on 2026-03-29 at 02:00, back on 2026-10-25 at 03:00
        ("2026-03-29", "22:01", BERLIN, "2026-03-28 22:01+01:00", "2026-03-29 22:01+02:00", 23),
        ("2026-10-25", "22:01", BERLIN, "2026-10-24 22:01+02:00", "2026-10-25 22:01+01:00", 25),
        ("2026-03-29", "12:00", BERLIN, "2026-03-28 12:00+01:00", "2026-03-29 12:00+02:00", 23),
        # 02:30 never came: the day starts at the jump; and it came twice: the first one counts
        ("2026-03-29", "02:30", BERLIN, "2026-03-29 03:00+02:00", "2026-03-30 02:30+02:00", 23.5),
        ("2026-10-25", "02:30", BERLIN, "2026-10-25 02:30+02:00", "2026-10-26 02:30+01:00", 25),
    ],
)
def test_business_days(label: str, day_start: str, tz: str, start: str, end: str, hours: float) -> None:
    day, clock = date.fromisoformat(label), time.fromisoformat(day_start)
    window = business_day_window(day, clock, tz)
    assert window == Window(at(start), at(end))
    assert window.hours == hours
    assert window.start.tzinfo is UTC
    assert label_of(window, tz) == day


ZONES = st.sampled_from(sorted(name for name in available_timezones() if windows._ZONE_NAME.fullmatch(name)))
#: no zone has skipped a whole date since Samoa did on 2011-12-30
DATES = st.dates(date(2013, 1, 1), date(2036, 12, 31))
CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))


@given(DATES, CLOCKS, ZONES)
def test_days_tile_time_and_know_their_label(label: date, day_start: time, tz: str) -> None:
    window = business_day_window(label, day_start, tz)
    following = business_day_window(label + timedelta(days=1), day_start, tz)
    assert window.end == following.start
    assert 22 <= window.hours <= 26
    assert label_of(window, tz) == label
    for moment in (window.start, window.end - timedelta(microseconds=1)):
        assert business_date(moment, day_start, tz) == label
    assert business_date(window.end, day_start, tz) == label + timedelta(days=1)


@given(DATES, CLOCKS, ZONES, st.integers(0, 4 * 24 * 60), st.integers(1, 9 * 24 * 60))
def test_split_days_tiles_the_window(label: date, day_start: time, tz: str, skip: int, minutes: int) -> None:
    start = business_day_window(label, day_start, tz).start + timedelta(minutes=skip)
    window = Window(start, start + timedelta(minutes=minutes))
    pieces = window.split_days(day_start, tz)
    assert pieces[0][1].start == window.start and pieces[-1][1].end == window.end
    for (first, piece), (second, following) in pairwise(pieces):
        assert piece.end == following.start
        assert second == first + timedelta(days=1)
    for day, piece in pieces:
        assert business_day_window(day, day_start, tz).start <= piece.start < piece.end
        assert piece.end <= business_day_window(day, day_start, tz).end


@given(DATES, CLOCKS, ZONES)
def test_weeks_and_months_are_unions_of_days(label: date, day_start: time, tz: str) -> None:
    week = windows.week_window(label, day_start, tz)
    days = [day for day, _ in week.split_days(day_start, tz)]
    assert len(days) == 7 and days[0].weekday() == 0 and label in days
    month = windows.month_window(label, day_start, tz)
    days = [day for day, _ in month.split_days(day_start, tz)]
    assert {(day.year, day.month) for day in days} == {(label.year, label.month)}
    assert days[0].day == 1 and (days[-1] + timedelta(days=1)).day == 1
    following = days[-1] + timedelta(days=1)
    assert windows.month_window(following, day_start, tz).start == month.end


@pytest.mark.parametrize(
    ("now", "label"),
    [
        ("2026-03-02 22:00:59+05:00", "2026-03-01"),
        ("2026-03-02 22:01+05:00", "2026-03-02"),
        ("2026-03-03 10:00+05:00", "2026-03-02"),
    ],
)
def test_last_closed(now: str, label: str) -> None:
    window = windows.last_closed(at(now), time(22, 1), ALMATY)
    assert window == business_day_window(date.fromisoformat(label), time(22, 1), ALMATY)


@pytest.mark.parametrize(
    ("start", "end", "tz", "expected"),
    [
        ("2026-03-02T22:01", "2026-03-03T09:00", ALMATY, ("2026-03-02 17:01", "2026-03-03 04:00")),
        ("2026-03-02T22:01+03:00", "2026-03-03T09:00Z", ALMATY, ("2026-03-02 19:01", "2026-03-03 09:00")),
        (" 2026-03-02 ", "2026-03-03", MOSCOW, ("2026-03-01 21:00", "2026-03-02 21:00")),
        # 02:30 came twice: from the first one, to the second one
        ("2026-10-25T02:30", "2026-10-25T02:30", BERLIN, ("2026-10-25 00:30", "2026-10-25 01:30")),
        ("2024-02-29T23:30", "2024-03-01T01:00", ALMATY, ("2024-02-29 17:30", "2024-02-29 20:00")),
        ("2026-03-29T01:30", "2026-03-29T03:00", BERLIN, ("2026-03-29 00:30", "2026-03-29 01:00")),
    ],
)
def test_parse_window(start: str, end: str, tz: str, expected: tuple[str, str]) -> None:
    assert parse_window(start, end, tz) == Window(at(expected[0]), at(expected[1]))


@pytest.mark.parametrize(
    ("start", "end", "tz", "words"),
    [
        ("вчера", "2026-03-03", ALMATY, "Поле «from».*вчера.*2026-03-02T22:01"),
        ("2026-03-02", "", ALMATY, "Поле «to».*2026-03-02T22:01"),
        ("2026-03-02", "2026-02-30", ALMATY, "Поле «to»"),
        ("0001-01-01", "2026-02-03", ALMATY, "Поле «from»"),
        ("2026-03-29T02:30", "2026-03-30", BERLIN, "Поле «from».*Europe/Berlin.*на час позже"),
        ("2026-03-03", "2026-03-02", ALMATY, "позже начала.*«from» и «to»"),
        ("2026-03-03", "2026-03-03", ALMATY, "позже начала"),
        ("2026-03-02", "2026-03-03", "+05:00", "Поле «timezone».*Asia/Almaty"),
    ],
)
def test_parse_window_refuses(start: str, end: str, tz: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        parse_window(start, end, tz)


@pytest.mark.parametrize(
    "tz", ["", "Nowhere/City", "Europe", "+05:00", "UTC+5", "EST", "Etc/GMT-5", "posix/Europe/Berlin",
           "Europe/../UTC", "/etc/passwd", "asia/almaty", "Asia/Almaty "],
)  # fmt: skip
def test_only_iana_zones(tz: str) -> None:
    with pytest.raises(DataError, match="timezone"):
        windows.zone(tz)


def test_a_window_is_aware_and_not_empty() -> None:
    moment = at("2026-03-02 10:00")
    with pytest.raises(DataError, match="«start» без часового пояса"):
        Window(moment.replace(tzinfo=None), moment)
    with pytest.raises(DataError, match="позже начала"):
        Window(moment, moment)
    assert Window(at("2026-03-02 10:00+05:00"), moment) == Window(at("2026-03-02 05:00"), moment)


NOW = at("2026-03-10 12:00")


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-03-09 12:00", "2026-03-10 12:00", None),
        ("2026-03-07 12:00", "2026-03-08 12:00", None),
        ("2026-03-10 11:00", "2026-03-10 12:01", "ещё не закончилось.*2026-03-10 12:00"),
        ("2026-03-11 11:00", "2026-03-11 12:00", "ещё не закончилось"),
        ("2026-03-09 11:59", "2026-03-10 12:00", "больше разрешённых 24 ч.*max_force_window_hours"),
        ("2026-03-07 11:59", "2026-03-07 15:00", "не раньше 2026-03-07 12:00.*max_force_lookback_days"),
    ],
)
def test_forced_windows(start: str, end: str, words: str | None) -> None:
    window = Window(at(start), at(end))
    if words is None:
        check_forced(window, NOW, 3, 24)
        return
    with pytest.raises(DataError, match=words):
        check_forced(window, NOW, 3, 24)


def test_the_long_day_of_a_clock_change_is_one_day() -> None:
    window = business_day_window(date(2026, 10, 25), time(22, 1), BERLIN)
    assert window.hours == 25
    check_forced(window, window.end, 3, 24, BERLIN)
    with pytest.raises(DataError, match=r"25\.0 ч больше"):
        check_forced(window, window.end, 3, 24)
    longer = Window(window.start - timedelta(minutes=1), window.end)
    with pytest.raises(DataError, match="больше разрешённых"):
        check_forced(longer, window.end, 3, 24, BERLIN)
    # and 24 real hours over the spring change, 25 on the wall clock, are not too long
    end = business_day_window(date(2026, 3, 29), time(22, 1), BERLIN).end
    check_forced(Window(end - timedelta(hours=24), end), end, 3, 24, BERLIN)
