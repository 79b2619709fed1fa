"""A calendar that holds from a date on: which day is whose, waits across the boundary, what is kept, what is refused."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from synkro.core.calendar import first_difference, intervals, merged, parse
from synkro.core.errors import DataError
from synkro.core.settings import ROOT
from tests.support.working_time import add_business_minutes, business_minutes

ALMATY = "Asia/Almaty"
WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
OFFICE: dict[str, Any] = {"weekly": {day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in WORKDAYS}}
LATE: dict[str, Any] = {"weekly": {day: [["10:00", "19:00"]] for day in WORKDAYS}}
NIGHTS: dict[str, Any] = {"weekly": {day: [["22:00", "06:00"]] for day in (*WORKDAYS, "sat", "sun")}}
DAY: dict[str, Any] = {"weekly": {day: [["09:00", "18:00"]] for day in WORKDAYS}}
FROM = {"valid_from": "2026-03-04"}
#: dbt's unit tests of waits across a boundary → the calendar their intervals are of
IN_DBT = {
    "a_calendar_changes_while_a_client_waits": merged(OFFICE, LATE | FROM),
    "a_holiday_of_the_new_calendar_alone": merged(OFFICE, OFFICE | FROM | {"holidays": ["2026-03-04"]}),
    "a_night_shift_runs_into_the_new_calendar": merged(NIGHTS, DAY | FROM),
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ALMATY))


def expand(value: dict[str, Any] | None, first: str, last: str, tz: str = ALMATY) -> list[tuple[datetime, datetime]]:
    return intervals(parse(value), tz, date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-03-03", 8), ("2026-03-04", 9), ("2026-05-29", 9),
        # the summer is a version of its own, over the one from March; after its last day that one holds again
        ("2026-06-01", 4), ("2026-08-31", 4), ("2026-09-01", 9),
    ],
)  # fmt: skip
def test_each_day_has_the_hours_of_its_own_version(day: str, hours: int) -> None:
    summer = {
        "valid_from": "2026-06-01",
        "valid_to": "2026-08-31",
        "weekly": {day: [["08:00", "12:00"]] for day in WORKDAYS},
    }
    # set in either order
    for one, two in ((LATE | FROM, summer), (summer, LATE | FROM)):
        working = expand(merged(merged(OFFICE, one), two), day, day)
        assert sum((b - a for a, b in working), timedelta()) == timedelta(hours=hours)


def test_without_a_calendar_before_it_was_around_the_clock() -> None:
    working = expand(merged(None, DAY | FROM), "2026-03-03", "2026-03-04")

    assert [(b - a).total_seconds() / 3600 for a, b in working] == [24, 9]


def test_a_version_knows_no_holidays_but_its_own() -> None:
    before = OFFICE | {"holidays": ["2026-03-03", "2026-03-05"]}
    value = merged(before, OFFICE | FROM | {"overrides": {"2026-03-07": [["10:00", "11:00"]], "2026-03-02": []}})

    assert [a.day for a, _ in expand(value, "2026-03-02", "2026-03-08")] == [2, 2, 4, 4, 5, 5, 6, 6, 7]


def test_a_boundary_on_a_day_of_25_hours() -> None:
    """Almaty put its clocks back at 00:00 of 2024-03-01; the night shift of the day before runs into the new version."""
    value = merged(NIGHTS, DAY | {"valid_from": "2024-03-01"})
    working = expand(value, "2024-02-29", "2024-03-01")

    assert [(f"{a:%d %H:%M}", f"{b:%d %H:%M}") for a, b in working] == [
        ("28 18:00", "29 00:00"),  # 00:00 to 06:00 at UTC+6
        ("29 16:00", "01 01:00"),  # 22:00 at +6 to 06:00 at +5: nine hours
        ("01 04:00", "01 13:00"),
    ]
    asked, answered = datetime.fromisoformat("2024-02-29T21:50+06:00"), datetime.fromisoformat("2024-03-01T09:05+05:00")
    assert business_minutes(working, asked, answered) == 9 * 60 + 5


def test_a_boundary_in_the_night_the_clocks_jump() -> None:
    value = merged(NIGHTS, DAY | {"valid_from": "2026-03-29"})
    working = expand(value, "2026-03-28", "2026-03-30", "Europe/Berlin")

    # 22:00 to 06:00 is seven hours, and Sunday of the new version is a day off
    assert [(b - a).total_seconds() / 3600 for a, b in working] == [6, 7, 9]


def test_any_other_calendar_replaces_all_versions() -> None:
    with_versions = merged(OFFICE, LATE | FROM)

    assert merged(with_versions, DAY) == DAY
    assert merged(with_versions, None) is None
    assert merged(DAY, with_versions) == with_versions
    # the same date again replaces that version and keeps the others
    later = {"valid_from": "2026-06-01"} | NIGHTS
    assert with_versions is not None
    both = merged(with_versions, later)
    assert both is not None and [one["valid_from"] for one in both["versions"]] == ["2026-03-04", "2026-06-01"]
    again = merged(both, DAY | FROM)
    assert again == {**OFFICE, "versions": [DAY | FROM, later]}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"valid_from": "4 марта"}, r"calendar\.valid_from: неверная дата.*ГГГГ-ММ-ДД"),
        ({"valid_to": "2026-03-04"}, r"calendar\.valid_from: укажите, с какой даты"),
        (FROM | {"valid_to": "2026-03-03"}, r"calendar\.valid_to: 2026-03-03 раньше"),
        (FROM | {"versions": []}, r"calendar\.versions: версия не может"),
        (FROM | {"weekly": {"mon": []}}, r"calendar\.weekly: нет ни одного"),
        ({"versions": {}, "weekly": OFFICE["weekly"]}, None),
        ({"versions": "2026"}, r"calendar\.versions: нужен список"),
        ({"versions": [LATE]}, r"calendar\.versions\[0\]\.valid_from: укажите"),
        ({"versions": [LATE | FROM, DAY | FROM]}, r"calendar\.versions: две версии с 2026-03-04"),
        ({"versions": [FROM | {"versions": []}]}, r"calendar\.versions\[0\]\.versions: неизвестное поле"),
        ({"versions": [FROM | {"weekly": {"mon": [["9", "18:00"]]}}]}, r"calendar\.versions\[0\]\.weekly\.mon\[0\]: неверное"),
        ({"versions": [[]]}, r"calendar\.versions\[0\]: нужен объект"),
    ],
)  # fmt: skip
def test_refusals_name_the_field(value: dict[str, Any], words: str | None) -> None:
    if words is None:
        parse(value)
        return
    with pytest.raises(DataError, match=words):
        merged(OFFICE, value)


def test_where_two_calendars_part() -> None:
    plain, changed = (expand(value, "2026-02-01", "2026-04-01") for value in (OFFICE, merged(OFFICE, LATE | FROM)))
    grown = expand(OFFICE, "2026-01-15", "2026-05-01")

    assert first_difference(plain, changed) == at("2026-03-04 09:00")
    assert first_difference(plain, grown) is None is first_difference([], plain)
    # around the clock is one interval, however far it reaches
    assert first_difference(expand(None, "2026-02-01", "2026-03-01"), expand(None, "2026-02-01", "2026-04-01")) is None
    assert first_difference(
        expand(None, "2026-02-01", "2026-03-10"), expand(FROM | DAY, "2026-02-01", "2026-04-01")
    ) == at("2026-03-04 00:00")


@pytest.mark.parametrize("name", IN_DBT)
def test_dbt_is_tested_on_the_same_intervals(name: str) -> None:
    """And this clock gives what dbt is told to expect."""
    path = ROOT / "transforms/models/intermediate/waits/calendar_versions.yml"
    case = next(one for one in yaml.safe_load(path.read_text(encoding="utf-8"))["unit_tests"] if one["name"] == name)
    rows = {one["input"]: [line.split(",") for line in one["rows"].strip().splitlines()[1:]]
            for one in case["given"] if one.get("rows")}  # fmt: skip
    listed = [(_moment(a), _moment(b)) for _, a, b, _ in rows["source('synkro', 'working_intervals')"]]
    working = [one for one in expand(IN_DBT[name], "2026-03-01", "2026-03-10") if one[0] >= listed[0][0]]
    (asked, answered) = (_moment(row[4]) for row in rows["ref('int_messages')"])
    _, minutes, deadline, breached = case["expect"]["rows"].strip().splitlines()[1].split(",")

    assert working[: len(listed)] == listed
    assert business_minutes(working, asked, answered) == float(minutes)
    assert add_business_minutes(working, asked, 15) == _moment(deadline)
    assert (answered > _moment(deadline)) == (breached == "true")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00") if text.endswith("Z") else f"{text}:00")
