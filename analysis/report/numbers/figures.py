"""The numbers of the report, each against the usual same weekday; code alone puts them into words.

Which they are, their names, how they are shown and which way is good: ``synkro/metrics/registry.py``. The follow-up answers
use it as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.reading.normalisation import shown
from analysis.report.inputs import Facts
from analysis.report.numbers import compared, noise
from synkro.connectors import registry
from synkro.connectors.connector import Capability
from synkro.core import russian
from synkro.metrics.metric import SMALL_N, Metric
from synkro.metrics.registry import MANAGERS, REPORTED

_CHAT_FIVE = ("dialogs", "first_response_p50", "answered_within_target", "unanswered_now")
_DEAL_FIVE = ("deals_new", "deals_won", "deals_won_amount", "deals_lost", "deals")


def show(metric: Metric, value: float, currency: str | None, digits: int = 0) -> str:
    """«12 мин», «46 %», «1 250 000 ₸», «118»; ``digits``: decimals of minutes and shares."""
    if metric.unit == "minutes":
        return russian.minutes(value, digits)
    if metric.unit == "share":
        return russian.percent(value, digits)
    if metric.unit == "money":
        return russian.money(value, currency)
    return russian.number(value, metric.digits(value))


def rows(facts: Facts, incomplete: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """All numbers that have a value; the first five are those of the message."""
    found = {m.column: row for m in REPORTED.values() if (row := row_of(m, facts, incomplete)) is not None}
    last = "deals_won" if facts.has_deals else "new_clients"
    first: list[str] = [*_CHAT_FIVE, last] if facts.has_chats else list(_DEAL_FIVE)
    first = [key for key in first if key in found]
    spare = ("response_p50", "new_clients", "deals_won", "sessions", "clients")
    first += [key for key in spare if key in found and key not in first][: max(0, 5 - len(first))]
    return [found[key] for key in first] + [row for key, row in found.items() if key not in first]


def row_of(metric: Metric, facts: Facts, incomplete: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """One number as the body has it, or None when there is nothing to show."""
    value = facts.numbers.get(metric.column)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if (Capability.DEALS in metric.needs and not facts.reads_deals) or (
        Capability.DIALOGS in metric.needs and not facts.reads_dialogs
    ):
        return None
    if metric.made_of is Capability.DEALS and not facts.has_deals:
        return None
    if metric.made_of is Capability.DIALOGS and not facts.has_chats:
        return None
    n = facts.numbers.get(metric.denominator)
    note = ""
    display = show(metric, value, facts.currency)
    usual, before = facts.usual.get(metric.column), facts.previous.values.get(metric.column)
    if metric.is_too_few(facts.baseline.cases.get(metric.column)):
        usual = None
    if metric.is_too_few(facts.previous.cases.get(metric.column)):
        before = None
    if metric.is_too_few(n):
        display, usual, before, note = "мало данных", None, None, f"меньше {SMALL_N} случаев"
    if incomplete is not None and (
        not incomplete["sources"] or {*incomplete["sources"]} & {*registry.able(metric.made_of)}
    ):
        usual, before, note = None, None, "данные неполные"
    direction = _direction(metric, float(value), usual, facts)
    usual_display = show(metric, usual, facts.currency) if usual is not None else None
    if (
        usual is not None
        and direction in ("up", "down")
        and (display == usual_display or _is_short(metric, value, usual))
    ):
        # rounded to whole minutes, a difference this small would look like none, or like twice as much
        display, usual_display = (show(metric, one, facts.currency, 1) for one in (value, usual))
    return {
        "key": metric.column,
        "label": metric.short_label("ru"),
        "value": value,
        "display": display,
        "usual": usual,
        "usual_display": usual_display,
        "direction": direction,
        "good": metric.is_good(direction),
        "note": note or _note(metric, facts),
        **compared.told(facts, usual),
        **(
            {"previous": before, "previous_display": show(metric, before, facts.currency)} if before is not None else {}
        ),
        **({"previous_of": compared.before(facts.previous)} if before is not None else {}),
    }


def _is_short(metric: Metric, value: float, usual: float) -> bool:
    """Minutes of which a decimal decides."""
    return metric.unit == "minutes" and max(value, usual) < 10


def _direction(metric: Metric, value: float, usual: float | None, facts: Facts) -> str:
    """An arrow is for what chance does not explain; of fewer than ten cases nothing is said."""
    if usual is None or noise.cases(metric, facts) < SMALL_N:
        return "none"
    if not noise.is_beyond(metric, value, usual, facts):
        return "same"
    return "up" if value > usual else "down"


def _note(metric: Metric, facts: Facts) -> str:
    """What belongs next to the number."""
    new, risk, won = (facts.numbers.get(key) for key in ("new_clients", "money_at_risk", "deals_won_amount"))
    if metric.column == "dialogs" and new:
        return f"из них новых клиентов {russian.number(new)}"
    if metric.column == "unanswered_now" and risk and facts.has_deals:
        return f"под риском {russian.money(risk, facts.currency)}"
    if metric.column == "money_at_risk" and (unpriced := facts.numbers.get("money_at_risk_unpriced")):
        return f"и ещё {russian.count(int(unpriced), 'сделка', 'сделки', 'сделок')} без суммы"
    if metric.column == "deals_won" and won:
        return f"на {russian.money(won, facts.currency)}"
    if metric.column == "first_response_p50" and (n := facts.numbers.get("first_response_n")):
        return russian.count(int(n), "обращение", "обращения", "обращений")
    return ""


# --- managers -----------------------------------------------------------------------------------------------


def managers(facts: Facts) -> list[dict[str, Any]]:
    """Facts of each manager: those with enough cases first, by what needs attention; the rest by name."""
    busy = [row for row in facts.managers if _manager_text(row, facts)]
    ranked = sorted(
        (r for r in busy if _cases(r) >= SMALL_N),
        key=lambda r: (-_of(r, "open_overdue"), -_of(r, "waits_answered"), r["name"]),
    )
    # sums of sales rank nobody by chance; without chats there is nothing else to order by
    few = sorted(
        (r for r in busy if _cases(r) < SMALL_N),
        key=lambda r: (0 if facts.has_chats else -(r.get("deals_won_amount") or 0), str(r["name"])),
    )
    return [
        {
            "manager_id": row["manager_id"],
            "name": shown(str(row["name"]), 80),
            "text": _manager_text(row, facts),
            "facts": dict(row),
        }
        for row in [*ranked, *few]
    ]


def _of(row: Mapping[str, Any], key: str) -> int:
    return int(row.get(key) or 0)


def _cases(row: Mapping[str, Any]) -> int:
    n = row.get("within_target_n")
    return int(n) if n is not None else _of(row, "waits_answered") + _of(row, "open_overdue")


def _manager_text(row: Mapping[str, Any], facts: Facts) -> str:
    answered, overdue = _of(row, "waits_answered"), _of(row, "open_overdue")
    parts = []
    if answered:
        parts.append(russian.count(answered, "ответ", "ответа", "ответов"))
        if row.get("response_p50") is not None:
            parts.append(f"медиана {russian.minutes(float(row['response_p50']))}")
        share = row.get("within_target")
        if share is not None and not MANAGERS["within_target"].is_too_few(_cases(row)):
            parts.append(f"{MANAGERS['within_target'].short_ru.lower()} {russian.percent(float(share))}")
    elif _of(row, "messages_sent"):
        parts.append(russian.count(_of(row, "messages_sent"), "сообщение", "сообщения", "сообщений"))
    if overdue:
        parts.append(f"{MANAGERS['open_overdue'].label_ru.lower()}: {russian.number(overdue)}")
    answers = ", ".join(parts)
    return "; ".join(part for part in (answers, _sales_text(row, facts)) if part)


def _sales_text(row: Mapping[str, Any], facts: Facts) -> str:
    """«2 продажи на 870 000 ₸, потеряно 1»; what is open only where the report has no chats to speak of."""
    won, lost, still = (_of(row, key) for key in ("deals_won", "deals_lost", "deals_open"))
    parts: list[str] = []
    if not facts.has_deals:
        return ""
    if won:
        amount = row.get("deals_won_amount") or 0
        text = russian.count(won, "продажа", "продажи", "продаж")
        parts.append(text + (f" на {russian.money(amount, facts.currency)}" if amount else ""))
    if lost:
        deals = russian.number(lost) if won else russian.count(lost, "сделка", "сделки", "сделок")
        parts.append(f"{'потеряна' if lost == 1 and not won else 'потеряно'} {deals}")
    if still and not facts.has_chats:
        amount = row.get("deals_open_amount") or 0
        text = f"{MANAGERS['deals_open'].short_ru.lower()} {russian.number(still)}"
        parts.append(text + (f" на {russian.money(amount, facts.currency)}" if amount else ""))
    return ", ".join(parts)
