"""Companies to be: zones and weeks in which the clocks change, calendars with every kind of break."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from typing import Any

OFFICE = [["09:00", "13:00"], ["14:00", "18:00"]]
WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
LUNCH = {"weekly": {day: OFFICE for day in WORKDAYS}}
NIGHTS = {
    "weekly": {
        "mon": [["22:00", "06:00"]],
        "tue": [["08:00", "12:00"], ["22:00", "06:00"]],
        "wed": [["00:00", "24:00"]],
        "fri": [["22:00", "06:00"]],
        "sat": [["10:00", "14:00"]],
        "sun": [["18:00", "04:00"]],
    }
}


def with_days(calendar: dict[str, Any], holidays: list[str], overrides: dict[str, Any]) -> dict[str, Any]:
    return {**calendar, "holidays": holidays, "overrides": overrides}


@dataclass(frozen=True)
class Profile:
    """``first``: local date of the earliest message; the data spans three weeks from it."""

    name: str
    timezone: str
    first: date
    day_start: time
    #: valid from so many days after ``first``, until the last day it names; the first one always
    calendars: tuple[tuple[int, dict[str, Any] | None], ...]
    #: target in working minutes, set so many days after ``first``
    targets: tuple[tuple[float, int], ...] = ((-90, 15),)
    gap_hours: int = 24
    mode: str = "amocrm_radist"
    #: days of working time known after ``first``
    calendar_days: int = 90


PROFILES = (
    Profile("lunch", "Asia/Almaty", date(2026, 3, 2), time(22, 1), ((0, LUNCH),)),
    Profile(
        "holiday",
        "Asia/Almaty",
        date(2026, 3, 2),
        time(6),
        ((0, with_days(LUNCH, ["2026-03-09", "2026-03-10"], {"2026-03-07": [["10:00", "14:00"]], "2026-03-12": []})),),
        targets=((2.5, 15), (9.55, 60)),
    ),
    # the clocks go from 02:00 to 03:00 on 29 March
    Profile("night", "Europe/Berlin", date(2026, 3, 20), time(22, 1), ((0, NIGHTS),), gap_hours=12),
    # from 03:00 back to 02:00 on 26 October
    Profile("autumn", "Europe/Berlin", date(2025, 10, 17), time(0), ((0, NIGHTS), (9, LUNCH)), ((-90, 30), (8, 15))),
    # from 02:00 to 03:00 on 8 March
    Profile("always", "America/New_York", date(2026, 3, 1), time(12), ((0, None),), ((-90, 60),), gap_hours=48),
    # 1 March 2024 lasted 25 hours: 00:00 became 23:00 of the day before
    Profile(
        "almaty2024",
        "Asia/Almaty",
        date(2024, 2, 19),
        time(23, 30),
        ((0, NIGHTS), (7, LUNCH), (14, with_days(NIGHTS, ["2024-03-08"], {"2024-03-05": [["20:00", "02:00"]]}))),
    ),
    # a target of a whole week: deadlines at the border where a wait is given up
    Profile(
        "patient",
        "Asia/Almaty",
        date(2026, 3, 2),
        time(6),
        ((0, LUNCH), (7, {**NIGHTS, "holidays": ["2026-03-11"], "valid_to": "2026-03-13"})),
        ((-90, 2400), (10, 240)),
        gap_hours=72,
    ),
    Profile("messenger", "Europe/Berlin", date(2026, 3, 20), time(11, 59), ((0, LUNCH),), mode="radist_only"),
    # nobody has extended the calendar: the last deadlines are not known
    Profile("short", "America/New_York", date(2026, 3, 1), time(6), ((0, LUNCH),), ((-90, 90),), calendar_days=17),
)
