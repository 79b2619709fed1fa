"""Windows of time: which moments a report is about.

In: labels (dates), the tenant's ``business_day_start`` and IANA zone, or what a person typed. Out: half-open
windows ``[start, end)`` of aware datetimes in UTC. Pure rules: no clock is read here, ``now`` is an argument.
Promises: the business days of a tenant tile time without gap or overlap, also over clock changes (such a day
has 23 or 25 hours); whatever is refused is refused with a :class:`~synkro.core.errors.DataError` that names the
field and the cure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from synkro.core.errors import DataError

#: "UTC" or Region/City. Etc/GMT-5, EST or +05:00 are offsets: they stay behind when the country changes its
#: clocks, as Kazakhstan did on 2024-03-01
_ZONE_NAME = re.compile(r"UTC|(?!Etc/)[A-Z][A-Za-z]*(/[A-Za-z0-9_+-]+)+")
#: (days back, hours long): what even the operator may not go beyond, ten years and a leap year
FORCED_AT_MOST = (3650, 24 * 366)

_DAY = timedelta(days=1)
_NOON = time(12)


@dataclass(frozen=True, order=True)
class Window:
    """``[start, end)``, both kept in UTC. Raises DataError unless both are aware and ``end > start``."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            moment: datetime = getattr(self, name)
            if moment.tzinfo is None:
                raise DataError(f"Граница окна «{name}» без часового пояса: передайте время со смещением.")
            object.__setattr__(self, name, moment.astimezone(UTC))
        if self.end <= self.start:
            raise DataError("Конец окна должен быть позже начала: поменяйте местами «from» и «to».")

    @property
    def hours(self) -> float:
        """Length in real hours: 23 or 25 for the day of a clock change."""
        return (self.end - self.start).total_seconds() / 3600

    def split_days(self, day_start: time, tz: str) -> list[tuple[date, Window]]:
        """The window cut at business day borders: ``(label, piece)`` in order; the pieces tile the window."""
        pieces = []
        moment = self.start
        while moment < self.end:
            label = business_date(moment, day_start, tz)
            piece = Window(moment, min(self.end, business_day_window(label, day_start, tz).end))
            pieces.append((label, piece))
            moment = piece.end
        return pieces


def zone(tz: str) -> ZoneInfo:
    """The zone of an IANA name such as ``Asia/Almaty``; raises DataError for anything else."""
    try:
        if _ZONE_NAME.fullmatch(tz):
            return ZoneInfo(tz)
    except (KeyError, OSError, ValueError):  # KeyError: not found; OSError: a folder of zones
        pass
    raise DataError(
        f"Поле «timezone»: неизвестный часовой пояс {tz!r}. Укажите название IANA, например Asia/Almaty или "
        "Europe/Moscow; смещения вроде +05:00 не подходят: они не знают о переводе часов."
    )


def instant(day: date, clock: time, where: ZoneInfo) -> datetime:
    """The moment, in UTC, when the wall clock of the zone shows this time on this day.

    A time shown twice (clocks put back) is its first showing; a time never shown (clocks put forward) is the
    moment of the jump. So the result never decreases as the wall clock grows, and days tile.
    """
    local = datetime.combine(day, clock.replace(fold=0), where)
    late, early = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if early >= late:
        return late
    # in a gap the two folds read the clock by the offsets of either side; the jump lies between them
    before = early.astimezone(where).utcoffset()
    while late - early > timedelta(microseconds=1):
        middle = early + (late - early) / 2
        if middle.astimezone(where).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late


def business_day_window(label: date, day_start: time, tz: str) -> Window:
    """The business day called ``label``: the one whose middle lies on that local date.

    A day that starts before noon starts on its own date: 06:00 gives ``[D 06:00, D+1 06:00)``. A later start
    means the evening before: 22:01 gives ``[D-1 22:01, D 22:01)``. So does 12:00 sharp: the middle of such a
    day is 00:00, the first moment of the date it is called by.
    """
    first = label if day_start < _NOON else label - _DAY
    where = zone(tz)
    return Window(instant(first, day_start, where), instant(first + _DAY, day_start, where))


def label_of(window: Window, tz: str) -> date:
    """Local date of the window's middle, the middle being taken on the wall clock.

    In real time the middle of a 23-hour day that starts at noon is 23:30 of the day before.
    """
    where = zone(tz)
    start, end = (moment.astimezone(where).replace(tzinfo=None) for moment in (window.start, window.end))
    return (start + (end - start) / 2).date()


def business_date(moment: datetime, day_start: time, tz: str) -> date:
    """Label of the business day that holds ``moment``."""
    label = moment.astimezone(zone(tz)).date()
    while business_day_window(label, day_start, tz).end <= moment:
        label += _DAY
    while business_day_window(label, day_start, tz).start > moment:
        label -= _DAY
    return label


def last_closed(now: datetime, day_start: time, tz: str) -> Window:
    """The latest business day that is over at ``now``."""
    return business_day_window(business_date(now, day_start, tz) - _DAY, day_start, tz)


def week_window(label: date, day_start: time, tz: str) -> Window:
    """Monday to Sunday of the week of ``label``, as the union of their business days."""
    monday = label - label.weekday() * _DAY
    return _union(monday, monday + 6 * _DAY, day_start, tz)


def month_window(label: date, day_start: time, tz: str) -> Window:
    """The calendar month of ``label``, as the union of its business days."""
    first = label.replace(day=1)
    following = (first + 31 * _DAY).replace(day=1)
    return _union(first, following - _DAY, day_start, tz)


def _union(first: date, last: date, day_start: time, tz: str) -> Window:
    return Window(business_day_window(first, day_start, tz).start, business_day_window(last, day_start, tz).end)


def parse_window(from_iso: str, to_iso: str, tz: str) -> Window:
    """A window somebody typed: ISO 8601, in the zone ``tz`` if without an offset; a date is its 00:00.

    Of a local time that comes twice, ``from`` takes the first and ``to`` the second: the wider window leaves
    nothing out that the person may have meant. A local time that never comes is refused.
    """
    where = zone(tz)
    return Window(_moment("from", from_iso, where, fold=0), _moment("to", to_iso, where, fold=1))


def _moment(field: str, text: str, where: ZoneInfo, fold: int) -> datetime:
    try:
        parsed = datetime.fromisoformat(text.strip())
        if parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
        moment = parsed.replace(tzinfo=where, fold=fold).astimezone(UTC)
        shown = moment.astimezone(where).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise DataError(
            f"Поле «{field}»: не удалось прочитать время {text!r}. Укажите его так: 2026-03-02T22:01 "
            "(по часовому поясу компании) или 2026-03-02T22:01+05:00."
        ) from None
    if shown != parsed:
        raise DataError(
            f"Поле «{field}»: в поясе {where.key} нет времени {parsed:%Y-%m-%d %H:%M} (перевод часов). "
            "Укажите время на час позже или добавьте смещение, например +02:00."
        )
    return moment


def check_forced(
    window: Window, now: datetime, max_lookback_days: int, max_window_hours: float, tz: str = "UTC"
) -> None:
    """Refuse a window a person may not ask a report for; raises DataError with the limit that was crossed.

    With ``tz`` a length is read on the wall clock if that is shorter: the business day of the autumn clock
    change has 25 hours and still is one day.
    """
    where = zone(tz)
    if window.end > now:
        raise DataError(
            f"Окно ещё не закончилось: укажите «to» не позже {now.astimezone(where):%Y-%m-%d %H:%M} ({tz})."
        )
    walls = [moment.astimezone(where).replace(tzinfo=None) for moment in (window.start, window.end)]
    hours = min(window.hours, (walls[1] - walls[0]).total_seconds() / 3600)
    if hours > max_window_hours:
        raise DataError(
            f"Окно длиной {window.hours:.1f} ч больше разрешённых {max_window_hours:g} ч: сократите его "
            "или увеличьте max_force_window_hours в настройках."
        )
    earliest = now - timedelta(days=max_lookback_days)
    if window.start < earliest:
        raise DataError(
            f"Окно начинается слишком давно: «from» должно быть не раньше "
            f"{earliest.astimezone(where):%Y-%m-%d %H:%M} ({tz}), то есть последние {max_lookback_days} дн.; "
            "предел задаёт max_force_lookback_days в настройках."
        )
