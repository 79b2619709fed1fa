"""When a promise falls due: at the hour its words name, else at the end of the working day they name.

«Через час» counts working time. A part of the day has its hour: the morning ends at noon, «к обеду» is 14:00, the evening is the
end of the working day. Nothing named is the end of the next working day. Works on folded text, in the company's zone.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from analysis.rules import deadlines
from synkro.core import calendar

#: said of the next minutes; an hour is given
_NOW = re.compile(
    r"\b(?:сейчас|щас|сию минуту|минут(?:у|ку|очку)|секунд(?:у|очку)|сек|момент|қазір|казир)\b(?! (?:нет|занят|не\b))"
)
_AT_ONCE = 60
_WORDS = {
    "один": 1, "одного": 1, "пару": 2, "пары": 2, "два": 2, "двух": 2, "три": 3, "трех": 3, "четыре": 4, "четырех": 4, "пять": 5, "пяти": 5, "шесть": 6,
    "шести": 6, "семь": 7, "семи": 7, "восемь": 8, "восьми": 8, "девять": 9, "девяти": 9, "десять": 10, "десяти": 10, "одиннадцати": 11,
    "двенадцати": 12, "пятнадцать": 15, "двадцать": 20, "двадцати": 20, "тридцать": 30, "сорок": 40, "час": 1, "часу": 1,
}  # fmt: skip
_N = r"\d{1,3}|" + "|".join(_WORDS)
_HALF = re.compile(r"(?<!за )\b(?:полчас\w{0,5}|пол часа|получаса|жарты сағат\w{0,6})\b")
_HOUR_AND_HALF = re.compile(r"\bполтора час\w{0,5}\b")
_IN = r"(?:через|в течени[еи]|в ближайши[йе])"
#: «через 2 часа», «часа через два», «в течение часа», «минут 15», «10 мин»
_SPAN = re.compile(
    rf"\b{_IN} (?:(?:\d{{1,3}}|{_N})\s?[-–]\s?)?(?P<n1>{_N})?\s?(?P<u1>минут\w{{0,4}}|мин|м|час\w{{0,5}}|ч)\b(?! до\b)"
    rf"|\b(?P<u2>минут\w{{0,4}}|час\w{{0,5}}) (?:через |за )?(?P<n2>{_N})\b"
    rf"|\b(?:(?:{_N})\s?[-–]\s?)?(?P<n3>{_N})\s?(?P<u3>минут\w{{0,4}}|мин)\b"
    r"|\b(?P<n4>\d{1,3}|бір|екі|үш|төрт|бес|он) (?P<u4>минут|сағат)(?:тан|тен|та|те) (?:кейін|соң)\b"
)
_KAZAKH = {"бір": 1, "екі": 2, "үш": 3, "төрт": 4, "бес": 5, "он": 10}
#: «к 15:00», «до 18», «в пять», «с 10 до 12»: the later end; a number of anything else is no hour
_CLOCK = re.compile(
    r"\b(?P<how>до|к|ко|в|во|около|ближе к|после)\s+(?P<hour>\d{1,2}|"
    + "|".join(word for word, n in _WORDS.items() if n <= 12 and word not in ("пару", "пары"))
    + r")(?:[:.-](?P<minute>\d{2}))?(?:\s?(?P<half>час(?:а|ов|ам|у)?|утра|вечера|дня|ч))?\b"
    r"(?!\s*(?:%|тыс|тг|₸|руб|млн|000|числ|дн|шт|см|мм|м\b|метр|этаж|раз|рабоч|недел|месяц|минут|мин\b|январ|феврал|март|апрел|ма[яй]|июн|июл|август|сентябр|октябр|ноябр|декабр|[-–.]\d|-?(?:го|му)\b))"
)
_BARE_CLOCK = re.compile(r"(?<![\d:.])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?![\d:])")
_ORDINAL = re.compile(r"(?<![\d.])\b(\d{1,2})-?(?:го|му)\b")
_MONTH = re.compile(r"\bв (?:" + "|".join(f"(?P<m{i}>{m}\\w*)" for i, m in enumerate(deadlines.MONTHS, 1)) + r")\b")
_MORNING = re.compile(r"\b(?:утром|с утра|утречком|к утру|до полудня|таңертең)\b")
_NOON = re.compile(r"\b(?:до|к) обед[ау]\b|\bв обед\b")
_AFTER = re.compile(r"\bпосле обеда\b|\bтүстен кейін\b")


class WorkingHours:
    """The company's calendar in its zone; days are looked up once."""

    def __init__(self, value: calendar.Calendar, timezone: str) -> None:
        self._calendar, self.timezone, self._zone = value, timezone, ZoneInfo(timezone)
        self._ends: dict[date, datetime | None] = {}

    def end(self, day: date) -> datetime | None:
        """The end of the day's last shift; None: a day off."""
        if day not in self._ends:
            shifts = self._calendar.shifts(day)
            self._ends[day] = self._at(day, max(stop for _, stop in shifts)) if shifts else None
        return self._ends[day]

    def end_from(self, day: date) -> datetime:
        """The end of the day, or of the next working day where it is off; of a year without work, the day's own."""
        for ahead in range(366):
            if (found := self.end(day + timedelta(ahead))) is not None:
                return found
        return self._at(day, 24 * 60)

    def add(self, moment: datetime, minutes: int) -> datetime:
        """The moment so many working minutes later."""
        left = timedelta(minutes=minutes)
        first = moment.astimezone(self._zone).date()
        for days in (3, 15, 370):
            rest = left
            for start, stop in calendar.intervals(self._calendar, self.timezone, first, first + timedelta(days)):
                start = max(start, moment)
                if stop - start >= rest:
                    return (start + rest).astimezone(self._zone)
                rest -= max(stop - start, timedelta())
        return moment + left

    def _at(self, day: date, minutes: int) -> datetime:
        days, rest = divmod(minutes, 24 * 60)
        return datetime.combine(day + timedelta(days), time(*divmod(rest, 60)), self._zone)


def of(text: str, sent_at: datetime, day: date | None, hours: WorkingHours) -> datetime:
    """When what the folded ``text`` promises falls due; ``day``: the date it names (:mod:`analysis.rules.deadlines`)."""
    if (minutes := _minutes(text)) is not None:
        return hours.add(sent_at, minutes)
    today = sent_at.date()
    day = day or _loosely(text, today)
    clock = _clock(text)
    if clock is not None:
        hour, is_after = clock
        named = datetime.combine(day or today, hour, sent_at.tzinfo)
        if named <= sent_at and (day is None or day == today):
            # «в 9» said at noon is the evening's or tomorrow's
            evening = named + timedelta(hours=12)
            named = evening if evening > sent_at and hour.hour < 9 else named + timedelta(days=1)
        return max(named, hours.end_from(named.date())) if is_after else named
    if day is None:
        return hours.end_from(today + timedelta(days=1))
    if (part := _part(text)) is not None:
        named = datetime.combine(day, part, sent_at.tzinfo)
        if named > sent_at:
            return named
    end = hours.end_from(day)
    # «сегодня» said after work is the rest of the day
    return end if end > sent_at else datetime.combine(day + timedelta(days=1), time(), sent_at.tzinfo)


def _loosely(text: str, today: date) -> date | None:
    """«До 15-го», «в марте»: told where something is promised, too loose to make a promise of a sentence."""
    if match := _ORDINAL.search(text):
        return deadlines.numbered(today, int(match[1]))
    if match := _MONTH.search(text):
        month = next(i for i in range(1, 13) if match[f"m{i}"])
        year = today.year + (month < today.month)
        return date(year, month, monthrange(year, month)[1])
    return None


def _minutes(text: str) -> int | None:
    """«Через два часа» and the like, in minutes; «сейчас» is an hour."""
    if _HOUR_AND_HALF.search(text):
        return 90
    if _HALF.search(text):
        return 30
    if match := _SPAN.search(text):
        count = next((match[f"n{i}"] for i in range(1, 5) if match[f"n{i}"]), None)
        unit = next(match[f"u{i}"] for i in range(1, 5) if match[f"u{i}"])
        number = 1 if count is None else _KAZAKH.get(count) or _WORDS.get(count) or int(count)
        return number * (60 if unit.startswith(("ч", "с")) else 1) or 1
    return _AT_ONCE if _NOW.search(text) else None


def _clock(text: str) -> tuple[time, bool] | None:
    """The hour named, and whether it is only the earliest («после 17»)."""
    found = list(_CLOCK.finditer(text)) or list(_BARE_CLOCK.finditer(text))
    for match in reversed(found):
        word = match["hour"]
        hour = _WORDS.get(word) or int(word)
        minute = int(match["minute"] or 0)
        named = match.groupdict()
        if named.get("half") == "вечера" or (named.get("half") == "дня" and hour < 8):
            hour += 12 if hour < 12 else 0
        elif hour < 8 and named.get("half") != "утра":
            # «до шести» of a company is the afternoon
            hour += 12
        if hour <= 23 and minute <= 59:
            return time(hour, minute), named.get("how") == "после"
    return None


def _part(text: str) -> time | None:
    if _AFTER.search(text):
        return None
    if _NOON.search(text):
        return time(14)
    return time(12) if _MORNING.search(text) else None
