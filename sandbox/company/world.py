"""The company seen at a moment: what the servers read, the few edits a test makes, and the oracle of what must arrive.

Nothing here knows about HTTP. Every reader takes the clock's ``now`` and sees only what has happened by then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import RLock
from typing import Any
from uuid import uuid4

from sandbox.company.model import (
    Change,
    Chat,
    Company,
    Contact,
    Deal,
    Event,
    Manager,
    Message,
    Note,
    RadistContact,
    Task,
)
from sandbox.company.story import ulid


@dataclass(frozen=True, slots=True)
class Expected:
    """What an extractor of the window ``[start, end)`` must end up with; ids and Unix seconds."""

    messages: dict[int, list[str]]  # chat id -> ids in order of time
    chats: dict[int, datetime]  # chat id -> its last message inside the window
    leads: dict[int, int]  # id -> updated_at
    contacts: dict[int, int]
    deleted_leads: dict[int, int]
    events: list[str]
    notes: list[int]
    tasks: list[int]


class World:
    """A company and a clock. ``clock`` returns an aware datetime; without one it is the real time."""

    def __init__(self, company: Company, clock: Callable[[], datetime] | None = None) -> None:
        self.company = company
        self.clock = self._running = clock or (lambda: datetime.now(UTC))
        self.lock = RLock()
        self.deals: dict[int, Deal] = {row.id: row for row in company.deals}
        self.contacts: dict[int, Contact] = {row.id: row for row in company.contacts}
        self.chats: dict[int, Chat] = {row.id: row for row in company.chats}
        self.managers: dict[int, Manager] = {row.id: row for row in company.managers}
        self.events_by_id: dict[str, Event] = {row.id: row for row in company.events}
        self.event_times = [row.created_at for row in company.events]
        self.deals_of_contact: dict[int, list[int]] = {}
        for deal in company.deals:
            for contact_id in deal.contact_ids:
                self.deals_of_contact.setdefault(contact_id, []).append(deal.id)
        self._talking: tuple[Any, list[tuple[RadistContact, list[Chat], datetime]]] = (None, [])
        self.tasks_of_deal: dict[int, list[Task]] = {}
        for task in company.tasks:
            self.tasks_of_deal.setdefault(task.deal_id, []).append(task)

    def now(self) -> datetime:
        return self.clock().astimezone(UTC)

    def set_now(self, moment: datetime | None) -> None:
        """Stop the clock at a moment, or let it run again."""
        self.clock = self._running if moment is None else (lambda: moment)

    # --- what is visible ----------------------------------------------------------------------------------------

    def messages(self, chat: Chat, now: datetime | None = None) -> list[Message]:
        """Messages of one dialog up to now, oldest first."""
        return chat.messages[: bisect_right(chat.times, now or self.now())]

    def talking(self, now: datetime) -> list[tuple[RadistContact, list[Chat], datetime]]:
        """Radist contacts that have written or been written to, with their visible dialogs and the last moment.

        Worked out once a moment of a stopped clock: a listing of seventy pages asks seventy times.
        """
        key = (now, Chat.settled, len(self.company.radist_contacts))
        if self._talking[0] == key:
            return self._talking[1]
        rows: list[tuple[RadistContact, list[Chat], datetime]] = []
        for contact in self.company.radist_contacts:
            chats = [chat for chat in contact.chats if chat.times and chat.times[0] <= now]
            if chats:
                last = max(chat.times[bisect_right(chat.times, now) - 1] for chat in chats)
                rows.append((contact, chats, last))
        self._talking = key, rows
        return rows

    def events(self, now: datetime, start: datetime | None = None, end: datetime | None = None) -> list[Event]:
        """The CRM's log from ``start`` to ``end`` (both included, as the vendor does it), oldest first."""
        low = bisect_left(self.event_times, start) if start else 0
        high = bisect_right(self.event_times, min(end, now) if end else now)
        return self.company.events[low:high]

    def notes(self, entity_type: str, now: datetime) -> list[Note]:
        return [row for row in self.company.notes if row.entity_type == entity_type and row.created_at <= now]

    def tasks(self, now: datetime) -> list[Task]:
        return [row for row in self.company.tasks if row.created_at <= now]

    def closest_task(self, deal_id: int, now: datetime) -> datetime | None:
        """Deadline of the nearest open task of a deal."""
        rows = self.tasks_of_deal.get(deal_id, ())
        return min(
            (t.due_at for t in rows if t.created_at <= now and not (t.done_at and t.done_at <= now)),
            default=None,
        )

    # --- edits of a test ----------------------------------------------------------------------------------------

    def edit_lead(self, lead_id: int, *, by: int = 0, **values: Any) -> None:
        """Change fields of a deal now (``price``, ``status_id``, …); with no field it is only touched."""
        with self.lock:
            self.deals[lead_id].history.add(Change(self.now(), by, values))

    def delete_lead(self, lead_id: int, *, by: int = 0) -> None:
        """Put a deal into the recycle bin now; the log says so."""
        with self.lock:
            self.deals[lead_id].history.add(Change(self.now(), by, {"is_deleted": True}))
            self._log_of_lead("lead_deleted", lead_id, by)

    def merge_leads(self, survivor_id: int, loser_id: int, *, by: int = 0) -> None:
        """Merge two deals now: the loser leaves every list and the bin; the log names both."""
        with self.lock:
            now = self.now()
            self.deals[loser_id].history.add(Change(now, by, {"is_deleted": True, "is_merged": True}))
            self.deals[survivor_id].history.add(Change(now, by, {}))
            pair = [{"entity": {"type": "lead", "id": id}} for id in (survivor_id, loser_id)]
            self._log_of_lead("entity_merged", survivor_id, by, pair[:1], pair[1:])

    def _log_of_lead(self, type: str, lead_id: int, by: int, after: Any = (), before: Any = ()) -> None:
        now = self.now()
        at = now.replace(microsecond=0)
        self._log(Event(ulid(now, uuid4().hex), type, "lead", lead_id, by, at, list(after), list(before)))

    def say(
        self,
        chat_id: int,
        text: str | None,
        *,
        kind: str = "client",
        type_: str = "text",
        at: datetime | None = None,
        author_id: int | None = None,
    ) -> Message:
        """Add a message to a dialog; ``at`` in the past is a late arrival. A CRM dialog is logged there too."""
        with self.lock:
            chat, moment = self.chats[chat_id], at or self.now()
            message = Message(
                str(uuid4()),
                chat_id,
                moment,
                kind,
                type_,
                text,
                author_id=author_id,
                crm_author=author_id or 0,
            )
            chat.messages.append(message)
            chat.settle()
            if chat.crm_contact_id is not None:
                entity, entity_id = ("lead", chat.deal_id) if chat.deal_id else ("contact", chat.crm_contact_id)
                type_name = "incoming_chat_message" if kind == "client" else "outgoing_chat_message"
                after = [{"message": {"id": str(uuid4()), "talk_id": chat.id % 10_000_000, "origin": "radist"}}]
                second = moment.replace(microsecond=0)
                event = Event(
                    ulid(second, message.id),
                    type_name,
                    entity,
                    entity_id,
                    author_id or 0,
                    second,
                    after,
                    [],
                    chat.crm_contact_id,
                )
                self._log(event)
            return message

    def _log(self, event: Event) -> None:
        at = bisect_right(self.event_times, event.created_at)
        self.company.events.insert(at, event)
        self.event_times.insert(at, event.created_at)
        self.events_by_id[event.id] = event

    # --- the oracle ---------------------------------------------------------------------------------------------

    def expected(self, start: datetime, end: datetime) -> Expected:
        """Everything of the window ``[start, end)`` that has happened by now, computed from the company itself."""
        now = self.now()
        inside: Callable[[datetime], bool] = lambda at: start <= at < end and at <= now  # noqa: E731
        messages = {c.id: [m.id for m in c.messages if inside(m.at)] for c in self.company.chats}
        messages = {chat_id: ids for chat_id, ids in messages.items() if ids}
        last = {chat_id: max(m.at for m in self.chats[chat_id].messages if inside(m.at)) for chat_id in messages}
        leads = dict(self._updated(self.company.deals, inside, now, deleted=False))
        return Expected(
            messages=messages,
            chats=last,
            leads=leads,
            contacts=dict(self._updated(self.company.contacts, inside, now, deleted=False)),
            deleted_leads=dict(self._updated(self.company.deals, inside, now, deleted=True)),
            events=[e.id for e in self.events(now) if inside(e.created_at)],
            notes=[n.id for n in self.company.notes if inside(n.created_at)],
            tasks=[t.id for t in self.company.tasks if inside(task_updated(t, now))],
        )

    @staticmethod
    def _updated(
        rows: Iterable[Deal | Contact], inside: Callable[[datetime], bool], now: datetime, *, deleted: bool
    ) -> Iterable[tuple[int, int]]:
        for row in rows:
            state = row.history.state(now)
            if state and state["is_deleted"] is deleted and inside(state["updated_at"].replace(microsecond=0)):
                yield row.id, int(state["updated_at"].timestamp())


def task_updated(task: Task, now: datetime) -> datetime:
    """A task changes twice: when it is made and when it is done."""
    return task.done_at if task.done_at and task.done_at <= now else task.created_at
