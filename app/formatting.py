"""Numbers, money, durations and dates in the language of the person. Russian comes from the core's grammar."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.texts import language, t
from synkro.connectors import registry
from synkro.core import clock as business_clock
from synkro.core import phones, russian

NBSP = russian.NBSP


def _russian() -> bool:
    return language() == "ru"


def source(name: str) -> str:
    """A connector as the person's language calls it."""
    return registry.label(name, language())


def number(value: float | int | None, digits: int = 0) -> str:
    if value is None:
        return "—"
    return russian.number(value, digits) if _russian() else f"{value:,.{digits}f}"


def money(value: float | int | None, currency: str | None = None) -> str:
    if value is None:
        return "—"
    if _russian():
        return russian.money(value, currency)
    sign = russian.money(0, currency).removeprefix("0").strip()
    return f"{value:,.0f}{NBSP}{sign}".rstrip()


def minutes(value: float | int | None) -> str:
    if value is None:
        return "—"
    if _russian():
        return russian.minutes(value)
    total = round(value)
    if total < 1:
        return f"{round(value * 60)}{NBSP}s"
    days, rest = divmod(total, 1440)
    hours, mins = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (mins if not days else 0, "min")]
    return " ".join(f"{n}{NBSP}{unit}" for n, unit in parts if n) or f"0{NBSP}min"


def percent(share: float | None) -> str:
    if share is None:
        return "—"
    return russian.percent(share) if _russian() else f"{share * 100:.0f}%"


def day(value: date, *, weekday: bool = False, year: bool = False) -> str:
    if _russian():
        return russian.day(value, weekday=weekday, year=year)
    text = f"{value.day}{NBSP}{value:%B}" + (f" {value.year}" if year else "")
    return f"{value:%A}, {text}" if weekday else text


def moment(value: datetime | None, timezone: str) -> str:
    """Day and time in the zone; «сегодня, 14:05» for today's."""
    if value is None:
        return "—"
    local = value.astimezone(ZoneInfo(timezone))
    today = business_clock.now().astimezone(ZoneInfo(timezone)).date()
    label = t("words.today") if local.date() == today else day(local.date(), year=local.year != today.year)
    return f"{label}, {local:%H:%M}"


def clock(value: datetime, timezone: str) -> str:
    return russian.clock(value, timezone)


def ago(value: datetime | None, now: datetime | None = None) -> str:
    """«12 мин назад»."""
    if value is None:
        return t("words.never")
    total = max(0.0, ((now or business_clock.now()) - value).total_seconds() / 60)
    return t("words.just_now") if total < 1 else t("words.ago", time=minutes(_rough(total)))


def passed(since: datetime) -> str:
    """«3 ч»: how long it has been, roughly."""
    return minutes(_rough((business_clock.now() - since).total_seconds() / 60))


def _rough(total: float) -> float:
    """Whole hours above three hours, whole days above three days: nobody needs the rest."""
    if total > 3 * 1440:
        return total // 1440 * 1440
    return total // 60 * 60 if total > 180 else total


def span(first: date, last: date) -> str:
    if _russian():
        return russian.period(first, last)
    return day(first) if first == last else f"{day(first)} – {day(last)}"


def plural(n: int, key: str) -> str:
    """«118 диалогов»: the key's text holds the three Russian forms or the two English ones, separated by ``|``."""
    forms = t(key).split("|")
    if _russian():
        return russian.count(n, *forms)
    return f"{n:,}{NBSP}{forms[0] if n == 1 else forms[-1]}"


def phone(e164: str | None) -> str:
    """The last four digits."""
    return phones.mask(e164) if e164 else ""


def masked(text: str | None) -> str:
    """The text with every phone in it cut to its last four digits: contacts are often named by their number."""
    return phones.mask_in(text or "")


def person(name: str | None, e164: str | None = None) -> str:
    """A client as they may be shown: the name, or the masked phone, or «Клиент без имени»."""
    return phones.person(name, e164, t("words.nameless"))
