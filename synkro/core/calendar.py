"""The working calendar: when the company answers.

In: the JSON of the runtime setting ``calendar``::

    {"weekly": {"mon": [["09:00", "13:00"], ["14:00", "18:00"]], ...},
     "holidays": ["2026-03-09"],
     "overrides": {"2026-03-07": [["10:00", "14:00"]]}}

A calendar may hold from a date on: ``"versions": [{"valid_from": "2026-04-01", "valid_to": "2026-09-30", "weekly": …}]``
beside the keys above, which then are of the days no version covers. A version is a calendar whole, its holidays are its
own; ``valid_to`` is its last day and may be missing. Of two that cover a day the one that begins later holds.

Out: working time as sorted, disjoint intervals in UTC, and the two functions of metrics.md, ``bh`` and
``bh_add``. No calendar, or an empty one, is around the clock.

An interval belongs to the date it starts on: ``["22:00", "06:00"]`` of Friday runs into Saturday, also when
Saturday is a holiday or the first day of another version. A day missing in ``weekly`` is a day off; no ``weekly`` at all is every day around the
clock. An override replaces its date, and wins over a holiday; ``[]`` closes the date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise, zip_longest
from typing import Any

from synkro.core.errors import DataError
from synkro.core.windows import instant, zone

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: minutes from the midnight the day starts with; the end may lie on the next day (up to 48 hours)
Shift = tuple[int, int]
Interval = tuple[datetime, datetime]

_FIELDS = ("weekly", "holidays", "overrides")
_DATES = ("valid_from", "valid_to")
_DAY_MINUTES = 24 * 60
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Calendar:
    """A checked calendar. ``weekly`` is None for around the clock, else seven days from Monday.

    ``versions``: in order of ``valid_from``; they have none of their own.
    """

    weekly: tuple[tuple[Shift, ...], ...] | None = None
    holidays: frozenset[date] = frozenset()
    overrides: Mapping[date, tuple[Shift, ...]] = field(default_factory=dict)
    valid_from: date = date.min
    valid_to: date = date.max
    versions: tuple[Calendar, ...] = ()

    def on(self, day: date) -> Calendar:
        """The calendar that holds on the date."""
        covering = (one for one in reversed(self.versions) if one.valid_from <= day <= one.valid_to)
        return next(covering, self)

    def shifts(self, day: date) -> tuple[Shift, ...]:
        """Working shifts that start on the date."""
        valid = self.on(day)
        if day in valid.overrides:
            return valid.overrides[day]
        if day in valid.holidays:
            return ()
        return valid.weekly[day.weekday()] if valid.weekly is not None else ((0, _DAY_MINUTES),)


def parse(value: Mapping[str, Any] | None) -> Calendar:
    """Check the JSON form; raises DataError naming the field, such as ``calendar.weekly.mon[0]``.

    A calendar with ``valid_from`` of its own is a version over working around the clock: see :func:`merged`.
    """
    if value is None:
        return Calendar()
    _known("calendar", value, (*_FIELDS, *_DATES, "versions"))
    if _is_version(value):
        if "versions" in value:
            raise DataError(
                "calendar.versions: версия не может содержать другие версии. Уберите versions или valid_from."
            )
        return Calendar(versions=(_version("calendar", value),))
    listed = value.get("versions") or []
    if not isinstance(listed, list | tuple):
        raise DataError('calendar.versions: нужен список, например [{"valid_from": "2026-04-01", "weekly": …}].')
    versions = sorted(
        (_version(f"calendar.versions[{i}]", one) for i, one in enumerate(listed)), key=lambda one: one.valid_from
    )
    for earlier, later in pairwise(versions):
        if earlier.valid_from == later.valid_from:
            raise DataError(f"calendar.versions: две версии с {later.valid_from}. Оставьте одну.")
    return replace(_plain("calendar", value), versions=tuple(versions))


def merged(before: Mapping[str, Any] | None, value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The JSON to keep when ``value`` is set over ``before``.

    A version (it has ``valid_from``) joins the versions there are, in place of the one of the same date; anything else
    replaces all. Raises DataError as :func:`parse` does.
    """
    parse(value)
    if value is None or not _is_version(value):
        return dict(value) if value is not None else None
    kept = dict(before or {})
    others = [one for one in kept.get("versions", []) if one["valid_from"] != value["valid_from"]]
    kept["versions"] = sorted([*others, dict(value)], key=lambda one: str(one["valid_from"]))
    return kept


def _is_version(value: Mapping[str, Any]) -> bool:
    return any(value.get(name) is not None for name in _DATES)


def _version(name: str, value: object) -> Calendar:
    _known(name, value, (*_FIELDS, *_DATES))
    assert isinstance(value, Mapping)
    if value.get("valid_from") is None:
        raise DataError(f"{name}.valid_from: укажите, с какой даты действует версия, например 2026-04-01.")
    first = _date(f"{name}.valid_from", value["valid_from"])
    last = date.max if value.get("valid_to") is None else _date(f"{name}.valid_to", value["valid_to"])
    if last < first:
        raise DataError(
            f"{name}.valid_to: {last} раньше, чем valid_from {first}. Укажите последний день действия версии."
        )
    return replace(_plain(name, value), valid_from=first, valid_to=last)


def _plain(name: str, value: Mapping[str, Any]) -> Calendar:
    weekly = None
    if value.get("weekly"):
        _known(f"{name}.weekly", value["weekly"], WEEKDAYS)
        weekly = tuple(_shifts(f"{name}.weekly.{day}", value["weekly"].get(day, [])) for day in WEEKDAYS)
    holidays = value.get("holidays") or []
    if not isinstance(holidays, list | tuple):
        raise DataError(f'{name}.holidays: нужен список дат, например ["2026-03-09"].')
    overrides = value.get("overrides") or {}
    _known(f"{name}.overrides", overrides, None)
    parsed = Calendar(
        weekly=weekly,
        holidays=frozenset(_date(f"{name}.holidays[{i}]", text) for i, text in enumerate(holidays)),
        overrides={
            _date(f"{name}.overrides.{text}", text): _shifts(f"{name}.overrides.{text}", shifts)
            for text, shifts in overrides.items()
        },
    )
    if weekly is not None and not any(weekly):
        # every deadline would lie in eternity
        raise DataError(
            f"{name}.weekly: нет ни одного рабочего часа. Укажите хотя бы один интервал или уберите weekly, "
            "чтобы работать круглосуточно."
        )
    return parsed


def intervals(calendar: Calendar, tz: str, first: date, last: date) -> list[Interval]:
    """Working time of the local dates ``first`` to ``last``, both included, in UTC.

    Sorted, disjoint, merged where shifts touch or overlap. Clipped to those dates: the night shift of the
    evening before ``first`` gives its morning, the one of ``last`` ends at midnight. Wall-clock based: a
    night shift over a clock change is an hour longer or shorter.
    """
    where = zone(tz)

    def at(day: date, minutes: int) -> datetime:
        days, rest = divmod(minutes, _DAY_MINUTES)
        return instant(day + days * _DAY, time(*divmod(rest, 60)), where)

    opening, closing = at(first, 0), at(last, _DAY_MINUTES)
    found: list[Interval] = []
    day = first - _DAY
    while day <= last:
        for begin, end in calendar.shifts(day):
            start, stop = max(at(day, begin), opening), min(at(day, end), closing)
            # a shift inside the hour that the clocks skip has no length
            if start < stop:
                found.append((start, stop))
        day += _DAY
    merged: list[Interval] = []
    for start, stop in sorted(found):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def first_difference(before: Sequence[Interval], after: Sequence[Interval]) -> datetime | None:
    """The first moment two expansions disagree on, within the stretch that both cover; None: they agree."""
    if not before or not after:
        return None
    opening, closing = max(before[0][0], after[0][0]), min(before[-1][1], after[-1][1])

    def edges(working: Sequence[Interval]) -> list[datetime]:
        inside = ((max(a, opening), min(b, closing)) for a, b in working if b > opening and a < closing)
        return [edge for interval in inside for edge in interval]

    differing = (pair for pair in zip_longest(edges(before), edges(after)) if pair[0] != pair[1])
    return next((min(edge for edge in pair if edge is not None) for pair in differing), None)


def _known(name: str, value: object, keys: Sequence[str] | None) -> None:
    if not isinstance(value, Mapping):
        raise DataError(f"{name}: нужен объект JSON, а не {value!r}.")
    for key in value:
        if keys is not None and key not in keys:
            raise DataError(f"{name}.{key}: неизвестное поле. Возможные: {', '.join(keys)}.")


def _shifts(name: str, value: object) -> tuple[Shift, ...]:
    if not isinstance(value, list | tuple):
        raise DataError(f'{name}: нужен список интервалов, например [["09:00", "18:00"]].')
    return tuple(_shift(f"{name}[{i}]", pair) for i, pair in enumerate(value))


def _shift(name: str, value: object) -> Shift:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise DataError(f'{name}: нужны два времени, начало и конец, например ["09:00", "18:00"].')
    begin, end = _minutes(name, value[0]), _minutes(name, value[1], midnight=True)
    if begin == end:
        raise DataError(f'{name}: начало и конец совпадают. Круглые сутки записываются так: ["00:00", "24:00"].')
    return begin, end if end > begin else end + _DAY_MINUTES


def _minutes(name: str, value: object, *, midnight: bool = False) -> int:
    if midnight and value == "24:00":
        return _DAY_MINUTES
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise DataError(f"{name}: неверное время {value!r}. Укажите его как ЧЧ:ММ, например 09:00.")
    return int(found[1]) * 60 + int(found[2])


def _date(name: str, value: object) -> date:
    try:
        if isinstance(value, str) and len(value) == len("2026-03-09"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise DataError(f"{name}: неверная дата {value!r}. Укажите её как ГГГГ-ММ-ДД, например 2026-03-09.")
