"""«Вчера советовали 3: сделано 2, снято 1»: what became of the cases the last report of a day advised.

Done is said of a case alone whose row proves it; a person's word is told apart.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from analysis.report.actions import group_of, text_of
from analysis.report.inputs import Facts
from synkro.core import phones, russian
from synkro.reporting.cases import Case

_STATES = {"done": "done", "recurred": "done", "dismissed": "dismissed", "expired": "expired"}
_COUNTED = {
    "done": "сделано",
    "dismissed": "снято",
    "open": "не сделано",
    "expired": "устарело",
    "gone": "больше не считается",
}
_REASONS = {"done": "сделано, со слов", "no_reply_needed": "ответ не нужен", "not_relevant": "не актуально"}


def build(facts: Facts, period_end: date) -> dict[str, Any] | None:
    """The advice with its states; None where nothing was advised."""
    if not facts.advised or facts.looked_at is None:
        return None
    items = [_item(case_id, case, facts) for case_id, case in facts.advised]
    counts = {state: sum(item["state"] == state for item in items) for state in _COUNTED}
    day = facts.advised_for
    # the report of the evening before is read in the morning: its advice was for the day this one is about
    is_yesterday = day is not None and period_end - day <= timedelta(days=1)
    when = "Вчера" if is_yesterday or day is None else f"В отчёте за {russian.day(day)}"
    told = ", ".join(f"{_COUNTED[state]} {n}" for state, n in counts.items() if n)
    return {
        "date": day.isoformat() if day else None,
        "text": f"{when} советовали {len(items)}: {told}",
        "done": counts["done"],
        "dismissed": counts["dismissed"],
        "of": len(items),
        "items": items,
    }


def _item(case_id: str, case: Case | None, facts: Facts) -> dict[str, Any]:
    assert facts.looked_at is not None
    if case is None:
        # two clients turned out to be one, or the row that opened it is gone
        return {"case_id": case_id, "state": "gone", "text": "Случая больше нет: данные изменились"}
    state = _STATES.get(case.state, "open")
    until = case.closed_at or facts.looked_at
    return {
        "case_id": case_id,
        "state": state,
        "text": text_of(case, group_of(case), until),
        "client": phones.person(case.client_name, None) if case.client_id else "",
        "who": case.manager_name or "",
        "note": _REASONS.get(case.dismissed_reason or "", "") if state == "dismissed" else "",
        "dialog_id": case.closed_by_dialog_id or case.dialog_id,
        "message_id": case.closed_by_message_id or case.evidence_message_id,
        "deal_id": case.deal_id,
        "proof": _proof(case) if state == "done" else "",
    }


def _proof(case: Case) -> str:
    """What the row that proves it is."""
    if case.closed_by_message_id:
        return "message"
    if case.closed_by_task_id:
        return "task"
    return "call" if case.closed_by_event_id and case.kind in ("wait_overdue", "won_complaint") else "deal"
