"""With what the numbers are compared, in words: «по 4 средам», «по 22 рабочим дням до этого», «неделей раньше»."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from analysis.report.inputs import Facts
from synkro.core import russian
from synkro.metrics.queries import Baseline

_WEEKDAYS = ("понедельникам", "вторникам", "средам", "четвергам", "пятницам", "субботам", "воскресеньям")


def over(baseline: Baseline, day: date | None) -> str:
    """Of what the usual is told; ``day``: the business date of the window."""
    n = baseline.windows
    if baseline.unit == "working_days":
        days = baseline.working_days or 0
        return f"по {russian.count(days, 'рабочему дню', 'рабочим дням', 'рабочим дням')} до этого"
    if baseline.unit == "weekday":
        return f"по {russian.number(n)}{russian.NBSP}" + (_WEEKDAYS[day.weekday()] if day else "таким же дням")
    return f"по {russian.number(n)}{russian.NBSP}" + ("неделям" if baseline.unit == "week" else "таким же периодам")


def before(baseline: Baseline) -> str:
    return "месяцем раньше" if baseline.unit == "month" else "неделей раньше"


def told(facts: Facts, usual: float | None) -> dict[str, Any]:
    """What a line of numbers says of its usual; nothing where there is none."""
    if usual is None or not facts.baseline.windows:
        return {}
    return {"usual_n": facts.baseline.windows, "usual_of": over(facts.baseline, day_of(facts))}


def day_of(facts: Facts) -> date | None:
    label: Any = facts.numbers.get("label_date")
    if isinstance(label, str):
        return date.fromisoformat(label)
    return label if isinstance(label, date) and not isinstance(label, datetime) else None
