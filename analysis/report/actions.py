"""«Сделать сегодня»: which open cases come first, and what to do about each in words.

The order is by class: money that is claimed as paid, a complaint, a promise, a client who waits, one who asks to buy, an offer
without an answer, a deal that stands, a deal without a task. Inside a class by money × urgency × chance (:func:`score`). One
action a client. A case that an earlier report advised comes back only when it got worse (:func:`is_worse`), after the others of
its class. Pure: the same cases at the same moment give the same list; ties go by id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from analysis.reading.normalisation import shown
from analysis.report.claims import Claims
from analysis.report.context import DialogReading
from analysis.report.inputs import Facts
from synkro.core import phones, russian
from synkro.reporting.body import Action
from synkro.reporting.cases import Case

MOST = 10
#: what a report advises: as many as a person does in a day
SHOWN = 3
#: characters of the client's line beside an action
_QUOTE = 90
_NOBODY = "Без ответственного"
#: the classes, first things first
_ORDER = ("payment", "complaint", "promise", "wait", "buyer", "offer", "stuck", "task")
_CLASS = {
    "promise_due": "promise", "won_complaint": "complaint", "wait_overdue": "wait", "unmatched_buyer": "buyer",
    "offer_silence": "offer", "deal_stuck": "stuck", "deal_without_task": "task",
}  # fmt: skip
_COMPLAINTS = ("complaint", "refund")
_DAY = timedelta(days=1)
#: days after which half of the chance is gone: people forget a talk sooner than a deal
_HALF_LIFE = {"stuck": 30.0, "task": 30.0}
_TALK_HALF_LIFE = 7.0
#: days of being late that make a case more urgent
_LATEST = 3.0
_PROMISED = {
    "document": "документ", "call": "звонок", "price": "цена", "photo": "фото", "discount": "скидка",
    "delivery": "доставка", "answer": "ответ",
}  # fmt: skip


@dataclass(frozen=True)
class Ranked:
    """A case in its place, with the client's other open cases."""

    case: Case
    group: str
    score: float
    others: tuple[Case, ...] = ()


def build(
    facts: Facts, readings: Sequence[DialogReading], claims: Claims, timezone: str, repeats: bool = False
) -> list[dict[str, Any]]:
    """The actions, best first. ``repeats``: also what was advised before, for a report that advises nothing itself."""
    if facts.looked_at is None:
        return []
    by_dialog = {found.dialog.dialog_id: found for found in readings}
    ranked = rank(facts.open_cases, facts.looked_at, lambda case: _complains(case, by_dialog), repeats=repeats)
    return [_row(one, facts, by_dialog, claims, timezone) for one in ranked[:MOST]]


def rank(
    cases: Sequence[Case],
    now: datetime,
    complains: Callable[[Case], bool] = lambda case: False,
    *,
    repeats: bool = False,
) -> list[Ranked]:
    """The open cases that are due a mention, first things first, one a client."""
    typical = median([case.money for case in cases if case.money] or [2.0]) / 2
    groups = {case.case_id: group_of(case, complains(case)) for case in cases}

    def place(case: Case) -> tuple[int, bool, float, str]:
        group = groups[case.case_id]
        is_old = case.first_advised_at is not None and not repeats
        return _ORDER.index(group), is_old, -score(case, group, now, typical), case.case_id

    found: dict[str, Ranked] = {}
    for case in sorted(cases, key=place):
        if case.first_advised_at is not None and not repeats and not is_worse(case, now):
            continue
        if case.subject not in found:
            others = tuple(one for one in cases if one.subject == case.subject and one.case_id != case.case_id)
            group = groups[case.case_id]
            found[case.subject] = Ranked(case, group, score(case, group, now, typical), others)
    return list(found.values())


def group_of(case: Case, complains: bool = False) -> str:
    """The class of a case: what the client said meanwhile counts before its kind."""
    if "payment_claimed" in case.acts:
        return "payment"
    return "complaint" if complains or "complaint" in case.acts else _CLASS[case.kind]


def score(case: Case, group: str, now: datetime, typical: float) -> float:
    """Money × urgency × chance.

    Money is the deal's price; without one, half of what the priced cases are typically worth (``typical``). Urgency grows from 1 to
    4 over the first three days after the case opened. Chance halves with each week since the client spoke (a deal: each thirty days).
    """
    urgency = 1 + min(max((now - case.opened_at) / _DAY, 0.0), _LATEST)
    silent = max((now - (case.last_client_at or case.began_at)) / _DAY, 0.0)
    chance = 2 ** (-silent / _HALF_LIFE.get(group, _TALK_HALF_LIFE))
    return float(case.money or typical) * urgency * chance


def is_worse(case: Case, now: datetime) -> bool:
    """Whether a case got worse since it was advised: twice as old and a day older, dearer, the client wrote again, a promise broke."""
    then = case.advised_as_of
    if then is None:
        return True
    return (
        (now - case.began_at >= 2 * (then - case.began_at) and now - then >= _DAY)
        or (case.money or 0) > (case.advised_money or 0)
        or (case.last_client_at is not None and case.last_client_at > then)
        or (case.kind == "promise_due" and case.due_at is not None and then < case.due_at <= now)
    )


def _complains(case: Case, by_dialog: Mapping[str, DialogReading]) -> bool:
    found = by_dialog.get(case.dialog_id or "")
    return (
        found is not None
        and case.client_id is not None
        and any(item.kind in _COMPLAINTS for item in found.reading.risks)
    )


# --- words ------------------------------------------------------------------------------------------------------


def text_of(case: Case, group: str, now: datetime, *, calls: bool = False, refund: bool = False) -> str:
    """What to do, about whom and why, in words that need no form of a name."""
    client = shown(phones.person(case.client_name, None), 60)
    deal = f"сделка «{shown(case.deal_name, 50)}»" if case.deal_name else "сделка"
    age = _age(now - case.began_at)
    if group == "payment":
        return f"Подтвердить оплату: {client}, пишет об оплате, ждёт {age}"
    if group == "complaint":
        return f"{'Решить вопрос о возврате' if refund else 'Разобрать жалобу'}: {client}, ждёт {age}"
    if group == "promise":
        what = _PROMISED.get(case.what or "")
        return f"Выполнить обещание: {client}" + (f", обещано: {what}" if what else "")
    if group == "wait":
        return f"{'Перезвонить' if calls else 'Ответить'}: {client}, ждёт {age}"
    if group == "buyer":
        return f"Завести сделку: {client}, хочет купить, сделки нет {age}"
    if group == "offer":
        after = "расчёта" if case.what == "file" else "цены"
        return f"Напомнить о себе: {client}, молчит после {after} {age}"
    if group == "stuck":
        where = f" в этапе «{shown(case.stage, 40)}»" if case.stage else ""
        return f"Сдвинуть с места: {deal}, стоит{where} {age}"
    return f"Поставить задачу: {deal}, без задачи {age}"


def as_of(action: Action, now: datetime) -> Action:
    """The action as it is told at this moment: how long it has gone on by now."""
    if not action.stem or action.since is None:
        return action
    return action.model_copy(update={"text": action.stem + _age(now - datetime.fromisoformat(action.since))})


def _age(span: timedelta) -> str:
    """«40 мин», «5 ч», «6 дней»: as exact as a person needs it."""
    minutes = max(span / timedelta(minutes=1), 1.0)
    if minutes < 60:
        return russian.minutes(round(minutes))
    if minutes < 24 * 60:
        return russian.minutes(int(minutes // 60) * 60)
    return russian.count(int(minutes // (24 * 60)), "день", "дня", "дней")


def _why(one: Ranked, now: datetime, timezone: str) -> str:
    case, zone = one.case, ZoneInfo(timezone)
    parts = []
    if case.kind == "promise_due" and case.due_at is not None:
        due = case.due_at.astimezone(zone).date()
        parts.append(f"{'срок прошёл' if case.due_at <= now else 'срок'} {russian.day(due)}")
    if case.first_advised_at is not None:
        days = (now.astimezone(zone).date() - case.first_advised_at.astimezone(zone).date()).days
        parts.append(f"{max(days, 1) + 1}-й день")
    also = [_ALSO[group_of(other)] for other in one.others if group_of(other) != one.group]
    return ", ".join(dict.fromkeys(parts + also))


#: the client's other cases, told in a word
_ALSO = {
    "payment": "пишет об оплате", "complaint": "жалоба", "promise": "ждёт обещанного", "wait": "ждёт ответа", "buyer": "сделки нет",
    "offer": "молчит после цены", "stuck": "сделка стоит", "task": "сделка без задачи",
}  # fmt: skip


def _row(
    one: Ranked, facts: Facts, by_dialog: Mapping[str, DialogReading], claims: Claims, timezone: str
) -> dict[str, Any]:
    case = one.case
    assert facts.looked_at is not None
    found = by_dialog.get(case.dialog_id or "")
    outcome = found.reading.outcome if found is not None else None
    text = text_of(
        case,
        one.group,
        facts.looked_at,
        calls=outcome is not None and outcome.kind == "call",
        refund=found is not None and any(item.kind == "refund" for item in found.reading.risks),
    )
    why = _why(one, facts.looked_at, timezone)
    age = _age(facts.looked_at - case.began_at)
    client, phone = phones.person(case.client_name, None), phones.mask(case.phone) if case.phone else None
    quoted = facts.quotes.get(case.case_id)
    said = f"{text}: {why}" if why else text
    return {
        "case_id": case.case_id,
        "kind": case.kind,
        "who": shown(case.manager_name or _NOBODY, 80),
        "manager_id": case.manager_id,
        "client": shown(client, 80) if case.client_id else "",
        # who is known by a phone alone is not shown twice
        "phone_masked": phone if phone != client else None,
        "text": text,
        "why": why,
        "quote": shown(quoted[2], _QUOTE) if quoted else "",
        "money": case.money,
        "money_display": russian.money(case.money, facts.currency) if case.money else None,
        "dialog_id": case.dialog_id,
        "deal_id": case.deal_id,
        # who was answered meanwhile is told apart
        "wait_ids": [case.case_id.partition(":")[2]] if case.kind == "wait_overdue" else [],
        "only_waits": case.kind == "wait_overdue",
        **({"stem": text.removesuffix(age), "since": case.began_at} if text.endswith(age) else {}),
        "claims": [claims.add("actions", said, quoted[0], (quoted[1],), quoted[2])] if quoted else [],
    }
