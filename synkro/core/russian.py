"""Russian words for numbers, money, durations and dates: the one place that knows the grammar.

A no-break space keeps a number with its unit when a line wraps on a phone.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

NBSP = "\u00a0"
_MONTHS = (
    "января", "февраля", "марта", "апреля", "мая", "июня",
    "июля", "августа", "сентября", "октября", "ноября", "декабря",
)  # fmt: skip
_WEEKDAYS = ("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье")
_SIGNS = {"KZT": "₸", "RUB": "₽", "USD": "$", "EUR": "€", "KGS": "сом", "UZS": "сум", "BYN": "Br"}


def plural(n: int, one: str, few: str, many: str) -> str:
    """The form of the noun: 1 диалог, 2 диалога, 5 диалогов, 11 диалогов, 21 диалог."""
    tail = abs(n) % 100
    if 11 <= tail <= 14:
        return many
    return {1: one, 2: few, 3: few, 4: few}.get(tail % 10, many)


def count(n: int, one: str, few: str, many: str) -> str:
    """«118 диалогов»."""
    return f"{number(n)}{NBSP}{plural(n, one, few, many)}"


def number(value: float, digits: int = 0) -> str:
    """«1 234,5»: a no-break space between thousands, a decimal comma."""
    text = f"{value:,.{digits}f}"
    if digits and text.rstrip("0").endswith("."):
        text = text.split(".")[0]
    return text.replace(",", NBSP).replace(".", ",").replace("-", "−")


def money(value: float, currency: str | None = None) -> str:
    """«1 250 000 ₸»; an unknown currency keeps its code."""
    sign = _SIGNS.get(currency or "", currency or "")
    return f"{number(value)}{NBSP}{sign}".rstrip()


def percent(share: float, digits: int = 0) -> str:
    """0.456 → «46 %»."""
    return f"{number(share * 100, digits)}{NBSP}%"


def minutes(value: float, digits: int = 0) -> str:
    """A duration: «40 с», «7 мин», «1 ч 15 мин», «2 дня 3 ч»; below an hour with ``digits`` decimals."""
    if value < 0:
        return "−" + minutes(-value, digits)
    if digits and value >= 1 and round(value, digits) < 60:
        return f"{number(value, digits)}{NBSP}мин"
    if value < 1:
        return f"{round(value * 60)}{NBSP}с"
    total = round(value)
    if total < 60:
        return f"{total}{NBSP}мин"
    hours, rest = divmod(total, 60)
    if hours < 24:
        return f"{hours}{NBSP}ч" + (f" {rest}{NBSP}мин" if rest else "")
    days, hours = divmod(hours, 24)
    return count(days, "день", "дня", "дней") + (f" {hours}{NBSP}ч" if hours else "")


def day(value: date, *, weekday: bool = False, year: bool = False) -> str:
    """«20 ноября», «20 ноября 2026», «20 ноября, пятница»."""
    text = f"{value.day}{NBSP}{_MONTHS[value.month - 1]}"
    if year:
        text += f" {value.year}"
    return f"{text}, {_WEEKDAYS[value.weekday()]}" if weekday else text


def clock(moment: datetime, timezone: str) -> str:
    """«22:01» in the zone."""
    return moment.astimezone(ZoneInfo(timezone)).strftime("%H:%M")


def moment(value: datetime, timezone: str) -> str:
    """«20 ноября, 22:01» in the zone."""
    local = value.astimezone(ZoneInfo(timezone))
    return f"{day(local.date())}, {local:%H:%M}"


def period(first: date, last: date) -> str:
    """«20 ноября», «14–20 ноября», «28 октября – 3 ноября»."""
    if first == last:
        return day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{day(last)}"
    return f"{day(first)} – {day(last)}"
