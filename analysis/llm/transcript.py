"""A dialog as it is sent: numbered lines with their time, who wrote them under one mark a person, files and calls as lines, a card.

Marks: К the client, М1, М2 … the company's people in the order they speak, Б a robot, З a call of the CRM (no number: nothing can be
quoted from it). Whatever a person may have typed, names of files and deals too, goes through the mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from analysis.llm.masking import Mask
from analysis.reading.models import Reading
from analysis.reading.normalisation import one_line
from synkro.core import russian
from synkro.reporting.cards import Call, Card
from synkro.reporting.dialogs import Message

KINDS = ("client", "manager", "bot")
_WEEKDAYS = ("пн", "вт", "ср", "чт", "пт", "сб", "вс")
_MEDIA = {
    "voice": "голосовое", "audio": "аудио", "image": "фото", "photo": "фото", "video": "видео", "video_note": "видео", "sticker": "стикер",
    "location": "геолокация", "contact": "контакт",
}  # fmt: skip
_PREVIOUS, _PROMISES_TOLD = 160, 3


@dataclass(frozen=True)
class Knowledge:
    """What is known beside the lines: the CRM's card, the reading before this one, the moment of reading."""

    card: Card | None = None
    previous: Reading | None = None
    now: datetime | None = None


@dataclass
class People:
    """Who wrote: one mark a person, the same in every part of the dialog."""

    marks: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, messages: Iterable[Message]) -> People:
        people = cls()
        for message in messages:
            if message.kind == "manager":
                people.marks.setdefault(_person(message), f"М{len(people.marks) + 1}")
        return people

    def mark(self, message: Message) -> str:
        if message.kind == "client":
            return "К"
        return self.marks.get(_person(message), "М") if message.kind == "manager" else "Б"

    def names(self, messages: Iterable[Message]) -> dict[str, str]:
        """Mark → the person's name, where somebody knows it."""
        found: dict[str, str] = {}
        for message in messages:
            if message.kind == "manager" and message.author_name:
                found.setdefault(self.mark(message), message.author_name)
        return found


def _person(message: Message) -> str:
    return message.author_id or message.author_name or ""


def label(message: Message) -> str:
    """``[голосовое 0:14]``, ``[фото]``, ``[файл чек.pdf]``; empty for a message of words alone."""
    if not message.has_media:
        return ""
    kind = _MEDIA.get(message.message_type, "")
    if not kind or (message.file_name and kind not in ("фото", "видео", "голосовое", "аудио", "стикер")):
        return f"[файл {one_line(message.file_name, 60)}]" if message.file_name else "[файл]"
    if message.seconds is not None and kind in ("голосовое", "аудио", "видео"):
        return f"[{kind} {message.seconds // 60}:{message.seconds % 60:02d}]"
    return f"[{kind}]"


def said(message: Message) -> str:
    """The words of a line with what came along."""
    return " ".join(part for part in (label(message), message.body.strip()) if part)


def document(
    pieces: Sequence[tuple[int, Message, str]],
    mask: Mask,
    timezone: str,
    people: People,
    knowledge: Knowledge,
    window_start: datetime | None = None,
) -> dict[str, Any]:
    """One part: ``days`` of lines «1К 10:40 text», ``from`` (the first number of the window), ``card`` and ``now``."""
    where = ZoneInfo(timezone)
    days: list[dict[str, Any]] = []

    def put(at: datetime, line: str) -> None:
        local = at.astimezone(where)
        name = f"{local:%m-%d} {_WEEKDAYS[local.weekday()]}"
        if not days or days[-1]["day"] != name:
            days.append({"day": name, "lines": []})
        days[-1]["lines"].append(line)

    calls = sorted(knowledge.card.calls if knowledge.card else (), key=lambda call: call.called_at)
    before = None
    for n, message, text in pieces:
        for call in [
            one for one in calls if (before is None or one.called_at >= before) and one.called_at < message.sent_at
        ]:
            put(call.called_at, _call_line(call, where))
        before = message.sent_at
        clock = message.sent_at.astimezone(where).strftime("%H:%M")
        put(message.sent_at, f"{n}{people.mark(message)} {clock} {mask.hide(text)}")
    for call in [one for one in calls if before is not None and one.called_at >= before]:
        put(call.called_at, _call_line(call, where))
    found: dict[str, Any] = {"task": "read_dialog", "days": days}
    first = next((n for n, m, _ in pieces if window_start is not None and m.sent_at >= window_start), None)
    if first is not None and pieces and first != pieces[0][0]:
        found["from"] = first
    if told := card_text(knowledge, timezone, mask):
        found["card"] = told
    if knowledge.now is not None:
        local = knowledge.now.astimezone(where)
        found["now"] = f"{local:%Y-%m-%d %H:%M} {_WEEKDAYS[local.weekday()]}"
    return found


def _call_line(call: Call, where: ZoneInfo) -> str:
    way = "исходящий" if call.is_outgoing else "входящий"
    return f"З {call.called_at.astimezone(where):%H:%M} [звонок {way} {call.seconds // 60}:{call.seconds % 60:02d}]"


def card_text(knowledge: Knowledge, timezone: str, mask: Mask | None = None) -> str:
    """The card in as few words as it takes; masked where a mask is given, plain for the proof."""
    hide = mask.hide if mask is not None else str
    parts: list[str] = []
    card = knowledge.card
    if card is not None:
        if card.deal_name or card.stage:
            deal = [one_line(card.deal_name, 60), one_line(card.stage, 30)]
            if card.price:
                deal.append(russian.number(card.price).replace("\u00a0", " "))
            if card.deal_since is not None and knowledge.now is not None:
                deal.append(f"{max(0, (knowledge.now - card.deal_since).days)} дн")
            parts.append(", ".join(hide(part) for part in deal if part))
        parts.append("повторный" if card.is_returning else "новый")
    previous = knowledge.previous
    if previous is not None:
        if previous.summary:
            parts.append("раньше: " + hide(one_line(" ".join(one.text for one in previous.summary), _PREVIOUS)))
        open_promises = [one for one in previous.promises if not one.kept and one.who == "manager"][-_PROMISES_TOLD:]
        for promise in open_promises:
            due = f" до {promise.deadline.isoformat()}" if promise.deadline else ""
            parts.append(f"обещано{due}: " + hide(one_line(promise.text, 80)))
        if previous.open_question is not None:
            parts.append("без ответа: " + hide(one_line(previous.open_question.quote, 80)))
    return "; ".join(parts)
