"""What became of each promise: the first row after it that keeps it, looked for one by one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.transforms.oracle.people import People
from tests.transforms.oracle.raw import Company, Row
from tests.transforms.oracle.talk import Message, by_client
from tests.transforms.oracle.tasks import fct_tasks

TALK = 15
PROMISES = {"promise": "manager", "client_promise": "client"}


@dataclass
class Happened:
    """A message, a call, a task or a won deal of one client; whatever else happened at a moment stands before its messages."""

    at: datetime
    #: message, call, task or deal
    kind: str
    ref: str
    dialog_id: str = ""
    message: Message | None = None

    @property
    def order(self) -> tuple[Any, ...]:
        place = {"call": 0, "message": 2}.get(self.kind, 1)
        return self.at, place, self.ref.encode(), self.dialog_id.encode(), self.kind


def fct_promises(
    company: Company, people: People, found: list[Message], as_of: datetime
) -> dict[tuple[Any, ...], Row]:
    acts: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for act in company.acts:
        acts[act["dialog_id"], act["message_id"]].append(act)
    table: dict[tuple[Any, ...], Row] = {}
    for client, said in by_client(found).items():
        events = _events(company, people, client, said)
        made = [
            (event, act)
            for event in events
            if event.message
            for act in acts[event.dialog_id, event.ref]
            if PROMISES.get(act["act"]) == event.message.kind
        ]
        for event, act in made:
            assert event.message is not None
            later = [one for one in events if one.order > event.order]
            proof = next((one for one in later if _keeps(act, one, acts)), None)
            newer = next(
                (one for one, other in made if one.order > event.order and _same(other, act)), None
            )
            if newer and newer.at < act["due_at"] and (proof is None or newer.order < proof.order):
                state, proof = "superseded", None
            elif proof is not None:
                state = "kept" if proof.at <= act["due_at"] else "late"
            else:
                state = "broken" if as_of > act["due_at"] else "due"
            kind = proof.kind if proof else None
            table[f"{event.dialog_id}:{event.ref}:{act['what']}",] = {
                "dialog_id": event.dialog_id,
                "client_id": client,
                "who": event.message.kind,
                "what": act["what"],
                "made_at": event.at,
                "due_at": act["due_at"],
                "kept_at": proof.at if proof else None,
                "state": state,
                "message_id": event.ref,
                "manager_id": event.message.author_id,
                "kept_by": kind,
                "kept_by_dialog_id": proof.dialog_id if proof and kind == "message" else None,
                "kept_by_message_id": proof.ref if proof and kind == "message" else None,
                "kept_by_event_id": proof.ref if proof and kind != "message" else None,
            }
    return table


def _events(company: Company, people: People, client: str, said: list[Message]) -> list[Happened]:
    events = [
        Happened(one.sent_at, "message", one.message_id, one.dialog_id, one) for one in said if one.kind in ("manager", "client")
    ]
    for note in company.notes:
        deal = people.deals.get(note["entity_id"]) if note["entity_type"] == "leads" else None
        whose = deal.client_id if deal else people.client_of_contact.get(note["entity_id"])
        if whose == client and note["payload"]["params"]["duration"] >= TALK:
            events.append(Happened(note["created_at"], "call", str(note["id"])))
    for (task,), row in fct_tasks(company, people).items():
        if row["client_id"] == client and row["completed_at"]:
            events.append(Happened(row["completed_at"], "task", task))
    for deal in people.deals_of[client]:
        if deal.stage_kind == "won" and deal.closed_at:
            events.append(Happened(deal.closed_at, "deal", deal.deal_id))
    return sorted(events, key=lambda event: event.order)


def _same(one: Row, other: Row) -> bool:
    return (one["act"], one["what"]) == (other["act"], other["what"])


def _keeps(promise: Row, event: Happened, acts: dict[tuple[str, str], list[Row]]) -> bool:
    what, message = promise["what"], event.message
    if what == "call":
        return event.kind == "call"
    if event.kind == "deal":
        return (promise["act"], what) in (("promise", "delivery"), ("client_promise", "payment"))
    if message is None:
        return event.kind == "task" and promise["act"] == "promise" and what not in ("document", "photo")
    if message.kind != PROMISES[promise["act"]]:
        return False
    does = {act["act"] for act in acts[event.dialog_id, event.ref]}
    if what in ("document", "photo"):
        return message.has_media
    if what == "payment" and promise["act"] == "client_promise":
        return message.has_media or "payment_claimed" in does
    return message.has_media or not does or bool(does - set(PROMISES))
