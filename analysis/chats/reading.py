"""A chat from a file: what its client's messages need, and the reading, by rules or by a company's AI provider."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.chats.files import Chat
from analysis.intents import Intent, Said, decide
from analysis.llm import reader as by_model
from analysis.llm.provider import Provider
from analysis.reading.models import Reading
from analysis.rules import reader
from analysis.topics import Catalogue
from synkro.core.errors import SynkroError
from synkro.reporting.dialogs import Dialog, Message

#: sent alone, these are no file anybody would have to read
_LIGHT = {"sticker", "location", "reaction"}


@dataclass(frozen=True)
class ChatReading:
    """``intents``: one a message, None for those not of the client; ``reading``: None for a chat too long for the rules;
    ``read_by``: the model, or «rules» with ``note`` on why, where a model was asked for."""

    chat: Chat
    intents: tuple[Intent | None, ...]
    reading: Reading | None
    topics: Catalogue
    read_by: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Message ids of the reading are the numbers ``i``."""
        messages = [
            {
                "i": message.number,
                "needs_reply": intent is not None and intent.needs_reply,
                "reason": intent.reason if intent else None,
                "confidence": round(intent.confidence, 3) if intent else None,
            }
            for message, intent in zip(self.chat.messages, self.intents, strict=True)
        ]
        asked = {"read_by": self.read_by, "note": self.note} if self.read_by else {}
        return {
            "dialog": self.chat.dialog,
            "timezone": self.chat.timezone,
            "reading": self.reading.to_json() if self.reading else None,
            "messages": sorted(messages, key=lambda one: one["i"] or 0),
            **asked,
        }


def read(chat: Chat, topics: Catalogue) -> ChatReading:
    """Read one chat by these topics. Pure."""
    intents = decide([Said(m.who, m.text, m.at, m.media) for m in chat.messages])
    messages = _messages(chat, intents)
    reading = None if reader.is_too_long(messages) else reader.read(messages, chat.timezone, topics=topics)
    return ChatReading(chat, tuple(intents), reading, topics)


async def read_by_model(
    chats: Sequence[Chat], provider: Provider, *, topics: Catalogue, own_prompt: str, at_once: int
) -> list[ChatReading]:
    """Read the chats with an open provider; what it fails on is read by rules, and said so."""
    places = asyncio.Semaphore(at_once)

    async def one(chat: Chat) -> ChatReading:
        by_rules = read(chat, topics)
        async with places:
            try:
                found = await by_model.read(
                    provider, _dialog(chat), _messages(chat, by_rules.intents), (), timezone=chat.timezone, own_prompt=own_prompt,
                    topics=topics,
                )  # fmt: skip
            except SynkroError as error:
                return replace(by_rules, read_by=reader.MODEL, note=error.message)
        return replace(by_rules, reading=found.reading, read_by=provider.model)

    return list(await asyncio.gather(*(one(chat) for chat in chats)))


def _dialog(chat: Chat) -> Dialog:
    """The dialog as far as a file tells: the names in it are masked before anything is sent."""
    client = next((m.name for m in chat.messages if m.who == "client" and m.name), "")
    return Dialog(
        chat.dialog, chat.dialog, client, None, "", None, None, None, None, None, None, None, None, 0, 0, False, ""
    )


def _messages(chat: Chat, intents: Sequence[Intent | None]) -> list[Message]:
    return [
        Message(
            message_id=str(m.number), dialog_id=chat.dialog, kind=m.who, direction="inbound" if m.who == "client" else "outbound", sent_at=m.at,
            body=m.text, has_media=bool(set(m.media) - _LIGHT), author_id=m.name or None, author_name=m.name or None, author_source=None,
            needs_reply=intent is not None and intent.needs_reply,
        )
        for m, intent in zip(chat.messages, intents, strict=True)
    ]  # fmt: skip
