"""Numbers, sums, days and hours of a text, in one spelling, so that those of a sentence can be looked for in messages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import lru_cache

from analysis.reading.normalisation import folded
from analysis.reading.sentences import Line
from analysis.rules import deadlines

_NUMBER = re.compile(
    r"(?<![\w.,])(\d{1,3}(?:[ \u00a0\u202f'.,]\d{3}){1,5}(?!\d)|\d{1,15}(?:[.,]\d{1,2})?)(?:\s{0,3}(тыс\w{0,20}|т\.?\s?[рт]\b|к\b|k\b|мың|млн|миллион\w{0,20}|кк\b))?"
)
_TIMES = {"м": 1_000_000, "кк": 1_000_000}
_WORDS: dict[str, int | Decimal] = {
    "ноль": 0, "два": 2, "две": 2, "двух": 2, "двумя": 2, "двум": 2, "оба": 2, "обе": 2, "три": 3, "трех": 3, "тремя": 3, "трем": 3,
    "четыре": 4, "четырех": 4, "пять": 5, "пяти": 5, "шесть": 6, "шести": 6, "семь": 7, "семи": 7, "восемь": 8, "восьми": 8,
    "девять": 9, "девяти": 9, "десять": 10, "десяти": 10, "двенадцать": 12, "пятнадцать": 15, "двадцать": 20, "тридцать": 30,
    "сорок": 40, "пятьдесят": 50, "сто": 100, "двести": 200, "триста": 300, "полтора": Decimal("1.5"), "полторы": Decimal("1.5"),
    "дважды": 2, "трижды": 3, "вдвое": 2, "втрое": 3, "половина": Decimal("0.5"), "половину": Decimal("0.5"),
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
_CLOCK = re.compile(r"(?<!\d)([01]?\d|2[0-3])[:.]([0-5]\d)(?!\d|\.\d)")
_PERCENT = re.compile(r"%|процент\w{0,20}")

_WEEKDAYS = (
    r"понедельник\w{0,20}|пн|дүйсенбі\w{0,20}",
    r"вторник\w{0,20}|вт|сейсенбі\w{0,20}",
    r"сред[аеуыой]{1,2}|ср|сәрсенбі\w{0,20}",
    r"четверг\w{0,20}|чт|бейсенбі\w{0,20}",
    r"пятниц\w{1,20}|пт|жұма\w{0,20}",
    r"суббот\w{1,20}|сб|сенбі\w{0,20}",
    r"воскресень\w{1,20}|вс|жексенбі\w{0,20}",
)
_MONTHS = r"январ\w{1,20}|феврал\w{1,20}|март[ауе]?|апрел\w{1,20}|ма[яей]|июн\w{1,20}|июл\w{1,20}|август\w{0,20}|сентябр\w{1,20}|октябр\w{1,20}|ноябр\w{1,20}|декабр\w{1,20}"
_MONTH = re.compile(rf"\b(\d{{1,2}})(?:-?(?:го|е|му))?\s{{1,3}}({_MONTHS})\b")
_BARE_MONTH = re.compile(rf"\b({_MONTHS})\b")
_DOTTED = re.compile(r"(?<![\d.])([0-3]?\d)\.(0?[1-9]|1[0-2])(?:\.(?:20)?\d\d)?(?![\d.])")
_OF_MONTH = re.compile(r"\b([0-3]?\d)(?:-?(?:го|е|му|ое|ого)\b|\s{1,3}числ\w{1,20})")
#: words of time, each spelling to one token
_RELATIVE = tuple(
    (re.compile(rf"\b(?:{pattern})\b"), token)
    for pattern, token in (
        (r"послезавтра\w{0,20}|бүрсігүні", "+2"),
        (r"завтра\w{0,20}|ертең\w{0,20}", "+1"),
        (r"сегодня\w{0,20}|бүгін\w{0,20}", "0"),
        (r"вчера\w{0,20}|кеше", "-1"),
        (r"позавчера", "-2"),
        (r"утр[оаеу]м?|с утра|утренн\w{1,20}|таң\w{0,20}", "утро"),
        (r"вечер\w{0,20}|кешке", "вечер"),
        (r"обед\w{0,20}|түс\w{0,20}", "обед"),
        (r"ноч[ьию]\w{0,20}", "ночь"),
        (r"выходн\w{1,20}|уикенд\w{0,20}", "выходные"),
        (r"недел\w{1,20}|апта\w{0,20}", "неделя"),
        (r"месяц\w{0,20}|ай\w{0,3}", "месяц"),
        (r"час(?:а|у|ов|ам|ик)?|сағат\w{0,20}|полчаса", "час"),
        (r"минут\w{0,20}|мин", "минута"),
        (r"д(?:ень|ня|ней|ню|нём|нем|ни)|сутк\w{0,20}|суток|күн\w{0,20}", "день"),
        (r"год\w{0,2}|лет|жыл\w{0,20}", "год"),
        (r"лет(?:о|ом|а|у)|жаз\w{0,20}", "лето"),
        (r"осен\w{1,20}", "осень"),
        (r"зим\w{1,20}", "зима"),
        (r"весн\w{1,20}", "весна"),
        (r"сейчас|щас|қазір", "сейчас"),
    )
)
_NEAR = tuple((pattern, token) for pattern, token in _RELATIVE if token in ("-2", "-1", "0", "+1", "+2"))
_WEEKDAY = tuple(re.compile(rf"\b(?:{pattern})\b") for pattern in _WEEKDAYS)


def numbers(text: str, *, generous: bool = False) -> set[Decimal]:
    """Every number of the text, «722 тыс.» as 722000. ``generous``: of evidence, where «от 480 до 900 тысяч» is both."""
    text = folded(text)
    left = _DOTTED.sub(" ", _CLOCK.sub(" ", text)) if not generous else text
    found: set[Decimal] = set()
    scales: set[int] = set()
    raw: set[Decimal] = set()
    for match in _NUMBER.finditer(left):
        value = _value(match[1])
        scale = _scale(match[2])
        raw.add(value)
        scales.add(scale)
        found.add(value * scale)
    for match in _WORD.finditer(left):
        if (word := _WORDS.get(match[0])) is not None:
            found.add(Decimal(word))
            raw.add(Decimal(word))
    if generous:
        found |= {value * scale for value in raw for scale in scales | {1}}
        if re.search(r"\bтыс\w{0,20}|\bмың|\d\s?к\b", text):
            found |= {value * 1000 for value in raw}
    return found


def _value(digits: str) -> Decimal:
    if re.fullmatch(r"\d{1,3}(?:[ \u00a0\u202f'.,]\d{3})+", digits):
        return Decimal(re.sub(r"\D", "", digits))
    return Decimal(digits.replace(",", ".")).normalize()


def _scale(word: str | None) -> int:
    if not word:
        return 1
    return 1_000_000 if word.startswith(("млн", "миллион", "кк")) else 1000


def is_percent(text: str) -> bool:
    return _PERCENT.search(folded(text)) is not None


@lru_cache(maxsize=1024)
def moments(text: str) -> frozenset[str]:
    """Days, weekdays, hours and words of time: ``d18.11``, ``w4``, ``18:30``, ``+1``, ``утро``."""
    text = folded(text)
    found = {f"{int(hour)}:{minute}" for hour, minute in _CLOCK.findall(text)}
    dotted = [(int(day), int(month)) for day, month in _DOTTED.findall(_CLOCK.sub(" ", text))]
    found |= {f"d{day}.{month}" for day, month in dotted if 1 <= day <= 31}
    for day, name in _MONTH.findall(text):
        found.add(f"d{int(day)}.{_month(name)}")
    found |= {f"m{_month(name)}" for name in _BARE_MONTH.findall(_MONTH.sub(" ", text))}
    found |= {f"n{int(day)}" for day in _OF_MONTH.findall(_MONTH.sub(" ", text)) if 1 <= int(day) <= 31}
    found |= {f"w{number}" for number, pattern in enumerate(_WEEKDAY) if pattern.search(text)}
    return frozenset(found | {token for pattern, token in _RELATIVE if pattern.search(text)})


def day_words(text: str) -> Counter[str]:
    """How often the text says today, tomorrow or yesterday: «сегодня нет, завтра да» names each once."""
    text = folded(text)
    found = ((token, len(pattern.findall(text))) for pattern, token in _NEAR)
    return Counter({token: times for token, times in found if times})


def _month(name: str) -> int:
    starts = ("янв", "фев", "мар", "апр", "ма", "июн", "июл", "авг", "сен", "окт", "ноя", "дек")
    return next(number for number, start in enumerate(starts, 1) if name.startswith(start))


def of_day(day: date) -> set[str]:
    return {f"d{day.day}.{day.month}", f"n{day.day}", f"w{day.weekday()}", f"m{day.month}"}


def said_moments(lines: Iterable[Line]) -> set[str]:
    """What the lines say of time, and the day «завтра» or «до пятницы» of theirs is."""
    found: set[str] = set()
    for line in lines:
        found |= moments(line.text)
        if (when := deadlines.find(line.folded, line.sent_at)) is not None:
            found |= of_day(when[0])
    return found
