"""Waits and sessions of each client: one pass over messages and calls in order of time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.transforms.oracle.people import People, person
from tests.transforms.oracle.raw import Company
from tests.transforms.oracle.talk import Message, by_client

ABANDONED_AFTER = timedelta(days=7)
CALL_SECONDS = 15


@dataclass
class Call:
    client_id: str
    at: datetime
    id: str
    author_id: str | None


@dataclass
class Wait:
    opening: Message
    last_client_at: datetime
    session_id: str
    responsible: str | None
    is_first: bool = False
    closed_at: datetime | None = None
    closed_by: str | None = None
    replied_by: str | None = None
    #: dialog (none of a call) and id of the row that answered
    answer: tuple[str | None, str] | None = None
    dismissed_by: str | None = None

    @property
    def wait_id(self) -> str:
        return self.opening.key

    @property
    def opened_at(self) -> datetime:
        return self.opening.sent_at

    @property
    def expires_at(self) -> datetime:
        return self.opened_at + ABANDONED_AFTER

    @property
    def is_answered(self) -> bool:
        return self.closed_by not in (None, "abandoned", "dismissed")

    def close(self, at: datetime, by: str, author: str | None = None) -> None:
        self.closed_at, self.closed_by, self.replied_by = at, by, author

    def dismiss(self, at: datetime, by: str) -> None:
        self.closed_at, self.closed_by, self.dismissed_by = at, "dismissed", by


@dataclass
class Session:
    session_id: str
    client_id: str
    messages: list[Message]
    waits: list[Wait]

    @property
    def initiated_by(self) -> str | None:
        return next((message.kind for message in self.messages if message.kind != "system"), None)


def calls(company: Company, people: People) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = defaultdict(list)
    for note in company.notes:
        payload = note["payload"]
        if note["note_type"] not in ("call_in", "call_out") or payload["params"]["duration"] < CALL_SECONDS:
            continue
        if note["entity_type"] == "contacts":
            client_id = people.client_of_contact.get(note["entity_id"])
        else:
            deal = people.deals.get(note["entity_id"])
            client_id = deal.client_id if deal else None
        author = person(payload.get("created_by")) or person(payload.get("responsible_user_id"))
        if client_id is not None:
            found[client_id].append(Call(client_id, note["created_at"], str(note["id"]), author))
    return found


def _word(company: Company, wait: Wait) -> tuple[datetime, str] | None:
    """When somebody said last that the wait needs no answer, unless it was taken back; and who."""
    words = [mark for mark in company.marks if mark["case_id"] == f"wait_overdue:{wait.wait_id}"]
    if not words or words[-1]["mark"] != "dismissed":
        return None
    return max(words[-1]["marked_at"], wait.opened_at), words[-1]["decided_by"]


def talks(company: Company, people: People, found: list[Message], as_of: datetime) -> tuple[list[Wait], list[Session]]:
    """``as_of``: the latest watermark; what stood open for seven days by then is abandoned."""
    waits: list[Wait] = []
    sessions: list[Session] = []
    answered_by_phone = calls(company, people)
    gap = timedelta(hours=company.settings.session_gap_hours)
    for client_id, said in by_client(found).items():
        # a call stands among the messages of its moment by its id
        steps: list[tuple[datetime, bytes, Message | Call]] = [
            (message.sent_at, message.message_id.encode(), message) for message in said
        ]
        steps += [(call.at, call.id.encode(), call) for call in answered_by_phone[client_id]]
        steps.sort(key=lambda step: step[:2])
        open_wait: Wait | None = None
        last: Message | None = None
        # whoever waits is waiting until the very moment of the answer
        waiting_until: datetime | None = None
        for at, _, step in steps:
            # what a person said ends the wait, and the next question opens another
            if open_wait and (word := _word(company, open_wait)) and word[0] < at and word[0] <= open_wait.expires_at:
                open_wait.dismiss(*word)
                open_wait = None
            is_over = open_wait is not None and at > open_wait.expires_at
            if open_wait and is_over and (isinstance(step, Call) or step.kind == "manager" or step.needs_reply):
                open_wait.close(open_wait.expires_at, "abandoned")
                open_wait = None
            if isinstance(step, Call):
                if open_wait:
                    open_wait.close(at, "call", step.author_id or people.responsible(client_id, at))
                    open_wait.answer = (None, step.id)
                    open_wait, waiting_until = None, at
                continue
            is_waiting = (open_wait is not None and not is_over) or waiting_until == at
            if last is None or (not is_waiting and at - last.sent_at > gap):
                sessions.append(Session(step.key, client_id, [], []))
            session = sessions[-1]
            session.messages.append(step)
            step.session_id = session.session_id
            last = step
            if step.kind == "client":
                if open_wait:
                    open_wait.last_client_at = at if not is_over else open_wait.last_client_at
                elif step.needs_reply:
                    open_wait = Wait(step, at, session.session_id, people.responsible(client_id, at))
                    session.waits.append(open_wait)
                    waits.append(open_wait)
            elif step.kind == "manager" and open_wait:
                where = "manager" if step.dialog_id == open_wait.opening.dialog_id else "other_channel"
                open_wait.close(at, where, step.author_id)
                open_wait.answer = (step.dialog_id, step.message_id)
                open_wait = None
        if open_wait and (word := _word(company, open_wait)) and word[0] <= open_wait.expires_at:
            open_wait.dismiss(*word)
        elif open_wait and as_of >= open_wait.expires_at:
            open_wait.close(open_wait.expires_at, "abandoned")
    for session in sessions:
        if session.waits:
            session.waits[0].is_first = session.initiated_by == "client"
    return waits, sessions
