"""The talking half of a story: its clock, who is at work, what is said where and in which words.

A story starts on a day and is drawn from ``(seed, day, number of the story that day)`` alone, so the same calendar
day always brings the same people, words and ids. The CRM's half is :mod:`sandbox.company.story`.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from uuid import UUID

from sandbox.company import people, styles
from sandbox.company.grammar import say, say_many, untidy
from sandbox.company.labels import label
from sandbox.company.model import Arc, Chat, Manager, Message, RadistContact
from sandbox.company.verticals import Vertical, cast_slots, moment_slots

#: no story lasts longer, so a company of any first day needs to look only this far back
LONGEST = timedelta(days=24)
EPOCH = date(2024, 1, 1).toordinal()
FIRST_STAGE = 60002
# questions by the hour: few at night, two peaks
HOURS = (2, 1, 1, 0, 0, 1, 2, 4, 8, 14, 19, 22, 21, 18, 16, 16, 16, 18, 21, 22, 19, 14, 9, 5)
EXTENSIONS = {"image": "jpg", "voice": "ogg", "audio": "mp3", "video": "mp4", "sticker": "webp"}


ENDS_WOMAN = {"а": "а", "ась": "ась", "муж": "муж", "мужем": "мужем", "доволен": "доволен", "согласен": "согласен"}
ENDS_MAN = {"а": "", "ась": "ся", "муж": "жена", "мужем": "женой", "доволен": "довольна", "согласен": "согласна"}


class Silence(Exception):
    """The manager never answered: the story ends here with the client waiting."""


@dataclass(frozen=True, slots=True)
class Cast:
    """What is the same in every story of one company."""

    seed: int
    key: str
    vertical: Vertical
    zone: tzinfo
    managers: list[Manager]  # those who sell
    has_styles: bool = False

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)


class Talk:
    """The moves a play is made of. ``t`` is the story's clock; every move pushes it forward."""

    def __init__(self, cast: Cast, day: date, n: int) -> None:
        self.cast, self.day, self.n = cast, day, n
        self.key = f"{cast.seed}|{cast.key}|{day.isoformat()}|{n}"
        self.rng = random.Random(self.key)
        self.slot = (day.toordinal() - EPOCH) * 1000 + n
        self.arc = Arc(day)
        self.until = cast.midnight(day) + LONGEST
        self.manager = self.rng.choice(cast.managers)
        self.full_name = people.full_name(self.rng)
        self.nick = people.messenger_name(self.rng, self.full_name)
        self.phone = people.phone_number(day.toordinal(), n)
        self.typing = self.rng.choices(("tidy", "plain", "lower", "loud"), (24, 34, 34, 8))[0]
        self.slots = cast_slots(self.rng, cast.vertical, self.full_name.split()[0])
        self.price = int(self.slots["price_number"])
        hour = self.rng.choices(range(24), HOURS)[0]
        self.t = cast.midnight(day) + timedelta(hours=hour, minutes=self.rng.uniform(0, 60))
        self.discussed: set[str] = set()
        self.texts = cast.vertical.wording
        # drawn apart: with styles and without them the same things happen
        self.writer = styles.Writer(random.Random(f"{self.key}|style"), self.full_name) if cast.has_styles else None
        #: ids of the pieces before the last of a burst: the story would not know them without styles
        self.pieces: set[str] = set()

    # --- the clock ----------------------------------------------------------------------------------------------

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.cast.zone)

    def wait(self, minutes: float) -> None:
        self.t += timedelta(minutes=minutes)

    def next_days(self, low: float, high: float) -> None:
        """Some days later, in the daytime."""
        self.t += timedelta(days=self.rng.uniform(low, high))
        local = self.local(self.t)
        if not 9 <= local.hour < 21:
            self.t = local.replace(hour=self.rng.randrange(10, 20), minute=self.rng.randrange(60)).astimezone(UTC)

    def client_pause(self) -> None:
        """Until the client writes again: mostly minutes, sometimes hours, seldom at night."""
        roll = self.rng.random()
        self.wait(
            self._lognormal(4, 1.1)
            if roll < 0.8
            else self.rng.uniform(50, 300)
            if roll < 0.93
            else self.rng.uniform(700, 1500)
        )
        local = self.local(self.t)
        if local.hour < 7 and self.rng.random() < 0.9:
            self.t = local.replace(hour=self.rng.randrange(8, 12), minute=self.rng.randrange(60)).astimezone(UTC)

    def _lognormal(self, median: float, spread: float) -> float:
        return median * math.exp(self.rng.gauss(0, spread))

    def at_work(self, manager: Manager, at: datetime) -> bool:
        local = self.local(at)
        start, end = manager.habit.shift
        return local.weekday() not in manager.habit.days_off and start <= local.hour < end

    def _answer_time(self, manager: Manager, asked: datetime) -> datetime:
        """When this manager answers what was asked at ``asked``, by his habit and his shift."""
        habit = manager.habit
        minutes = max(0.5, min(self._lognormal(habit.minutes, habit.spread), 420))
        if self.at_work(manager, asked):
            at = asked + timedelta(minutes=minutes)
            evening = self.local(asked).replace(hour=habit.shift[1], minute=0) + timedelta(minutes=50)
            if self.local(at) < evening:
                return at
        elif 6 <= self.local(asked).hour < 24 and self.rng.random() < habit.late_hours:
            return asked + timedelta(minutes=self.rng.uniform(2, 35))
        morning = self.local(asked).replace(hour=habit.shift[0], minute=0, second=0, microsecond=0)
        if morning <= self.local(asked):
            morning += timedelta(days=1)
        while morning.weekday() in habit.days_off:
            morning += timedelta(days=1)
        return morning.astimezone(UTC) + timedelta(minutes=self.rng.uniform(1, 25 + habit.minutes))

    def who_answers(self) -> Manager:
        """The story's manager, or a colleague when he has his day off."""
        if self.local(self.t).weekday() in self.manager.habit.days_off and self.rng.random() < 0.7:
            there = [m for m in self.cast.managers if self.local(self.t).weekday() not in m.habit.days_off]
            if there:
                return self.rng.choice(there)
        return self.manager

    # --- words --------------------------------------------------------------------------------------------------

    def words(self, manager: Manager | None = None) -> dict[str, Any]:
        """The slots of one line; «{а}» and «{ась}» end the verbs of whoever speaks, «{муж}» is who waits at home."""
        woman = people.is_woman(manager.name if manager else self.full_name)
        ends = ENDS_WOMAN if woman else ENDS_MAN
        name = (manager or self.manager).first_name
        return {**self.slots, **moment_slots(self.rng, self.local(self.t)), **ends, "manager": name}

    def open_chat(
        self, connection_id: int, *, source: str = "", phone: str = "", contact: RadistContact | None = None
    ) -> Chat:
        """A new dialog; with ``contact`` it joins a person Radist already knows."""
        number = len(self.arc.chats)
        base = self.slot * 4 + number
        if contact is None:
            contact = RadistContact(80_000_000 + base, None if self.nick == "~" else self.nick)
            self.arc.radist_contacts.append(contact)
        chat = Chat(60_000_000 + base, connection_id, contact.id, source, phone, self.nick)
        chat.style = self.writer.style if self.writer else ""
        if connection_id == 504:
            chat.source_chat_id = str(900_000_000 + base)
            chat.username = people.username(self.rng, self.full_name)
        elif not source:
            chat.source_chat_id = f"{self.phone[1:]}@c.us"
            chat.phone = self.rng.choice((self.phone, self.phone, self.phone[1:], ""))
        contact.chats.append(chat)
        self.arc.chats.append(chat)
        return chat

    def put(
        self,
        chat: Chat,
        kind: str,
        text: str | None,
        type_: str = "text",
        *,
        by: Manager | None = None,
        at: datetime | None = None,
        mark: str = "",
    ) -> Message:
        """Write one message into a dialog at the story's clock (or at ``at``); ``mark`` is its label."""
        moment = at or self.t
        digest = hashlib.blake2b(f"{self.key}|{chat.id}|{len(chat.messages)}".encode(), digest_size=16).digest()
        if kind == "client" and digest[0] < 80:
            moment = moment.replace(microsecond=0)  # some messengers count whole seconds
        message = Message(str(UUID(bytes=digest)), chat.id, moment, kind, type_, text)
        if mark:
            message.label = label(mark)
        if type_ in EXTENSIONS:
            message.file_name = f"{type_}_{digest.hex()[:6]}.{EXTENSIONS[type_]}"
        elif type_ == "file":
            message.file_name = (
                f"{self.rng.choice(('КП', 'Расчет', 'План', 'Договор', 'Эскиз'))}_{self.slots['order']}.pdf"
            )
        if kind == "manager" and by is not None:
            message.author_id = by.id
            message.crm_author = 0 if self.rng.random() < by.habit.phone_app else by.id
        if kind in ("manager", "bot") and self.rng.random() < 0.8:
            message.read_at = moment + timedelta(minutes=self._lognormal(6, 1.4))
        chat.messages.append(message)
        return message

    def client(self, chat: Chat, templates: tuple[str, ...], *, plain: bool = False) -> str:
        """The client writes; returns the last line. Now and then he sends a voice note or a picture instead."""
        last = ""
        for i, (line, mark) in enumerate(say_many(self.rng, templates, self.words())):
            if i:
                self.wait(self.rng.uniform(0.1, 1.2))
            last = line
            roll = 1.0 if plain else self.rng.random()
            if roll < 0.03:
                self.put(chat, "client", None, "voice", mark=_unheard(mark))
            elif roll < 0.06 and "?" in line:
                self.put(chat, "client", untidy(self.rng, line, self.typing), "image", mark=mark)
            elif roll < 0.063:
                self.put(chat, "client", None, mark="S media")  # deleted by its author: a text without a text
                self.wait(0.2)
                self._send(chat, line, line, mark)
            else:
                self._send(chat, line, untidy(self.rng, line, self.typing), mark)
            if 0.063 <= roll < 0.072:
                self.wait(0.3)
                self.put(chat, "client", None, "location", mark="S informs")  # a type with no payload of its own
        return last

    def _send(self, chat: Chat, line: str, typed: str, mark: str) -> None:
        """One line in the client's own style, ``typed`` without one; a burst of them ends at the story's clock."""
        if self.writer is None:
            self.put(chat, "client", typed, mark=mark)
            return
        pieces = self.writer.write(line, mark, is_first=not chat.messages)
        since = chat.messages[-1].at if chat.messages else self.t - timedelta(minutes=3)
        gap = min(timedelta(seconds=self.writer.rng.uniform(3, 20)), (self.t - since) / (len(pieces) + 1))
        for left, piece in zip(range(len(pieces) - 1, -1, -1), pieces, strict=True):
            put = self.put(chat, "client", piece.text, piece.type, at=self.t - gap * left, mark=piece.mark)
            if left:
                self.pieces.add(put.id)

    def thanks(self, chat: Chat) -> None:
        """«спасибо», a sticker or an emoji: nothing that needs a reply."""
        self.wait(self.rng.uniform(0.3, 6))
        roll = self.rng.random()
        # after a question of ours a bare «ок» may be its answer
        ours = itertools.takewhile(lambda message: message.kind == "manager", reversed(chat.messages))
        need = "S" if any((message.text or "").endswith("?") for message in ours) else "N"
        if roll < 0.16:
            self.put(chat, "client", None, "sticker", mark=f"{need} sticker")
        elif roll < 0.34:
            self.put(chat, "client", self.rng.choice(self.texts.STICKERS), mark=f"{need} sticker")
        elif need == "S":
            self.client(chat, tuple(line.replace("<N ", "<S ") for line in self.texts.THANKS), plain=True)
        else:
            self.client(chat, self.texts.THANKS, plain=True)

    def say(self, chat: Chat, templates: tuple[str, ...], by: Manager | None = None) -> None:
        """The manager writes right now, in as many messages as the template has; ``#photo`` is a picture."""
        author = by or self.manager
        for i, (line, mark) in enumerate(say_many(self.rng, templates, self.words(author))):
            if i:
                self.wait(self.rng.uniform(0.15, 1.6))
            if "#photo" in line.lower():
                text = line.replace("#photo", "").replace("#Photo", "").strip(" :")
                if text:
                    self.put(chat, "manager", text, by=author, mark=mark)
                    self.wait(self.rng.uniform(0.1, 0.6))
                self.put(
                    chat,
                    "manager",
                    self.rng.choice((None, None, say(self.rng, self.texts.PHOTO_CAPTION, self.slots))),
                    "image",
                    by=author,
                )
            elif self.rng.random() < 0.012:
                self.put(chat, "manager", None, "voice", by=author)
            else:
                self.put(chat, "manager", line, by=author, mark=mark)

    def reply(self, chat: Chat, templates: tuple[str, ...], *, forgettable: bool = True) -> Manager:
        """The manager answers after his usual delay; raises :class:`Silence` when he forgets for good."""
        author = self.who_answers()
        asked = self.t
        if forgettable and self.rng.random() < author.habit.forgets:
            self.wait(self.rng.uniform(180, 1500))
            if self.rng.random() < 0.3:
                raise Silence
            if self.rng.random() < 0.6:
                self.client_pause()
                self.client(chat, self.texts.BUMP_CLIENT, plain=True)
        self.t = max(self._answer_time(author, self.t), self.t + timedelta(seconds=25))
        late = (self.t - asked) > timedelta(minutes=40)
        if late and self.rng.random() < 0.4:
            excuse = self.rng.choice(self.texts.LATE_EXCUSE)
            templates = tuple(excuse + line for line in templates)
        self.say(chat, templates, author)
        return author

    def robot(self, chat: Chat) -> None:
        """The greeting or the night answer of the company's robot, within three seconds of the client's message."""
        night = not 9 <= self.local(self.t).hour < 20
        if not night and chat.connection_id == 501 and self.rng.random() < 0.5:
            return
        at = chat.messages[-1].at + timedelta(seconds=self.rng.uniform(0.7, 2.9))
        line = self.cast.vertical.bot_night if night else self.cast.vertical.bot_day
        self.put(chat, "bot", line, "waba_interactive" if chat.connection_id == 503 else "text", at=at)
        self.t = max(self.t, at)


def _unheard(mark: str) -> str:
    """The label of a voice note: its reader knows that somebody spoke, not what he said."""
    return "R media" if mark.startswith("R") else "S media"
