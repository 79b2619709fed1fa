"""When a scheduled report is sent: the company's clock, its days of deliveries, its calendar."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from synkro.core.windows import business_day_window, month_window, week_window
from synkro.tenancy.due_times import built_at, sent_at
from synkro.tenancy.runtime_config import RuntimeConfig

WORKDAYS = {"weekly": {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}}
ALMATY = RuntimeConfig(timezone="Asia/Almaty", delivery_time=time(8, 30), calendar=WORKDAYS)


def local(moment: datetime, zone: str = "Asia/Almaty") -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M}"


def sent(config: RuntimeConfig, day: str) -> str:
    window = business_day_window(date.fromisoformat(day), config.business_day_start, config.timezone)
    return local(sent_at(config, window, "daily"), config.timezone)


@pytest.mark.parametrize(
    ("changes", "day", "expected"),
    [
        ({}, "2026-03-03", "Wed 2026-03-04 08:30"),
        ({"delivery_time": None}, "2026-03-03", "Tue 2026-03-03 22:10"),
        # the report of Friday and of the days off: on Monday
        ({}, "2026-03-06", "Mon 2026-03-09 08:30"),
        ({}, "2026-03-07", "Mon 2026-03-09 08:30"),
        ({}, "2026-03-08", "Mon 2026-03-09 08:30"),
        ({"calendar": {**WORKDAYS, "holidays": ["2026-03-09"]}}, "2026-03-08", "Tue 2026-03-10 08:30"),
        # named days count as they are, holidays or not
        ({"calendar": {**WORKDAYS, "holidays": ["2026-03-09"]}, "delivery_days": ["mon"]}, "2026-03-03", "Mon 2026-03-09 08:30"),
        ({"delivery_days": ["sat", "sun"]}, "2026-03-06", "Sat 2026-03-07 08:30"),
        # around the clock every day is a day of deliveries
        ({"calendar": None}, "2026-03-07", "Sun 2026-03-08 08:30"),
        # a calendar without a working day says nothing
        ({"calendar": {"weekly": {}}}, "2026-03-03", "Wed 2026-03-04 08:30"),
        # built in the morning, sent the same morning; built after the hour, the next one
        ({"scheduled_run_time": time(8, 0)}, "2026-03-03", "Wed 2026-03-04 08:30"),
        ({"scheduled_run_time": time(8, 30)}, "2026-03-03", "Wed 2026-03-04 08:30"),
        ({"scheduled_run_time": time(9, 0)}, "2026-03-03", "Thu 2026-03-05 08:30"),
    ],
)  # fmt: skip
def test_the_moment_of_a_delivery(changes: dict[str, Any], day: str, expected: str) -> None:
    assert sent(replace(ALMATY, **changes), day) == expected


@pytest.mark.parametrize(
    ("at", "day", "expected"),
    [
        # clocks go forward at 02:00: 02:30 is not shown, the jump is the moment
        (time(2, 30), "2026-03-28", "Sun 2026-03-29 03:00"),
        # clocks go back at 03:00: 02:30 is shown twice, its first showing counts
        (time(2, 30), "2026-10-24", "Sun 2026-10-25 02:30"),
        (time(8, 30), "2026-03-28", "Sun 2026-03-29 08:30"),
    ],
)
def test_a_day_of_a_clock_change(at: time, day: str, expected: str) -> None:
    config = RuntimeConfig(timezone="Europe/Berlin", delivery_time=at)
    assert sent(config, day) == expected
    if expected.endswith("02:30"):
        window = business_day_window(date.fromisoformat(day), config.business_day_start, config.timezone)
        assert sent_at(config, window, "daily") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_week_and_a_month_are_sent_after_they_are_built() -> None:
    week = week_window(date(2026, 3, 4), ALMATY.business_day_start, ALMATY.timezone)
    month = month_window(date(2026, 2, 4), ALMATY.business_day_start, ALMATY.timezone)
    assert local(built_at(ALMATY, week, "weekly")) == "Mon 2026-03-09 22:10"
    assert local(sent_at(ALMATY, week, "weekly")) == "Tue 2026-03-10 08:30"
    # the first of March is a Sunday
    assert local(built_at(ALMATY, month, "monthly")) == "Mon 2026-03-02 22:10"
    assert local(sent_at(ALMATY, month, "monthly")) == "Tue 2026-03-03 08:30"
