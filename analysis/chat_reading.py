"""A chat read with nothing connected: what its client's messages need, and the reading by rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis import rules
from analysis.chat_file import Chat
from analysis.intents import Intent, Said, decide
from analysis.shapes import Reading
from analysis.topics import Catalogue
from synkro.dialogs import Message

#: sent alone, these are no file anybody would have to read
_LIGHT = {"sticker", "location", "reaction"}


@dataclass(frozen=True)
class ChatReading:
    """``intents``: one a message, None for those not of the client; ``reading``: None for a chat too long for the rules."""

    chat: Chat
    intents: tuple[Intent | None, ...]
    reading: Reading | None
    topics: Catalogue

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
        return {
            "dialog": self.chat.dialog,
            "timezone": self.chat.timezone,
            "reading": self.reading.to_json() if self.reading else None,
            "messages": sorted(messages, key=lambda one: one["i"] or 0),
        }


def read(chat: Chat, topics: Catalogue) -> ChatReading:
    """Read one chat by these topics. Pure."""
    intents = decide([Said(m.who, m.text, m.at, m.media) for m in chat.messages])
    messages = _messages(chat, intents)
    reading = None if rules.is_too_long(messages) else rules.read(messages, chat.timezone, topics=topics)
    return ChatReading(chat, tuple(intents), reading, topics)


def _messages(chat: Chat, intents: Sequence[Intent | None]) -> list[Message]:
    return [
        Message(
            message_id=str(m.number), dialog_id=chat.dialog, kind=m.who, direction="inbound" if m.who == "client" else "outbound", sent_at=m.at,
            body=m.text, has_media=bool(set(m.media) - _LIGHT), author_id=m.name or None, author_name=m.name or None, author_source=None,
            needs_reply=intent is not None and intent.needs_reply,
        )
        for m, intent in zip(chat.messages, intents, strict=True)
    ]  # fmt: skip
