"""The numbers of the report, each against the usual same weekday; code alone puts them into words.

``NUMBERS`` is the registry of named metrics: the columns of ``marts.period_summary`` (docs/metrics.md) with their
Russian name, how they are shown and which way is good. The follow-up answers use the same registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.reading.grounding import direction_of
from analysis.reading.normalisation import shown
from analysis.report.inputs import Facts
from synkro.core import russian
from synkro.numbers import SMALL_N


@dataclass(frozen=True)
class Metric:
    """One number. ``shown``: count, minutes, percent or money; ``better``: up, down or empty."""

    key: str
    label: str
    shown: str
    better: str = ""
    source: str = "radist"
    #: number of cases behind it, below :data:`SMALL_N` a share is not shown
    n: str = ""


_ALL = (
    Metric("dialogs", "Диалоги", "count"),
    Metric("new_clients", "Новые клиенты", "count", "up"),
    Metric("first_response_p50", "Первый ответ (медиана)", "minutes", "down", n="first_response_n"),
    Metric("answered_within_target", "Ответы в срок", "percent", "up", n="answered_within_target_n"),
    Metric("unanswered_now", "Без ответа сейчас", "count", "down"),
    Metric("unanswered_overdue", "Без ответа дольше цели", "count", "down"),
    Metric("money_at_risk", "Деньги под риском", "money", "down", "amocrm"),
    Metric("deals_won", "Продажи", "count", "up", "amocrm"),
    Metric("deals_won_amount", "Сумма продаж", "money", "up", "amocrm"),
    Metric("deals_lost", "Потерянные сделки", "count", "down", "amocrm"),
    Metric("deals_lost_amount", "Сумма потерянных сделок", "money", "down", "amocrm"),
    Metric("deals_new", "Новые сделки", "count", "up", "amocrm"),
    Metric("deals", "Сделки", "count", "", "amocrm"),
    Metric("first_response_p90", "Первый ответ (90 % быстрее)", "minutes", "down", n="first_response_n"),
    Metric("response_p50", "Любой ответ (медиана)", "minutes", "down"),
    Metric("response_p90", "Любой ответ (90 % быстрее)", "minutes", "down"),
    Metric("breached", "Ответы и ожидания дольше цели", "count", "down"),
    Metric("off_hours_answers", "Ответы вне рабочего времени", "count"),
    Metric("waits", "Ожидания ответа", "count"),
    Metric("sessions", "Обращения", "count"),
    Metric("messages", "Сообщения", "count"),
    Metric("clients", "Клиенты", "count"),
    Metric("match_rate", "Диалоги, связанные со сделкой", "percent", "up", n="dialogs"),
)
NUMBERS: dict[str, Metric] = {metric.key: metric for metric in _ALL}

_CHAT_FIVE = ("dialogs", "first_response_p50", "answered_within_target", "unanswered_now")
_DEAL_FIVE = ("deals_new", "deals_won", "deals_won_amount", "deals_lost", "deals")


def show(metric: Metric, value: float, currency: str | None) -> str:
    """«12 мин», «46 %», «1 250 000 ₸», «118»."""
    if metric.shown == "minutes":
        return russian.minutes(value)
    if metric.shown == "percent":
        return russian.percent(value)
    if metric.shown == "money":
        return russian.money(value, currency)
    return russian.number(value, 0 if float(value).is_integer() else 1)


def rows(facts: Facts, incomplete: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """All numbers that have a value; the first five are those of the message."""
    found = {m.key: row for m in NUMBERS.values() if (row := row_of(m, facts, incomplete)) is not None}
    last = "deals_won" if facts.has_deals else "new_clients"
    first: list[str] = [*_CHAT_FIVE, last] if facts.has_chats else list(_DEAL_FIVE)
    first = [key for key in first if key in found]
    spare = ("response_p50", "new_clients", "deals_won", "sessions", "clients")
    first += [key for key in spare if key in found and key not in first][: max(0, 5 - len(first))]
    return [found[key] for key in first] + [row for key, row in found.items() if key not in first]


def row_of(metric: Metric, facts: Facts, incomplete: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """One number as the body has it, or None when there is nothing to show."""
    value = facts.numbers.get(metric.key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if metric.source == "amocrm" and not facts.has_deals:
        return None
    if metric.source == "radist" and not facts.has_chats:
        return None
    n = facts.numbers.get(metric.n) if metric.n else None
    note = ""
    display = show(metric, value, facts.currency)
    usual = facts.usual.get(metric.key)
    if metric.shown == "percent" and isinstance(n, int | float) and n < SMALL_N:
        display, usual, note = "мало данных", None, f"меньше {SMALL_N} случаев"
    if incomplete is not None and (not incomplete["sources"] or metric.source in incomplete["sources"]):
        usual, note = None, "данные неполные"
    direction = _direction(metric, float(value), usual)
    return {
        "key": metric.key,
        "label": metric.label,
        "value": value,
        "display": display,
        "usual": usual,
        "usual_display": show(metric, usual, facts.currency) if usual is not None else None,
        "direction": direction,
        "good": (direction == metric.better) if metric.better and direction in ("up", "down") else None,
        "note": note or _note(metric, facts),
    }


def _direction(metric: Metric, value: float, usual: float | None) -> str:
    if metric.shown == "percent" and usual is not None and abs(value - usual) < 0.03:
        return "same"
    return (
        direction_of(value * 100, usual * 100)
        if metric.shown == "percent" and usual is not None
        else direction_of(value, usual)
    )


def _note(metric: Metric, facts: Facts) -> str:
    """What belongs next to the number."""
    new, risk, won = (facts.numbers.get(key) for key in ("new_clients", "money_at_risk", "deals_won_amount"))
    if metric.key == "dialogs" and new:
        return f"из них новых клиентов {russian.number(new)}"
    if metric.key == "unanswered_now" and risk and facts.has_deals:
        return f"под риском {russian.money(risk, facts.currency)}"
    if metric.key == "money_at_risk" and (unpriced := facts.numbers.get("money_at_risk_unpriced")):
        return f"и ещё {russian.count(int(unpriced), 'сделка', 'сделки', 'сделок')} без суммы"
    if metric.key == "deals_won" and won:
        return f"на {russian.money(won, facts.currency)}"
    if metric.key == "first_response_p50" and (n := facts.numbers.get("first_response_n")):
        return russian.count(int(n), "обращение", "обращения", "обращений")
    return ""


# --- managers -----------------------------------------------------------------------------------------------


def managers(facts: Facts) -> list[dict[str, Any]]:
    """Facts of each manager: those with enough cases first, by what needs attention; the rest by name."""
    busy = [
        row
        for row in facts.managers
        if row.get("waits_answered") or row.get("open_overdue") or row.get("messages_sent")
    ]
    ranked = sorted(
        (r for r in busy if _cases(r) >= SMALL_N),
        key=lambda r: (-_of(r, "open_overdue"), -_of(r, "waits_answered"), r["name"]),
    )
    few = sorted((r for r in busy if _cases(r) < SMALL_N), key=lambda r: str(r["name"]))
    return [
        {
            "manager_id": row["manager_id"],
            "name": shown(str(row["name"]), 80),
            "text": _manager_text(row),
            "facts": dict(row),
        }
        for row in [*ranked, *few]
    ]


def _of(row: Mapping[str, Any], key: str) -> int:
    return int(row.get(key) or 0)


def _cases(row: Mapping[str, Any]) -> int:
    n = row.get("within_target_n")
    return int(n) if n is not None else _of(row, "waits_answered") + _of(row, "open_overdue")


def _manager_text(row: Mapping[str, Any]) -> str:
    answered, overdue = _of(row, "waits_answered"), _of(row, "open_overdue")
    parts = []
    if answered:
        parts.append(russian.count(answered, "ответ", "ответа", "ответов"))
        if row.get("response_p50") is not None:
            parts.append(f"медиана {russian.minutes(float(row['response_p50']))}")
        share = row.get("within_target")
        if share is not None and _cases(row) >= SMALL_N:
            parts.append(f"в срок {russian.percent(float(share))}")
    elif _of(row, "messages_sent"):
        parts.append(russian.count(_of(row, "messages_sent"), "сообщение", "сообщения", "сообщений"))
    if overdue:
        parts.append(f"без ответа дольше цели: {russian.number(overdue)}")
    return ", ".join(parts)
