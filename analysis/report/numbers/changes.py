"""«Почему изменилось»: numbers that are not what is usual, and whose they are.

In: rows of ``marts.period_changes``, whose contributions sum to the difference. Out: at most three changes, the bad ones
first, each with a sentence that names the two largest parts and with all its splits. Nothing is said within noise or of
fewer than ten cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.reading.normalisation import shown
from analysis.report.inputs import Facts
from analysis.report.numbers import compared, figures, noise
from synkro.core import russian
from synkro.metrics.metric import Metric
from synkro.metrics.parts import CHANGED_RU, DIMENSIONS
from synkro.metrics.registry import SUMMARY

MOST = 3
#: parts of a split that are shown by name
_PARTS = 7
#: a part is named if it explains so much more of the difference than it is of the usual
_SURPRISE = 0.15
#: answers of a part that speed is told of
_LEAST = 3
#: numbers that tell the same story: one of each is told, the most telling first
_STORIES = (
    ("first_response_p50", "answered_within_target", "breached", "response_p50"),
    ("unanswered_now", "unanswered_overdue"),
    ("money_at_risk",),
    ("deals_won_amount", "deals_won"),
    ("deals_lost", "deals_lost_amount"),
    ("new_clients", "dialogs"),
    ("deals_new",),
)
_END = {"daily": "на конец дня", "weekly": "на конец недели", "monthly": "на конец месяца"}
_HOURS = {"00-09": "до 9:00", "09-13": "с 9 до 13", "13-17": "с 13 до 17", "17-24": "после 17:00"}
_CLIENTS = {"new": "кто написал впервые", "returning": "кто писал и раньше", "": "кто ещё не писал"}
_CHANNELS = {
    "whatsapp": "WhatsApp", "telegram": "Telegram", "instagram": "Instagram", "vk": "ВКонтакте", "viber": "Viber", "avito": "Avito",
}  # fmt: skip
_NOBODY = {"manager": "без ответственного", "channel": "без переписки", "stage": "этап неизвестен"}
_REST = "остальные"

Row = Mapping[str, Any]


def build(facts: Facts, rows: Sequence[Row], report_type: str) -> list[dict[str, Any]]:
    """The changes worth telling, the bad first. ``rows``: the numbers of the body, with their directions."""
    compared_with = "usual" if facts.baseline.windows else "previous"
    base_of = facts.baseline if facts.baseline.windows else facts.previous
    splits = _splits(facts.changes)
    moved = {row["key"]: row for row in rows if row["direction"] in ("up", "down") or compared_with == "previous"}
    told = []
    for story in _STORIES:
        for key in story:
            if key in moved and (change := _change(SUMMARY[key], moved[key], splits.get(key, {}), facts, report_type)):
                of = (
                    compared.over(base_of, compared.day_of(facts))
                    if compared_with == "usual"
                    else compared.before(base_of)
                )
                told.append({**change, "compared_with": compared_with, "base_of": of})
                break
    return sorted(told, key=lambda change: change["good"] is not False)[:MOST]


def _splits(rows: Sequence[Row]) -> dict[str, dict[str, list[Row]]]:
    """number → dimension → parts."""
    found: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        found.setdefault(row["metric"], {}).setdefault(row["dimension"], []).append(row)
    return found


def _change(
    metric: Metric, row: Row, splits: dict[str, list[Row]], facts: Facts, report_type: str
) -> dict[str, Any] | None:
    value, base = row["value"], row["usual"] if facts.baseline.windows else row.get("previous")
    if base is None or not splits or not noise.is_beyond(metric, value, base, facts):
        return None
    delta = next(iter(splits.values()))[0]["value"] - next(iter(splits.values()))[0]["base"]
    if not delta:
        return None
    dimension = _most_telling(splits, delta, metric)
    subject, more, less = CHANGED_RU[metric.column]
    than = "обычного" if facts.baseline.windows else f"чем {compared.before(facts.previous)},"
    comparative = more if delta > 0 else less
    text = (
        f"{subject.format(end=_END.get(report_type, 'на конец периода'))} {comparative}"
        f"{' ' if facts.baseline.windows else ', '}{than} на {_amount(metric, abs(delta), facts)}"
    )
    return {
        "metric": metric.column,
        "value_display": row["display"],
        "base_display": figures.show(metric, base, facts.currency),
        "delta": delta,
        "delta_display": _signed(metric, delta, facts),
        "good": metric.is_good("up" if delta > 0 else "down"),
        "text": text + _parts_text(metric, splits.get(dimension, []), delta, dimension, facts) + ".",
        "dimension": dimension or next(name for name in DIMENSIONS if name in splits),
        "splits": [
            {"dimension": name, "parts": _shown_parts(metric, name, splits[name], facts)}
            for name in DIMENSIONS
            if name in splits
        ],
    }


def _most_telling(splits: dict[str, list[Row]], delta: float, metric: Metric) -> str:
    """The dimension one part of which explains most beyond what it is of the usual; empty where none does."""
    best, found = _SURPRISE, ""
    for name in DIMENSIONS:
        parts = splits.get(name, [])
        for row in _named(parts, delta, metric)[:1] if len(parts) > 1 else []:
            surprise = min(row["contribution"] / delta, 1.0) - _weight(row, parts)
            if surprise > best + 1e-9:
                best, found = surprise, name
    return found


def _named(parts: Sequence[Row], delta: float, metric: Metric) -> list[Row]:
    """Parts that moved the number the way it went, the largest first; of speed those with answers enough to tell."""
    same = [row for row in parts if row["contribution"] * delta > 0]
    if metric.denominator:
        same = [row for row in same if max(row["n"], row["base_n"]) >= _LEAST]
    return sorted(same, key=lambda row: (-abs(row["contribution"]), row["part"]))


def _weight(row: Row, parts: Sequence[Row]) -> float:
    """Which share of the usual the part is."""
    whole = sum(one["base_n"] for one in parts)
    return float(row["base_n"] / whole) if whole else 0.0


def _parts_text(metric: Metric, parts: Sequence[Row], delta: float, dimension: str, facts: Facts) -> str:
    """«: 4 мин из них — Вячеслав после 17:00, ещё 1 мин — Асель»; empty where no part stands out."""
    top = _named(parts, delta, metric)[:2] if dimension else []
    # what rounds to nothing is no part of a sentence
    top = [row for row in top if abs(row["contribution"]) >= 0.1 * abs(delta)]
    if not top:
        return ""
    names = [part_label(dimension, row["part"], row["part_label"]) for row in top]
    if abs(sum(row["contribution"] for row in top)) > abs(delta) * 1.001:
        said = [f"{name} ({_signed(metric, row['contribution'], facts)})" for name, row in zip(names, top, strict=True)]
        return f": сильнее всего — {' и '.join(said)}"
    amounts = [_amount(metric, abs(row["contribution"]), facts) for row in top]
    first = f": {amounts[0]} из них — {names[0]}"
    return first + (f", ещё {amounts[1]} — {names[1]}" if len(top) > 1 else "")


def _shown_parts(metric: Metric, dimension: str, parts: Sequence[Row], facts: Facts) -> list[dict[str, Any]]:
    """The largest parts by name, the rest of them as one: together they are the difference."""
    ordered = sorted(parts, key=lambda row: (-abs(row["contribution"]), row["part"]))
    shown_rows = [
        {
            "part": row["part"],
            "name": shown(str(row["part_label"]), 60) if dimension in ("manager", "stage") else _name(dimension, row),
            "label": part_label(dimension, row["part"], row["part_label"]),
            "contribution": row["contribution"],
            "display": _signed(metric, row["contribution"], facts),
            "value_display": _alone(metric, row["part_value"], facts),
            "base_display": _alone(metric, row["part_base"], facts),
            "n": row["n"],
        }
        for row in ordered[:_PARTS]
    ]
    if rest := ordered[_PARTS:]:
        total = sum(row["contribution"] for row in rest)
        shown_rows.append(
            {"part": None, "label": _REST, "contribution": total, "display": _signed(metric, total, facts), "n": sum(row["n"] for row in rest)}
        )  # fmt: skip
    return shown_rows


def _name(dimension: str, row: Row) -> str:
    """Of a manager's hours, the manager."""
    return shown(str(row["part_label"]).rpartition(" ")[0], 60) if dimension == "manager_hours" else ""


def part_label(dimension: str, part: str, name: str) -> str:
    """«Вячеслав», «Вячеслав после 17:00», «с 9 до 13», «новые клиенты», «WhatsApp»."""
    if dimension == "hours":
        return _HOURS.get(part, part)
    if dimension == "clients":
        return _CLIENTS.get(part, part)
    if dimension == "manager_hours":
        who, _, block = part.rpartition("/")
        return f"{shown(name.rpartition(' ')[0], 60) if who else _NOBODY['manager']} {_HOURS.get(block, block)}"
    if not part:
        return _NOBODY.get(dimension, "неизвестно")
    if dimension == "channel":
        return _CHANNELS.get(part, shown(part, 30))
    return f"этап «{shown(name, 60)}»" if dimension == "stage" else shown(name, 60)


def _amount(metric: Metric, value: float, facts: Facts) -> str:
    """A difference in its unit; of shares in points."""
    if metric.unit == "share":
        return f"{russian.number(value * 100, 0 if value >= 0.1 else 1)}{russian.NBSP}п.{russian.NBSP}п."
    if metric.unit == "count":
        return russian.number(value, 0 if value >= 10 or float(value).is_integer() else 1)
    return figures.show(metric, value, facts.currency)


def _signed(metric: Metric, value: float, facts: Facts) -> str:
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return sign + _amount(metric, abs(value), facts)


def _alone(metric: Metric, value: float | None, facts: Facts) -> str:
    return "" if value is None else figures.show(metric, value, facts.currency)
