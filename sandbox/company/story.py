"""One client's story while it is being lived: talking (:mod:`sandbox.company.talk`) and what the CRM notes about it.

It may unfold for ``LONGEST``; :meth:`Story.finish` cuts the rest. The scenarios that use these moves are in
:mod:`sandbox.company.mix`.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sandbox.company import people
from sandbox.company.model import LOST, WON, Arc, Change, Chat, Contact, Deal, Event, Message, Note, Task, Timeline
from sandbox.company.talk import FIRST_STAGE, Cast, Talk
from sandbox.company.verticals import DISTRICT_FIELD, LOSS_REASONS, SOURCE_FIELD, SOURCES, TAGS

_ULID = "0123456789abcdefghjkmnpqrstvwxyz"
_TO_ULID = (_ULID * 8).encode()  # a byte to one of the 32 characters


def ulid(at: datetime, salt: str) -> str:
    """26 lower-case characters that sort by time, like the ids of amoCRM's events."""
    milliseconds = int(at.timestamp() * 1000)
    head = "".join(_ULID[milliseconds >> shift & 31] for shift in range(45, -1, -5))
    return head + hashlib.blake2b(salt.encode(), digest_size=16).digest().translate(_TO_ULID).decode()


class Story(Talk):
    """The moves a play is made of."""

    def __init__(self, cast: Cast, day: date, n: int) -> None:
        super().__init__(cast, day, n)
        self._events = 0
        self._staged: dict[int, datetime] = {}  # moves of one deal never overtake each other

    # --- the CRM ------------------------------------------------------------------------------------------------

    def event(
        self,
        type_: str,
        entity: str,
        entity_id: int,
        by: int,
        at: datetime,
        after: Any = (),
        before: Any = (),
    ) -> Event:
        self._events += 1
        second = at.replace(microsecond=0)
        event = Event(
            ulid(second, f"{self.key}|{self._events}"),
            type_,
            entity,
            entity_id,
            by,
            second,
            list(after),
            list(before),
        )
        self.arc.events.append(event)
        return event

    def contact(
        self, at: datetime, *, name: str | None = None, phones: list[str] | None = None, by: int = 0
    ) -> Contact:
        """A card of a person; raw phones are spelt as people spell them."""
        row = Contact(40_000_000 + self.slot * 4 + len(self.arc.contacts), at, by, Timeline(), [])
        for raw in [people.spell_phone(self.rng, self.phone)] if phones is None else phones:
            row.phones.append((raw, self.rng.choice(("WORK", "MOB", "MOB"))))
        if self.rng.random() < 0.12:
            row.email = f"client{row.id % 100000}@example.test"
        shown = name or (self.phone if self.nick == "~" else self.rng.choice((self.nick, self.full_name)))
        row.history.add(Change(at, by, {"name": shown, "responsible_id": self.manager.id, "is_deleted": False}))
        self.arc.contacts.append(row)
        self.event("contact_added", "contact", row.id, by, at)
        return row

    def deal(
        self,
        at: datetime,
        contacts: list[Contact],
        *,
        price: int = 0,
        by: int = 0,
        pipeline: int = 501,
        status: int = FIRST_STAGE,
    ) -> Deal:
        """A new deal of the story's manager."""
        row = Deal(
            20_000_000 + self.slot * 4 + len(self.arc.deals),
            at,
            by,
            Timeline(),
            [c.id for c in contacts],
            [],
            {},
        )
        name = self.rng.choice(
            (
                f"Сделка #{row.id}",
                self.slots["product"].capitalize(),
                f"Заявка: {self.slots['name']}",
                f"{self.slots['name']}, {self.slots['product']}",
            )
        )
        if self.rng.random() < 0.3:
            row.tags = self.rng.sample(list(TAGS), self.rng.choice((1, 1, 2)))
        if self.rng.random() < 0.6:
            source = self.rng.choice(list(SOURCES))
            row.fields[SOURCE_FIELD] = [{"value": SOURCES[source], "enum_id": source, "enum_code": None}]
        if self.rng.random() < 0.3:
            row.fields[DISTRICT_FIELD] = [{"value": self.slots["district"]}]
        values = {
            "name": name,
            "price": price,
            "status_id": status,
            "pipeline_id": pipeline,
            "responsible_id": self.manager.id,
        }
        row.history.add(Change(at, by, {**values, "loss_reason_id": None, "closed_at": None, "is_deleted": False}))
        self.arc.deals.append(row)
        self.event("lead_added", "lead", row.id, by, at)
        for contact in contacts:
            self.event(
                "entity_linked",
                "lead",
                row.id,
                by,
                at,
                [{"link": {"entity": {"type": "contact", "id": contact.id}}}],
            )
        return row

    def stage(
        self,
        deal: Deal,
        status: int,
        *,
        at: datetime | None = None,
        by: int | None = None,
        reason: str | None = None,
    ) -> None:
        """Move a deal; 142 and 143 close it, a lost deal needs its reason."""
        moment, author = (
            at or self.t + timedelta(minutes=self.rng.uniform(0.5, 30)),
            self.manager.id if by is None else by,
        )
        moment = max(moment, self._staged.get(deal.id, moment) + timedelta(seconds=1))
        old = deal.history.state(moment)
        if not old or old["status_id"] == status or old["closed_at"]:
            return
        self._staged[deal.id] = moment
        values: dict[str, Any] = {"status_id": status}
        if status in (WON, LOST):
            values["closed_at"] = moment
        if reason:
            values["loss_reason_id"] = next(key for key, name in LOSS_REASONS.items() if name == reason)
        deal.history.add(Change(moment, author, values))
        step = [{"lead_status": {"id": s, "pipeline_id": old["pipeline_id"]}} for s in (status, old["status_id"])]
        self.event("lead_status_changed", "lead", deal.id, author, moment, step[:1], step[1:])

    def set_price(self, deal: Deal, price: int) -> None:
        at = max(self.t, deal.created_at)
        old = deal.history.state(at).get("price", 0)
        deal.history.add(Change(at, self.manager.id, {"price": price}))
        field = [{"sale_field_value": {"sale": p}} for p in (price, old)]
        self.event("sale_field_changed", "lead", deal.id, self.manager.id, at, field[:1], field[1:])

    def hand_over(self, deal: Deal) -> None:
        """Another manager takes the client from now on."""
        old = self.manager
        self.manager = self.rng.choice([m for m in self.cast.managers if m.id != old.id])
        deal.history.add(Change(self.t, old.id, {"responsible_id": self.manager.id}))
        who = [{"responsible_user": {"id": m.id}} for m in (self.manager, old)]
        self.event("entity_responsible_changed", "lead", deal.id, old.id, self.t, who[:1], who[1:])

    def note(self, entity: str, entity_id: int, type_: str, params: dict[str, Any], by: int) -> Note:
        row = Note(
            100_000_000 + self.slot * 64 + len(self.arc.notes),
            entity,
            entity_id,
            type_,
            self.t,
            by,
            self.manager.id,
            params,
        )
        self.arc.notes.append(row)
        return row

    def call(self, contact: Contact, seconds: int, *, incoming: bool = False) -> None:
        """A phone call logged on the contact; under 15 s nobody has really talked."""
        params = {
            "uniq": f"call-{self.slot}-{len(self.arc.notes)}",
            "duration": seconds,
            "source": "АТС",
            "link": None,
            "phone": self.phone,
            "call_status": 4 if seconds >= 15 else 6,
            "call_responsible": self.manager.name,
        }
        note = self.note("contacts", contact.id, "call_in" if incoming else "call_out", params, self.manager.id)
        kind = "incoming_call" if incoming else "outgoing_call"
        self.event(kind, "contact", contact.id, self.manager.id, self.t, [{"note": {"id": note.id}}])
        self.wait(seconds / 60)

    def task(
        self,
        deal: Deal,
        text: str,
        due: datetime,
        done: datetime | None = None,
        *,
        at: datetime | None = None,
        by: int | None = None,
    ) -> None:
        """A task of the story's manager, made now, unless told otherwise."""
        number = 300_000_000 + self.slot * 16 + len(self.arc.tasks)
        made, owner = at or self.t, by or self.manager.id
        row = Task(number, deal.id, made, owner, text, due, done, "Сделано" if done else None)
        self.arc.tasks.append(row)
        self.event("task_added", "task", row.id, owner, made)
        if done:
            self.event("task_completed", "task", row.id, owner, done)

    def finish(self) -> Arc:
        """Cut what lies beyond the longest story, put dialogs in order and let the CRM log their messages."""
        arc, until = self.arc, self.until
        arc.contacts = [row for row in arc.contacts if row.created_at < until]
        arc.deals = [row for row in arc.deals if row.created_at < until]
        known = {row.id for row in arc.contacts}
        for deal in arc.deals:
            deal.contact_ids = [c for c in deal.contact_ids if c in known]
        for history in [row.history for row in arc.contacts] + [row.history for row in arc.deals]:
            history.cut(until)
        for task in arc.tasks:
            task.done_at = task.done_at if task.done_at and task.done_at < until else None
        arc.notes = [note for note in arc.notes if note.created_at < until]
        arc.tasks = [task for task in arc.tasks if task.created_at < until]
        for chat in arc.chats:
            chat.messages = [m for m in chat.messages if m.at < until]
            chat.settle()
            self.log(chat, chat.messages)
        arc.events = [e for e in arc.events if e.created_at < until]
        arc.ends = self._last_moment()
        return arc

    def _last_moment(self) -> datetime:
        """When the last thing of this story happens: before that it must not be left out of a company."""
        arc = self.arc
        moments = [e.created_at for e in arc.events] + [m.at for chat in arc.chats for m in chat.messages]
        histories = [row.history for row in arc.contacts] + [row.history for row in arc.deals]
        moments += [change.at for history in histories for change in history.changes]
        moments += [task.done_at for task in arc.tasks if task.done_at] + [note.created_at for note in arc.notes]
        return max(moments, default=self.t)

    def log(self, chat: Chat, messages: list[Message]) -> None:
        """Let amoCRM's log know the messages of a dialog it is connected to."""
        contact = next((c for c in self.arc.contacts if c.id == chat.crm_contact_id), None)
        deal = next((d for d in self.arc.deals if d.id == chat.deal_id), None)
        if contact is not None:
            for message in messages:
                self._log(chat, message, contact, deal)

    def _log(self, chat: Chat, message: Message, contact: Contact, deal: Deal | None) -> None:
        """amoCRM's clock is up to three seconds ahead; a dialog without a deal hangs on the contact."""
        rng = self.writer.rng if self.writer and message.id in self.pieces else self.rng
        at = message.at + timedelta(seconds=rng.randint(0, 3))
        type_ = "incoming_chat_message" if message.kind == "client" else "outgoing_chat_message"
        origin = {501: "radist.whatsapp", 503: "waba", 504: "telegram"}.get(chat.connection_id, "max")
        crm_id = str(UUID(bytes=hashlib.blake2b(message.id.encode(), digest_size=16).digest()))
        after = [{"message": {"id": crm_id, "talk_id": chat.id % 10_000_000, "origin": origin}}]
        on_deal = deal is not None and deal.created_at <= at + timedelta(minutes=2)
        entity, entity_id = ("lead", deal.id) if on_deal and deal else ("contact", contact.id)
        event = self.event(type_, entity, entity_id, message.crm_author, at, after)
        event.contact_id = contact.id
