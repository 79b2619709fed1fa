"""When «до пятницы», «завтра к обеду» or «через два дня» is: words of a message to a local date.

Works on folded text (lower case, ё as е); Russian and Kazakh. The date counts from when the message was sent,
in the tenant's zone. What cannot be told («на днях», «скоро») is None, never a guess.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime, timedelta

_WEEKDAYS = (
    r"понедельник\w{0,40}|дуйсенбі|дүйсенбі\w{0,40}",
    r"вторник\w{0,40}|сейсенбі\w{0,40}",
    r"сред[уеы]|сәрсенбі\w{0,40}",
    r"четверг\w{0,40}|бейсенбі\w{0,40}",
    r"пятниц\w{1,40}|жұма\w{0,40}",
    r"суббот\w{1,40}|(?<!\w)сенбі\w{0,40}",
    r"воскресень\w{1,40}|жексенбі\w{0,40}",
)
MONTHS = ("январ", "феврал", "март", "апрел", "ма[яй]", "июн", "июл", "август", "сентябр", "октябр", "ноябр", "декабр")
_COUNT = {
    "один": 1,
    "одного": 1,
    "пару": 2,
    "два": 2,
    "двух": 2,
    "три": 3,
    "трех": 3,
    "четыре": 4,
    "четырех": 4,
    "пять": 5,
    "пяти": 5,
    "шести": 6,
    "семь": 7,
    "семи": 7,
    "восьми": 8,
    "девяти": 9,
    "десять": 10,
    "десяти": 10,
    "одиннадцати": 11,
    "двенадцати": 12,
    "полудня": 12,
}
_N = r"(\d{1,2}|" + "|".join(_COUNT) + r")"

_WEEKDAY = re.compile(
    r"(?:(?:\b(?:до|к|ко|в|во|на|по)(?:\s+(?:эту|этот|ближайш\w{1,40}|след\w{1,40}))?\s+)|\b)"
    r"(?:" + "|".join(f"(?P<d{i}>{p})" for i, p in enumerate(_WEEKDAYS)) + r")\b"
)
_NUMBERED = re.compile(
    r"\b(?:до|к|на|по)?\s*(\d{1,2})(?:-?(?:го|му|е))?\s+(?:(?P<num>числ\w{1,40})|"
    + "|".join(f"(?P<m{i}>{m}\\w*)" for i, m in enumerate(MONTHS, 1))
    + r")\b"
)
_DOTTED = re.compile(r"\b(?:до|к|на)\s+(\d{1,2})\.(\d{1,2})(?:\.(?:\d{4}|\d{2}))?\b")
#: «в течение 1–2 рабочих дней», «2-3 рабочих дня», «дней через пять»: the later end counts
_IN_DAYS = re.compile(
    rf"\b(?:через|в течени[еи]|до)\s+(?:{_N}\s*[-–—]\s*)?{_N}\s+(?P<work>рабоч\w{{1,40}}\s+)?(?:дн\w{{1,40}}|сут\w{{1,40}})\b"
    rf"|\b(?:{_N}\s*[-–—]\s*)?{_N}\s+(?P<work_alone>рабоч\w{{1,40}})\s+дн\w{{1,40}}\b|\bдн\w{{1,40}}\s+через\s+{_N}\b"
)
#: Kazakh: «екі күннен кейін», «3 күн ішінде», «бір сағаттан кейін», «бір аптада»
_KAZAKH_IN = re.compile(
    r"\b(?P<n>\d{1,2}|бір|екі|үш|төрт|бес|алты|жеті|он|жарты)\s+(?P<what>минут|сағат|күн|апта)"
    r"(?:(?:тан|тен|нан|нен|дан|ден)\s+(?:кейін|соң)|(?:\s+ішінде)|(?:та|те|да|де)\b)"
)
_KAZAKH_COUNT = {"бір": 1, "екі": 2, "үш": 3, "төрт": 4, "бес": 5, "алты": 6, "жеті": 7, "он": 10}
_IN_WEEKS = re.compile(rf"\b(?:через|в течени[еи])\s+(?:{_N}\s+)?недел\w{{1,40}}\b")
_IN_HOURS = re.compile(
    rf"\b(?:час\w{{0,40}}|минут\w{{0,40}})\s+через\s+(?:{_N}|двадцать|тридцать|сорок|полтора)\b|\bчерез\s+(?:полтора|пару)\s+(?:час\w{{0,40}}|минут\w{{0,40}})\b|\bчерез\s+(?:{_N}\s+)?(?:час\w{{0,40}}|минут\w{{0,40}}|полчас\w{{0,40}})\b|\bв течени[еи]\s+(?:{_N}\s+)?(?:час\w{{0,40}}|минут\w{{0,40}}|получаса)\b|\bв ближайши[йе]\s+(?:{_N}\s+)?(?:полчаса|час\w{{0,40}}|минут\w{{0,40}})\b"
)
#: «через день-два»: the later of the two
_DAY_OR_TWO = re.compile(
    r"\bчерез (?:(день)|(пару дней|день-два|денек-другой|день-другой))(?![\w-])|\bв течени[еи] (суток)\b"
)
_WEEKEND = re.compile(r"\b(?:к|ко|в|во|на|до|после)\s+(?:эти\w{0,40}\s+|ближайш\w{1,40}\s+)?выходн(?:ые|ым|ых)\b")
_CLOCK = re.compile(
    r"\b(?:до|к|ко|после)\s+(\d{1,2}|"
    + "|".join(_COUNT)
    + r")(?:[:.](\d{2}))?(?:\s*(?:час\w{0,40}|утра|вечера|ч))?\b(?!\s*(?:%|тыс|тг|₸|руб|млн|000|числ|дн|шт|см|мм|метр|[-.]\d|-?(?:го|му)\b))"
)

_AFTER_TOMORROW = re.compile(r"\bпослезавтра\b|\bбүрсігүні\b|\bбурсигуни\b")
_TOMORROW = re.compile(r"\bзавтра\w{0,40}\b|\bертең\w{0,40}\b|\bертен\b")
_TODAY = re.compile(
    r"\bсегодня\b|\bдо конца дня\b|\bк концу дня\b|\bв течени[еи] дня\b|\b(?:до|к|ближе к) вечер[ау]\b|\bвечер(?:ом|ком)\b|\b(?:до|к|после) обед[ау]\b"
    r"|\bбүгін\w{0,40}\b|\bкешке\b|\bтүстен кейін\b"
)
_MORNING = re.compile(r"\b(?:утром|с утра|таңертең)\b")
_WEEK_END = re.compile(r"\b(?:до конца|к концу|на этой) недел[еи]\b|\bапта соңына дейін\b|\bосы аптада\b")
_NEXT_WEEK = re.compile(r"\bна (?:следующей|след|будущей) неделе\b|\bкелесі аптада\b")
_MONTH_END = re.compile(r"\b(?:до конца|к концу) месяца\b")


def find(text: str, sent_at: datetime) -> tuple[date, tuple[int, int]] | None:
    """The date the folded ``text`` names and where in it; ``sent_at`` is aware and in the tenant's zone."""
    today = sent_at.date()
    if match := _AFTER_TOMORROW.search(text):
        return today + timedelta(2), match.span()
    if match := _TOMORROW.search(text):
        return today + timedelta(1), match.span()
    if match := _NUMBERED.search(text):
        months = [i for i in range(1, 13) if match[f"m{i}"]]
        if (found := numbered(today, int(match[1]), months[0] if months else None)) is not None:
            return found, match.span()
    if (match := _DOTTED.search(text)) and (found := numbered(today, int(match[1]), int(match[2]))) is not None:
        return found, match.span()
    if match := _WEEKDAY.search(text):
        wanted = next(i for i in range(7) if match[f"d{i}"])
        # «в пятницу» said on a Friday is the next one
        ahead = (wanted - today.weekday()) % 7 or 7
        return today + timedelta(ahead), match.span()
    if match := _IN_DAYS.search(text):
        days = max(_number(group) for group in match.groups() if group and not group.startswith("рабоч"))
        is_working = bool(match["work"] or match["work_alone"])
        return (_working_days(today, days) if is_working else today + timedelta(days)), match.span()
    if match := _KAZAKH_IN.search(text):
        return _kazakh_in(sent_at, match["n"], match["what"]), match.span()
    if match := _DAY_OR_TWO.search(text):
        return today + timedelta(2 if match[2] else 1), match.span()
    if match := _WEEKEND.search(text):
        return today + timedelta((5 - today.weekday()) % 7), match.span()
    if match := _IN_WEEKS.search(text):
        return today + timedelta(7 * _number(match[1])), match.span()
    if match := _NEXT_WEEK.search(text):
        return today + timedelta(11 - today.weekday()), match.span()
    if match := _WEEK_END.search(text):
        friday = today + timedelta(4 - today.weekday())
        return (friday if friday > today else today + timedelta(6 - today.weekday())), match.span()
    if match := _MONTH_END.search(text):
        return today.replace(day=monthrange(today.year, today.month)[1]), match.span()
    if match := _IN_HOURS.search(text):
        hours = (
            _number(next((g for g in match.groups() if g), None))
            if "час" in match[0] and "полчас" not in match[0]
            else 0
        )
        return (sent_at + timedelta(hours=hours)).date(), match.span()
    if match := _TODAY.search(text):
        return today, match.span()
    if match := _MORNING.search(text):
        return (today if sent_at.hour < 6 else today + timedelta(1)), match.span()
    if match := _CLOCK.search(text):
        hour = _COUNT.get(match[1]) or int(match[1])
        # «до семи» of a shop is the evening
        hour += 12 if hour < 12 and match[0].endswith("вечера") else 0
        hour += 12 if hour < 8 and not match[2] and match[1] in _COUNT else 0
        if hour <= 23 and (match[2] or hour >= 8):
            return (today if hour > sent_at.hour else today + timedelta(1)), match.span()
    return None


def _working_days(today: date, days: int) -> date:
    """So many days from Monday to Friday later; a company's holidays are not known here."""
    while days > 0:
        today += timedelta(1)
        days -= today.weekday() < 5
    return today


def _kazakh_in(sent_at: datetime, count: str, what: str) -> date:
    if count == "жарты":
        return (sent_at + (timedelta(minutes=30) if what == "сағат" else timedelta(0))).date()
    number = _KAZAKH_COUNT.get(count) or int(count)
    if what in ("минут", "сағат"):
        return (sent_at + (timedelta(hours=number) if what == "сағат" else timedelta(minutes=number))).date()
    return sent_at.date() + timedelta(number * (7 if what == "апта" else 1))


def _number(word: str | None) -> int:
    return 1 if word is None else _COUNT.get(word) or int(word)


def numbered(today: date, day: int, month: int | None = None) -> date | None:
    """The next such day; of a month that is long past, the next year's."""
    if not 1 <= day <= 31 or (month is not None and not 1 <= month <= 12):
        return None
    year, at = today.year, month or today.month
    for _ in range(13):
        if day <= monthrange(year, at)[1] and date(year, at, day) >= today:
            return date(year, at, day)
        if month is None:
            year, at = (year, at + 1) if at < 12 else (year + 1, 1)
        else:
            year += 1
            if year > today.year + 1:
                return None
    return None
