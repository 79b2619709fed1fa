"""A believable company from a seed: days of stories, the robot's broadcasts, the staff's own chats.

In: a seed, a size and two dates. Out: a :class:`Company` with everything that happens between them. A calendar day
is drawn from ``(seed, size, vertical, day)`` alone: two companies of one seed agree, word for word and id for id, on every day
they share. Stories that began up to :data:`LONGEST` before ``first_day`` and still went on come with their history.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sandbox.company.grammar import say
from sandbox.company.mix import MIX, ROUND
from sandbox.company.model import Arc, Chat, Company, Event, Message, RadistContact
from sandbox.company.people import hire
from sandbox.company.steps import follow_ups
from sandbox.company.story import Story
from sandbox.company.talk import EPOCH, LONGEST, Cast, Silence
from sandbox.company.verticals import LOSS_REASONS, TAGS, VERTICALS, cast_slots, connections, moment_slots, pipelines
from sandbox.company.verticals import vertical as trade_of


@dataclass(frozen=True, slots=True)
class Size:
    """``per_day`` stories on an ordinary day; the week's shape is the same for all. ``vertical``: unless another is asked for."""

    vertical: str
    managers: int
    per_day: float


SIZES = {
    "small": Size("windows", 3, 1.5),
    "demo": Size("furniture", 6, 14.0),
    "large": Size("furniture", 24, 140.0),
}
WEEK = (1.1, 1.05, 1.0, 1.0, 1.1, 0.95, 0.8)
BROADCAST_WEEKDAY = 3


def generate(
    seed: int,
    size: str,
    first_day: date,
    last_day: date,
    timezone: str = "Asia/Almaty",
    progress: Callable[[str], None] | None = None,
    *,
    vertical: str | None = None,
    variety: bool | None = None,
) -> Company:
    """The company of ``seed`` as it lives from ``first_day`` to ``last_day`` (local dates, both included).

    ``vertical``: one of ``verticals.VERTICALS``, the size's own without it. ``variety``: whether its clients write in styles; the
    verticals of ``verticals/*.toml`` do unless told not to. Raises ``ValueError`` for an unknown size or vertical, or an empty range.
    """
    if size not in SIZES:
        raise ValueError(f"unknown company size {size!r}: one of {', '.join(SIZES)}")
    if last_day < first_day:
        raise ValueError(f"last_day {last_day} is before first_day {first_day}")
    kind, zone = SIZES[size], ZoneInfo(timezone)
    sold = trade_of(vertical or kind.vertical)
    key = size if sold.key == kind.vertical else f"{size}|{sold.key}"
    staff = hire(random.Random(f"{seed}|{key}|staff"), kind.managers, f"{sold.subdomain}.example")
    sellers = [m for m in staff if m.is_active and not m.is_admin]
    cast = Cast(seed, key, sold, zone, sellers, sold.has_styles if variety is None else variety)
    company = Company(
        seed=seed,
        size=size,
        name=sold.name,
        subdomain=sold.subdomain,
        timezone=timezone,
        zone=zone,
        first_day=first_day,
        last_day=last_day,
        managers=staff,
        pipelines=pipelines(sold),
        loss_reasons=dict(LOSS_REASONS),
        tags=dict(TAGS),
        connections=connections(),
        vertical=sold.key,
        bot_texts=[sold.bot_day, sold.bot_night, *sold.broadcasts],
        internal_phones=[m.phone for m in staff],
    )
    opens = cast.midnight(first_day)
    day = first_day - LONGEST
    while day <= last_day:
        for arc in _stories(cast, kind, day):
            if arc.started >= first_day or (arc.ends and arc.ends >= opens):
                _take(company, arc)
        if progress and day >= first_day and (day - first_day).days % 10 == 0:
            progress(f"{sold.name}: {day.isoformat()}")
        day += timedelta(days=1)
    _staff_chats(company, cast)
    company.events.sort(key=lambda event: (event.created_at, event.id))
    company.notes.sort(key=lambda note: (note.created_at, note.id))
    if progress:
        counts = company.counts()
        progress(f"{sold.name}: {counts['deals']} сделок, {counts['chats']} диалогов, {counts['messages']} сообщений")
    return company


def _stories(cast: Cast, kind: Size, day: date) -> list[Arc]:
    """All stories that begin on one day."""
    rng = random.Random(f"{cast.seed}|{cast.key}|{day.isoformat()}")
    mean = kind.per_day * WEEK[day.weekday()]
    count = int(mean * rng.uniform(0.85, 1.15) + rng.random())
    arcs = []
    for n in range(count):
        story = Story(cast, day, n)
        position = round((day.toordinal() - EPOCH) * kind.per_day) + n
        play = MIX[_card(cast, position)][1]
        with contextlib.suppress(Silence):
            play(story)
        arc = story.finish()
        _broadcasts(cast, story, arc)
        if arc.ends:
            follow_ups(story, arc.ends)
        arcs.append(arc)
    return arcs


def _card(cast: Cast, position: int) -> str:
    """The card at a place of the endless mix, each round of it shuffled on its own."""
    turn, place = divmod(position, len(ROUND))
    cards = list(ROUND)
    random.Random(f"{cast.seed}|{cast.key}|deck|{turn}").shuffle(cards)
    return cards[place]


def _take(company: Company, arc: Arc) -> None:
    for name in ("chats", "radist_contacts", "contacts", "deals", "notes", "tasks", "events"):
        getattr(company, name).extend(getattr(arc, name))


def _broadcasts(cast: Cast, story: Story, arc: Arc) -> None:
    """Once a week the robot sends one text to most of the recent WhatsApp dialogs within ten minutes."""
    rng = random.Random(f"{story.key}|broadcast")
    for ahead in range(1, 15):
        day = arc.started + timedelta(days=ahead)
        if day.weekday() != BROADCAST_WEEKDAY:
            continue
        shared = random.Random(f"{cast.seed}|{cast.key}|broadcast|{day.isoformat()}")
        at = cast.midnight(day) + timedelta(hours=shared.randrange(11, 17), minutes=shared.randrange(60))
        line = shared.choice(cast.vertical.broadcasts)
        for chat in arc.chats:
            if chat.connection_id in (501, 503) and rng.random() >= 0.35 and chat.times and chat.times[0] < at:
                _broadcast_to(story, chat, line, at + timedelta(seconds=rng.uniform(0, 480)), rng)


def _broadcast_to(story: Story, chat: Chat, line: str, at: datetime, rng: random.Random) -> None:
    """One copy, and now and then what the client says to it."""
    before = len(chat.messages)
    sent = story.put(chat, "bot", line, "waba_template" if chat.connection_id == 503 else "text", at=at)
    sent.is_broadcast = True
    if rng.random() < 0.1:
        story.t = at + timedelta(minutes=rng.uniform(1, 90))
        if "?" in story.client(chat, story.texts.STOP_BROADCAST, plain=True):
            story.reply(chat, story.texts.SHORT_ANSWER, forgettable=False)
    added = [message for message in chat.messages[before:] if message.at < story.until]
    chat.messages[before:] = added
    story.log(chat, added)
    story.arc.events = [event for event in story.arc.events if event.created_at < story.until]
    story.arc.ends = max(story.arc.ends or at, *(message.at for message in added), at + timedelta(seconds=4))
    chat.settle()


def _staff_chats(company: Company, cast: Cast) -> None:
    """A group of the delivery men and two chats with people of the house: no clients, left out by a rule list."""
    wording = cast.vertical.wording
    rows = (
        (1, cast.vertical.inner_group, True, "120363000000000001@g.us", "", wording.GROUP_TALK, 5),
        (
            2,
            cast.vertical.inner_person,
            False,
            f"{cast.managers[0].phone[1:]}@c.us",
            cast.managers[0].phone,
            wording.INTERNAL_TALK,
            2,
        ),
        (
            3,
            company.managers[-2].first_name,
            False,
            f"{company.managers[-2].phone[1:]}@c.us",
            company.managers[-2].phone,
            wording.INTERNAL_TALK,
            1,
        ),
    )
    for number, name, is_group, source, phone, templates, per_day in rows:
        contact = RadistContact(79_000_000 + number, name, is_group=is_group)
        chat = Chat(59_000_000 + number, 501, contact.id, source, phone, name, is_group=is_group)
        contact.chats.append(chat)
        day = company.first_day
        while day <= company.last_day:
            rng = random.Random(f"{cast.seed}|{cast.key}|{day.isoformat()}|staff{number}")
            slots = cast_slots(rng, cast.vertical, name)
            for k in range(rng.randrange(per_day + 1)):
                at = cast.midnight(day) + timedelta(hours=rng.uniform(8.5, 20))
                manager = rng.choice(cast.managers)
                line = say(
                    rng,
                    rng.choice(templates),
                    {
                        **slots,
                        **moment_slots(rng, at.astimezone(cast.zone)),
                        "manager": manager.first_name,
                        "а": "",
                        "ась": "ся",
                    },
                )
                digest = hashlib.blake2b(
                    f"{cast.seed}|{cast.key}|{chat.id}|{day}|{k}".encode(), digest_size=16
                ).digest()
                kind = rng.choice(("client", "client", "manager"))
                message = Message(
                    str(UUID(bytes=digest)),
                    chat.id,
                    at,
                    kind,
                    "text",
                    line,
                    author_id=manager.id if kind == "manager" else None,
                )
                if is_group and rng.random() < 0.06:
                    message.kind, message.type, message.text, message.author_id = (
                        "system",
                        "system",
                        f"{name}: участник добавлен",
                        None,
                    )
                chat.messages.append(message)
            day += timedelta(days=1)
        chat.settle()
        company.radist_contacts.append(contact)
        company.chats.append(chat)


__all__ = ["SIZES", "VERTICALS", "Company", "Event", "generate"]
