"""Rows of a company in the making, as the vendors would have them, and the moments at which things happen in it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from tests.transforms.oracle.profiles import Profile
from tests.transforms.oracle.raw import Company, Row, Settings

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
SPAN_DAYS = 20
CLOCK_EDGES = ("08:59:59", "09:00", "12:50", "12:59:59", "13:00", "14:00", "17:50", "17:59:59", "18:00", "22:00",
               "22:00:59", "22:01", "05:59:59", "06:00", "00:00", "23:29:59", "23:30", "01:59:59", "02:30", "03:00")  # fmt: skip
ROBOT, MANAGERS = 79, (71, 72, 73, 74)
BOT_SENDERS = ["РОБОТ Олег", "bot@shop.test", "55"]
EXCLUDED = ["+77020000901", "+77020000902"]
CHANNELS = ((1, "whatsapp"), (2, "telegram"), (3, "waba"), (4, "telegram_bot"), (5, "instagram"))


class Maker:
    def __init__(self, random: Random, profile: Profile) -> None:
        self.random, self.profile = random, profile
        self.zone = ZoneInfo(profile.timezone)
        self.gap = timedelta(hours=profile.gap_hours)
        self.first = self.at(profile.first, time())
        self.target = timedelta(minutes=profile.targets[-1][1])
        #: of tasks: the rest of a company does not depend on them
        self.own = Random(repr(random.getstate()[1][:4]))
        self.count = 0
        day = profile.first
        self.company = Company(
            Settings(
                timezone=profile.timezone,
                business_day_start=profile.day_start,
                calendars=[(day + days * DAY, calendar) for days, calendar in profile.calendars],
                targets=[(self.first + timedelta(days=days), target) for days, target in profile.targets],
                session_gap_hours=profile.gap_hours,
                mode=profile.mode,
                excluded_phones=EXCLUDED,
                bot_senders=BOT_SENDERS,
            ),
            calendar_range=(day - 40 * DAY, day + profile.calendar_days * DAY),
        )

    def at(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, self.zone).astimezone(UTC)

    def number(self) -> int:
        self.count += 1
        return self.count

    def moment(self) -> datetime:
        """When a dialog begins: often on a border of the day."""
        day = self.profile.first + self.random.randrange(SPAN_DAYS) * DAY
        if self.random.random() < 0.4:
            return self.at(day, time.fromisoformat(self.random.choice(CLOCK_EDGES)))
        moment = self.at(day, time()) + self.random.randrange(86_400) * SECOND
        return moment + timedelta(milliseconds=self.random.randrange(1000)) if self.random.random() < 0.1 else moment

    def step(self) -> timedelta:
        """Time to the next message: seconds, minutes and days around every border."""
        week = 7 * DAY
        edges = (timedelta(), SECOND, 2 * SECOND, 3 * SECOND, 3 * SECOND + timedelta(milliseconds=1), 4 * SECOND,
                 10 * SECOND, 59 * SECOND, self.target, self.target + SECOND, self.target - SECOND, 5 * HOUR, 13 * HOUR,
                 self.gap, self.gap + SECOND, self.gap - SECOND, 3 * DAY, week, week + SECOND, week - SECOND, 8 * DAY)  # fmt: skip
        if self.random.random() < 0.5:
            return timedelta(seconds=self.random.randrange(5400))
        return self.random.choice(edges)

    # --- rows ----------------------------------------------------------------------------------------------

    def put(self, table: str, **row: Any) -> Row:
        getattr(self.company, table).append(row)
        return row

    def phone(self) -> str:
        return f"+7701{self.number():07}"

    def chat(self, phone: str | None, *, connection: int | None = None, **payload: Any) -> int:
        id = self.number()
        if phone is None:
            source_id = self.random.choice((f"7701{id:011}@lid", f"user{id}", f"{id:015}"))
        else:
            source_id = f"{phone[1:]}@c.us"
            # the vendor leaves the phone out now and then: then the messenger's id is one
            payload.setdefault("phone", phone if self.random.random() < 0.8 else "")
        connection = connection or self.random.choice(CHANNELS)[0]
        name = self.random.choice(("", f"Контакт {id}"))
        payload = {"source_chat_id": source_id, "name": f"Чат {id}", "contact_name": name, "is_group": False, **payload}
        self.put("chats", id=id, connection_id=connection, payload=payload)
        return id

    def contact(self, *phones: str) -> int:
        id = self.number()
        changed = self.first + self.random.randrange(-20, 20) * DAY
        payload = {
            "name": self.random.choice((f"Клиент {id}", f"Клиент {id}", "")),
            "_synkro": {"phones": list(phones)},
        }
        self.put("contacts", id=id, created_at=changed, updated_at=changed, payload=payload)
        return id

    def say(
        self, chat: int, at: datetime, who: str, text: str | None = None, *, type: str = "text", **more: Any
    ) -> Row:
        """``who``: client or us. Ids differ in case and repeat across dialogs, as nobody promised otherwise."""
        payload: Row = {"text": {"text": text}} if type == "text" else {}
        if type in ("image", "voice"):
            payload = {type: {"name": "f", "caption": text}}
        if type == "waba_template":
            payload = {type: {"text": text}}
        id = f"{self.random.choice('aBZm')}{self.number() if self.random.random() < 0.7 else self.random.randrange(1000)}"
        if any(row["id"] == id for row in self.company.messages[-60:] if row["chat_id"] == chat):
            id += f"-{self.number()}"
        return self.put(
            "messages", chat_id=chat, id=id, sent_at=at, direction="inbound" if who == "client" else "outbound",
            message_type=type, payload={**payload, **more},
        )  # fmt: skip

    def name_author(self, contact: int, at: datetime, by: int, deal: int | None = None) -> None:
        """amoCRM's event of an outgoing message; its clock is off by seconds."""
        skew = self.random.choice((0, 0, 0, 1, 1, 2, -1, -2, 5, -9, 9, 10, -10, 11, -11))
        at = at.replace(microsecond=0) + skew * SECOND
        through = deal if deal and self.random.random() < 0.3 else None
        linked = {"linked_talk_contact_id": contact} if through is None or self.random.random() < 0.5 else {}
        self.put(
            "events", id=f"e{self.number():08}", type="outgoing_chat_message", created_at=at,
            entity_type="lead" if through else "contact", entity_id=through or contact,
            payload={"created_by": by, "_embedded": {"entity": {"id": through or contact, **linked}}},
        )  # fmt: skip

    def call(self, contact: int, at: datetime, deal: int | None = None) -> None:
        through = deal if deal and self.random.random() < 0.5 else None
        self.put(
            "notes", id=self.number(), entity_type="leads" if through else "contacts", entity_id=through or contact,
            note_type=self.random.choice(("call_in", "call_out")), created_at=at.replace(microsecond=0),
            payload={"created_by": self.random.choice((*MANAGERS, 0)), "params": {"duration": self.random.choice((0, 14, 15, 16, 300))}},
        )  # fmt: skip

    def deal(self, contact: int | None, *more: int) -> int:
        r, id = self.random, self.number()
        created = self.first + timedelta(days=r.uniform(-20, SPAN_DAYS))
        created = created.replace(microsecond=0)
        status = r.choice((1, 1, 1, 2, 9, 142, 143))
        closed = created + timedelta(seconds=r.randrange(20 * 86_400)) if status > 100 and r.random() < 0.95 else None
        changes = sorted(created + timedelta(seconds=r.randrange(15 * 86_400)) for _ in range(r.choice((0, 0, 1, 2))))
        owners = [r.choice((*MANAGERS, 0)) for _ in range(len(changes) + 1)]
        updated = max([created, *changes, *([closed] if closed else [])]) + r.randrange(3) * SECOND
        links = [{"id": number, "is_main": False} for number in more]
        if contact is not None:
            links.append({"id": contact, "is_main": True})
        payload = {
            "name": f"Сделка {id}", "price": r.choice((None, 0, 100, 2500, 99_999)), "pipeline_id": r.choice((5, 6)),
            "status_id": status, "responsible_user_id": owners[-1], "loss_reason_id": 3 if status == 143 else None,
            "closed_at": int(closed.timestamp()) if closed else None, "_embedded": {"contacts": links},
        }  # fmt: skip
        self.put("leads", id=id, created_at=created, updated_at=updated, payload=payload)
        for moment, (before, after) in zip(changes, pairwise(owners), strict=True):
            sides = {"value_before": before, "value_after": after}
            self.put(
                "events", id=f"r{self.number():08}", type="entity_responsible_changed", entity_type="lead", entity_id=id, created_at=moment,
                payload={"created_by": 0, **{name: [{"responsible_user": {"id": who}}] for name, who in sides.items()}},
            )  # fmt: skip
        if r.random() < 0.3:
            moment = created + timedelta(seconds=r.randrange(10 * 86_400))
            sides = {"value_before": 1, "value_after": status}
            self.put(
                "events", id=f"s{self.number():08}", type="lead_status_changed", entity_type="lead", entity_id=id, created_at=moment,
                payload={"created_by": 71, **{name: [{"lead_status": {"id": to, "pipeline_id": 5}}] for name, to in sides.items()}},
            )  # fmt: skip
        if r.random() < 0.12:
            # in the bin; every third came back since
            self.put(
                "deleted", entity_type="lead", id=id, deleted_at=updated + r.choice((-SECOND, SECOND, HOUR)), payload={}
            )
        return id

    def task(self, deal: Row) -> None:
        """On a deal, now and then on a contact; done, undone, done twice, or thrown away; its log may be missing."""
        r = self.own
        id = 9_000_000 + len(self.company.tasks)
        created = deal["created_at"] + timedelta(seconds=r.randrange(6 * 86_400))
        done = created + timedelta(seconds=r.randrange(1, 6 * 86_400)) if r.random() < 0.6 else None
        updated = (done or created) + r.choice((timedelta(), timedelta(), HOUR))
        entity = "leads" if r.random() < 0.93 else "contacts"
        self.put(
            "tasks", id=id, entity_type=entity, entity_id=deal["id"], created_at=created, updated_at=updated,
            payload={"text": f"Задача {id}", "responsible_user_id": r.choice((*MANAGERS, 0)), "is_completed": done is not None,
                     "complete_till": int(created.timestamp()) + r.randrange(5 * 86_400), "result": []},
        )  # fmt: skip
        moments = [moment for moment in (done, done and done - HOUR) if moment and r.random() < 0.6]
        for moment in moments or ([created] if done is None and r.random() < 0.1 else []):
            self.put(
                "events", id=f"t{id}-{moment.timestamp():.0f}", type="task_completed", entity_type="task", entity_id=id,
                created_at=moment, payload={"created_by": 71},
            )  # fmt: skip
        if r.random() < 0.08:
            moment = updated + r.choice((-SECOND, timedelta(), HOUR))
            self.put("deleted", entity_type="task", id=id, deleted_at=moment, payload={})

    def acts(self, message: Row) -> None:
        """A third of the messages promise, some of them other things, and some do something else."""
        r, is_client = self.own, message["direction"] == "inbound"
        place = {"dialog_id": str(message["chat_id"]), "message_id": message["id"]}
        kinds = ("document", "call", "photo", "price", "answer", "delivery") + (("payment", "payment", "visit") if is_client else ())
        for what in set(r.sample(kinds, r.choice((0, 0, 0, 0, 1, 1, 2)))):
            due_at = message["sent_at"] + r.choice((timedelta(), SECOND, HOUR, 5 * HOUR, DAY, DAY, 3 * DAY, 30 * DAY))
            self.put("acts", **place, act="client_promise" if is_client else "promise", what=what, due_at=due_at)
        if r.random() < 0.15:
            act = r.choice(("payment_claimed", "complaint", "refusal") if is_client else ("offer",))
            self.put("acts", **place, act=act, what="", due_at=None)
