"""«Сделать сегодня»: who is to be answered, called or calmed first, and why.

One action a client. Ranked by the money of the open deal and by how long they wait; a complaint and a promise that
falls due weigh as well. Ties go by id, so the same window gives the same list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import log10
from typing import Any

from analysis.reading.models import Item, Promise
from analysis.reading.normalisation import shown
from analysis.report.claims import Claims
from analysis.report.context import DialogReading
from analysis.report.inputs import Facts
from synkro.core import phones, russian
from synkro.metrics.queries import Waiting

MOST = 10
_NOBODY = "Без ответственного"
_WEIGHT = {"refund": 30.0, "complaint": 25.0, "broken_promise": 15.0}
_FIX = {
    "refund": "Решите вопрос о возврате денег",
    "complaint": "Разберите жалобу",
    "broken_promise": "Ответьте по обещанному",
}


@dataclass
class _Case:
    """Everything known about one client who needs something."""

    client_id: str
    client: str
    phone: str | None
    dialog_id: str
    who: str
    manager_id: str | None
    deal_id: str | None
    money: int | None
    text: str = ""
    weight: float = 0.0
    best: float = -1.0
    wait_ids: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    evidence: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)

    def add(self, weight: float, text: str, why: str, evidence: tuple[str, tuple[str, ...], str] | None) -> None:
        """One more reason; the heaviest gives the action its words."""
        self.weight += weight
        if weight > self.best:
            self.text, self.best = text, weight
            self.why.insert(0, why)
        else:
            self.why.append(why)
        if evidence and evidence not in self.evidence:
            self.evidence.append(evidence)

    @property
    def score(self) -> float:
        return self.weight + 10 * log10(1 + (self.money or 0))


def build(facts: Facts, readings: Sequence[DialogReading], claims: Claims, last_day: date) -> list[dict[str, Any]]:
    """The actions, best first. ``last_day``: the report's last date; what is due by the day after counts as due."""
    cases: dict[str, _Case] = {}
    by_dialog = {found.dialog.dialog_id: found for found in readings}
    for wait in facts.waiting:
        _waits(cases, wait, facts, by_dialog.get(wait.dialog_id))
    waiting = {wait.client_id for wait in facts.waiting}
    for found in readings:
        case = _case(cases, found)
        for item in found.reading.risks:
            if item.kind in _WEIGHT and (found.dialog.client_id in waiting or item.kind != "broken_promise"):
                weight = _WEIGHT[item.kind]
                case.add(weight, _FIX[item.kind], _WHY[item.kind], _evidence(found, item))
                break
        for promise in found.reading.promises:
            if promise.who == "manager" and not promise.kept and promise.deadline is not None:
                _due(case, found, promise, last_day)
    ready = [case for case in cases.values() if case.text]
    ready.sort(key=lambda c: (-c.score, c.client_id))
    return [_row(case, facts, claims) for case in ready[:MOST]]


_WHY = {"refund": "требует вернуть деньги", "complaint": "жалуется", "broken_promise": "напоминает об обещании"}


def _case(cases: dict[str, _Case], found: DialogReading) -> _Case:
    d = found.dialog
    if d.client_id not in cases:
        cases[d.client_id] = _Case(
            d.client_id, d.client_name, d.phone, d.dialog_id, d.manager_name or _NOBODY, d.manager_id, d.deal_id,
            d.price if d.stage_kind == "open" else None,
        )  # fmt: skip
    return cases[d.client_id]


def _waits(cases: dict[str, _Case], wait: Waiting, facts: Facts, found: DialogReading | None) -> None:
    case = cases.setdefault(
        wait.client_id,
        _Case(
            wait.client_id, wait.client_name, wait.phone, wait.dialog_id, wait.manager_name or _NOBODY, wait.manager_id,
            wait.deal_id, wait.price,
        ),
    )  # fmt: skip
    quoted = facts.quotes.get(wait.wait_id)
    evidence = (wait.dialog_id, (quoted[0],), quoted[1]) if quoted else None
    late = ", дольше цели" if wait.is_overdue else ""
    weight = min(wait.waiting_minutes / 60, 48.0) / 2 + (10 if wait.is_overdue else 0)
    calls = found is not None and found.reading.outcome is not None and found.reading.outcome.kind == "call"
    text = "Перезвоните клиенту" if calls else "Ответьте клиенту"
    if not calls and not quoted and wait.deal_name:
        text = f"Ответьте клиенту по сделке «{shown(wait.deal_name, 60)}»"
    if quoted and not calls:
        text = f"Ответьте на «{shown(quoted[1], 90)}»"
    why = f"ждёт {russian.minutes(wait.waiting_minutes)}{late}" + (", просит позвонить" if calls else "")
    case.add(weight, text, why, evidence)
    case.wait_ids.append(wait.wait_id)


def _due(case: _Case, found: DialogReading, promise: Promise, last_day: date) -> None:
    assert promise.deadline is not None
    if promise.deadline > last_day + timedelta(days=1):
        return
    when = "срок прошёл" if promise.deadline <= last_day else "срок"
    case.add(
        12.0 if promise.deadline <= last_day else 8.0,
        f"Выполните обещание «{shown(promise.quote, 90)}»",
        f"{when} {russian.day(promise.deadline)}",
        (found.dialog.dialog_id, promise.message_ids, promise.quote),
    )


def _evidence(found: DialogReading, item: Item) -> tuple[str, tuple[str, ...], str]:
    return (found.dialog.dialog_id, item.message_ids, item.quote)


def _row(case: _Case, facts: Facts, claims: Claims) -> dict[str, Any]:
    why = ", ".join(dict.fromkeys(case.why))
    client, phone = phones.person(case.client, None), phones.mask(case.phone) if case.phone else None
    return {
        "who": shown(case.who, 80),
        "manager_id": case.manager_id,
        "client": shown(client, 80),
        # who is known by a phone alone is not shown twice
        "phone_masked": phone if phone != client else None,
        "text": case.text,
        "why": why,
        "money": case.money,
        "money_display": russian.money(case.money, facts.currency) if case.money else None,
        "dialog_id": case.dialog_id,
        "deal_id": case.deal_id,
        "wait_ids": case.wait_ids,
        "only_waits": 0 < len(case.wait_ids) == len(case.why),
        "claims": [claims.add("actions", f"{case.text}: {why}", *evidence) for evidence in case.evidence],
    }
