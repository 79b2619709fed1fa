"""The calendar between its JSON and what a person types: «09:00-13:00, 14:00-18:00»."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from synkro.core import calendar
from synkro.core.errors import DataError

_SHIFT = re.compile(r"(\d{1,2})[:.]?(\d{2})?\s*[-–—]\s*(\d{1,2})[:.]?(\d{2})?")


def shifts_text(shifts: list[list[str]]) -> str:
    """The inverse of :func:`parse_shifts`."""
    return ", ".join(f"{start}-{end}" for start, end in shifts)


def overrides_text(overrides: dict[str, list[list[str]]]) -> str:
    """A line a date, as :func:`read` takes them."""
    return "\n".join(f"{day}: {shifts_text(shifts)}".strip() for day, shifts in sorted(overrides.items()))


def parse_shifts(text: str, field: str) -> list[list[str]]:
    """«9-13, 14:00-18:00» → ``[["09:00","13:00"],["14:00","18:00"]]``; raises :class:`DataError` naming the field."""
    shifts = []
    for part in re.split(r"[,;]", text):
        if not part.strip():
            continue
        match = _SHIFT.fullmatch(part.strip())
        if match is None:
            raise DataError(
                f"calendar.{field}: «{part.strip()}» — не время. Укажите часы так: 09:00-13:00, 14:00-18:00."
            )
        start_hour, start_minute, end_hour, end_minute = match.groups()
        shifts.append([f"{int(start_hour):02d}:{start_minute or '00'}", f"{int(end_hour):02d}:{end_minute or '00'}"])
    return shifts


def read(
    is_set: bool, days: dict[str, str], holidays: str, overrides: str, valid_from: str = "", valid_to: str = ""
) -> dict[str, Any] | None:
    """The JSON of the runtime setting, checked; ``None`` is around the clock. With a date it is a version."""
    dates = {"valid_from": valid_from.strip(), "valid_to": valid_to.strip()}
    value: dict[str, Any] = {name: text for name, text in dates.items() if text}
    if is_set:
        value["weekly"] = {day: parse_shifts(text, f"weekly.{day}") for day, text in days.items() if text.strip()}
    if holidays.strip():
        value["holidays"] = sorted({part.strip() for part in re.split(r"[,;\s]+", holidays) if part.strip()})
    special = {}
    for line in overrides.splitlines():
        if not line.strip():
            continue
        day, _, text = line.partition(":")
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day.strip()):
            raise DataError(
                f"calendar.overrides: «{line.strip()}» — укажите дату и часы, например 2026-03-07: 10:00-14:00."
            )
        special[day.strip()] = parse_shifts(text, "overrides")
    if special:
        value["overrides"] = special
    calendar.parse(value or None)
    return value or None


def weekly_hours(value: dict[str, Any] | None, on: date | None = None) -> float | None:
    """Working hours of an ordinary week, of the version that holds on the date; ``None``: around the clock."""
    parsed = calendar.parse(value)
    weekly = (parsed if on is None else parsed.on(on)).weekly
    return None if weekly is None else sum(end - start for day in weekly for start, end in day) / 60


@dataclass(frozen=True)
class Version:
    """One calendar of several, as the page lists them; the first has no dates: it is of the days no other covers."""

    #: the JSON of this version alone
    value: dict[str, Any]
    #: ``None``: around the clock
    hours: float | None
    is_now: bool
    valid_from: date | None = None
    valid_to: date | None = None


def versions(value: dict[str, Any] | None, today: date) -> list[Version]:
    """In order of their dates."""
    now = calendar.parse(value).on(today).valid_from
    plain = {name: one for name, one in (value or {}).items() if name != "versions"}
    found = [Version(plain, weekly_hours(plain), now == date.min)]
    for one in (value or {}).get("versions", []):
        first = date.fromisoformat(one["valid_from"])
        last = date.fromisoformat(one["valid_to"]) if one.get("valid_to") else None
        found.append(Version(one, weekly_hours(one, first), now == first, first, last))
    return found


def over(before: dict[str, Any] | None, value: dict[str, Any] | None) -> dict[str, Any] | None:
    """What to save when the page saves ``value``: a version as it is, the first calendar with the versions there are."""
    kept = (before or {}).get("versions")
    if not kept or (value or {}).get("valid_from"):
        return value
    return {**(value or {}), "versions": kept}


def without(before: dict[str, Any] | None, valid_from: str) -> dict[str, Any] | None:
    """The calendar less one of its versions."""
    value = dict(before or {})
    value["versions"] = [one for one in value.get("versions", []) if one["valid_from"] != valid_from]
    if not value["versions"]:
        del value["versions"]
    return value or None
