"""The metric layer of the follow-up: named metrics with two filters, a manager and a period.

A :class:`Pick` comes from a model (strict JSON, validated here) or from the words of the question. Code computes it from
the marts and renders it; neither ever sees SQL made by a model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.reading.normalisation import folded, name_stem
from analysis.report.numbers import figures
from analysis.report.page_text import number_line
from synkro.core import russian
from synkro.database import db
from synkro.metrics import queries
from synkro.metrics.metric import Metric
from synkro.metrics.registry import REPORTED, of_manager
from synkro.reporting.body import Manager
from synkro.reporting.reports import Report

#: the window of the report, the one before it, the usual same weekday
PERIODS = ("report", "previous", "usual")


@dataclass(frozen=True)
class Answer:
    """What to say and what it stands on: claims with quotes, or the numbers used."""

    text: str
    evidence: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Pick:
    """``metric``: a column of the registry's ``REPORTED``; ``manager``: an id of the report's managers, or empty."""

    metric: str
    manager: str = ""
    period: str = "report"


#: how people ask for a metric, in folded text; the first match wins, so the narrower ones come first
_ASKED = tuple(
    (metric.column, re.compile(metric.asked))
    for metric in sorted(REPORTED.values(), key=lambda metric: metric.asked_place)
    if metric.asked
)
_PREVIOUS = re.compile(
    r"в прошл\w{1,20} раз|прошл\w{1,20} (?:период|отчет|день|недел|месяц)|накануне|днем раньше|(?<!по)завчера|\bвчера"
)
_USUAL = re.compile(r"\bобычн\w{1,20}|как правило|в среднем|нормальн\w{1,20} (?:уровень|значен)")
_LIST = re.compile(r"\bкто\b|\bкаки[ех]\b|\bпочему\b|\bу кого\b")


def manager_in(report: Report, asked: str) -> Manager | None:
    """The report's manager whose name, in any case, stands in the folded question."""
    for row in report.body.managers:
        for word in row.name.split():
            if len(word) >= 3 and re.search(rf"\b{name_stem(folded(word))}\b", asked):
                return row
    return None


def by_words(report: Report, asked: str) -> Pick | None:
    """The metric the folded question names, without a model."""
    if is_list(asked):
        return None
    key = next((key for key, pattern in _ASKED if pattern.search(asked)), None)
    if key is None:
        return None
    manager = manager_in(report, asked)
    # «вчера» is the day of the report itself to most who ask: only a clear word moves the period
    period = (
        "usual" if _USUAL.search(asked) else "previous" if _PREVIOUS.search(asked.replace("вчера", "")) else "report"
    )
    return Pick(key, str(manager.manager_id) if manager else "", period)


def is_list(asked: str) -> bool:
    """«Кто», «какие», «почему»: a question for the report's sections and for the search, not for a number."""
    return _LIST.search(asked) is not None


def registry() -> list[dict[str, str]]:
    """What a model may choose from: key and meaning."""
    return [{"key": metric.column, "means": metric.short_label("ru")} for metric in REPORTED.values()]


def validated(raw: Mapping[str, Any], managers: Sequence[str]) -> Pick | None:
    """A model's choice, or None for «none of these» and for anything that is not in the registry.

    ``managers``: ids in the order of the tokens М1, М2 … that stood for their names.
    """
    metric, manager, period = raw.get("metric"), raw.get("manager") or "", raw.get("period") or "report"
    if metric not in REPORTED or period not in PERIODS:
        return None
    if manager == "":
        return Pick(str(metric), "", str(period))
    found = re.fullmatch(r"М(\d{1,3})", str(manager))
    if found is None or not 1 <= int(found[1]) <= len(managers):
        return None
    return Pick(str(metric), managers[int(found[1]) - 1], str(period))


def compute(connection: db.Connection, report: Report, pick: Pick) -> Answer:
    """The number as code renders it; «Не знаю: …» when the marts do not have it."""
    metric = REPORTED[pick.metric]
    label = metric.short_label("ru")
    if pick.manager:
        return _of_manager(report, pick)
    if pick.period == "report":
        row = next((r for r in report.body.numbers if r.key == metric.column), None)
        if row is None:
            return _unknown(label, _when(report))
        return _number(metric, row.value, row.label, f"{number_line(row)}. Период: {_when(report)}.")
    currency = (report.metadata or {}).get("currency")
    if pick.period == "usual":
        value = queries.usual(connection, report.tenant_id, report.window).get(metric.column)
        when = "обычно, по последним таким же дням"
    else:
        before = queries.history(connection, report.tenant_id, report.window, days=2)
        last = before[-2] if len(before) > 1 else {}
        value = last.get(metric.column)
        when = f"прошлый период, до {russian.day(_date(last['label_date']))}" if last else "прошлый период"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return _unknown(label, when)
    now = next((r.display for r in report.body.numbers if r.key == metric.column), None)
    text = f"{label}, {when}: {figures.show(metric, value, currency)}."
    return _number(metric, value, label, text + (f" В этом отчёте: {now}." if now else ""))


def _number(metric: Metric, value: Any, label: str, text: str) -> Answer:
    return Answer(text, [{"section": "numbers", "metric": metric.column, "value": value, "text": label}])


def _of_manager(report: Report, pick: Pick) -> Answer:
    row = next((r for r in report.body.managers if str(r.manager_id) == pick.manager), None)
    if row is None:
        return Answer("Не знаю: в данных этого отчёта нет такого менеджера.")
    evidence = [{"section": "managers", "manager_id": row.manager_id, "text": row.text}]
    known = of_manager(pick.metric)
    value = row.facts.get(known.column) if known else None
    few = known is not None and known.is_too_few(row.facts.get(known.denominator))
    if known is None or few or pick.period != "report" or not isinstance(value, int | float):
        return Answer(f"{row.name}: {row.text}. Период: {_when(report)}.", evidence)
    told = f"{known.label_ru.lower()} — {figures.show(known, value, None)}"
    return Answer(f"{row.name}: {told}. Всего: {row.text}. Период: {_when(report)}.", evidence)


def manager_answer(report: Report, row: Manager) -> Answer:
    """All that is known of one manager."""
    evidence = [{"section": "managers", "manager_id": row.manager_id, "text": row.text}]
    return Answer(f"{row.name}: {row.text}. Период: {_when(report)}.", evidence)


def _unknown(label: str, when: str) -> Answer:
    return Answer(f"Не знаю: в данных нет показателя «{label}» за {when}.")


def _when(report: Report) -> str:
    return russian.period(report.period_start, report.period_end)


def _date(value: Any) -> Any:
    from datetime import date

    return date.fromisoformat(value) if isinstance(value, str) else value
