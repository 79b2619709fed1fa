"""An update of Telegram, understood: who said what in which chat, and whether it is for us.

Pure. Offsets of entities count UTF-16 units; descriptions of the shapes: the Bot API's Message, MessageEntity and
Update objects. In a private chat every text is for the bot; in a group only a command, a mention or a reply to one
of its messages, because people there talk to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from analysis.reading.normalisation import shown

#: characters of a name that are kept; Telegram's own are 64 and 64
LONGEST_NAME = 80


@dataclass(frozen=True)
class Incoming:
    """A message for the bot. ``command``: without the slash and the bot's name; ``text``: the rest."""

    chat: str
    message_id: int
    author: str
    sent_at: datetime
    text: str
    command: str | None = None
    #: the message of the bot that was answered
    reply_to: int | None = None
    #: the forum topic the answer must go to
    thread_id: int | None = None
    #: what the chat is called: a group's title, a person's name
    title: str = ""
    #: of the author's own Telegram, as ``ru`` or ``en-GB``
    language: str = ""


@dataclass(frozen=True)
class Moved:
    """A group became a supergroup."""

    old: str
    new: str


@dataclass(frozen=True)
class Removed:
    """The bot was put out of the chat, or blocked."""

    chat: str


@dataclass(frozen=True)
class Pressed:
    """A button under a message of ours was pressed."""

    chat: str
    message_id: int | None
    callback_id: str
    data: str
    author: str
    #: the buttons the message has now
    buttons: tuple[tuple[Mapping[str, Any], ...], ...] = ()


def chat_of(update: Mapping[str, Any]) -> str | None:
    """The chat an update is about, for the kinds the bot reads."""
    press = update.get("callback_query")
    if isinstance(press, dict):
        number = ((press.get("message") or {}).get("chat") or {}).get("id")
        return str(number) if number is not None else None
    for kind in ("message", "edited_message", "my_chat_member"):
        if isinstance(update.get(kind), dict):
            number = (update[kind].get("chat") or {}).get("id")
            return str(number) if number is not None else None
    return None


def understand(update: Mapping[str, Any], bot_id: int, username: str) -> Incoming | Moved | Removed | Pressed | None:
    """What the update asks of us; None for what does not concern the bot (an edit, talk between people)."""
    member = update.get("my_chat_member")
    chat = chat_of(update)
    if chat is None:
        return None
    if isinstance(member, dict):
        status = (member.get("new_chat_member") or {}).get("status")
        return Removed(chat) if status in ("kicked", "left") else None
    if isinstance(press := update.get("callback_query"), dict):
        return _pressed(chat, press)
    message = update.get("message")
    if not isinstance(message, dict):
        return None
    if message.get("migrate_to_chat_id"):
        return Moved(chat, str(message["migrate_to_chat_id"]))
    author = message.get("from") or {}
    if author.get("is_bot") and not message.get("sender_chat"):
        return None
    text = str(message.get("text") or message.get("caption") or "")
    entities = message.get("entities") or message.get("caption_entities") or []
    command, rest, is_mentioned = _addressed(text, entities, bot_id, username)
    if command == "":
        return None
    reply_to = _reply_to(message, bot_id)
    is_private = (message.get("chat") or {}).get("type") == "private"
    if not (is_private or command or is_mentioned or reply_to):
        return None
    return Incoming(
        chat=chat,
        message_id=int(message["message_id"]),
        author=_name(message.get("sender_chat") or author),
        sent_at=datetime.fromtimestamp(int(message.get("date") or 0), UTC),
        text=rest,
        command=command,
        reply_to=reply_to,
        # ordinary reply threads of supergroups carry a thread id too, and echoing it would fail
        thread_id=message.get("message_thread_id") if message.get("is_topic_message") else None,
        title=_title(message.get("chat") or {}),
        language=str(author.get("language_code") or "")[:10],
    )


def _pressed(chat: str, press: Mapping[str, Any]) -> Pressed:
    message = press.get("message") or {}
    keyboard = (message.get("reply_markup") or {}).get("inline_keyboard") or []
    return Pressed(
        chat=chat,
        message_id=int(message["message_id"]) if message.get("message_id") else None,
        callback_id=str(press.get("id") or ""),
        data=str(press.get("data") or ""),
        author=_name(press.get("from") or {}),
        buttons=tuple(tuple(button for button in row if isinstance(button, dict)) for row in keyboard),
    )


def _title(chat: Mapping[str, Any]) -> str:
    """What people see above the chat: a group's title, the other person's name in a private one."""
    return _name({key: value for key, value in chat.items() if (key == "title") != (chat.get("type") == "private")})


def slice_utf16(text: str, offset: int, length: int) -> str:
    """A piece of a text by UTF-16 units, the measure of Telegram's entities."""
    raw = text.encode("utf-16-le", "surrogatepass")
    return raw[2 * offset : 2 * (offset + length)].decode("utf-16-le", "replace")


def _addressed(text: str, entities: Any, bot_id: int, username: str) -> tuple[str | None, str, bool]:
    """``(command, text without command and mentions of us, mentioned?)``; a command of another bot is ``""``."""
    command: str | None = None
    mentioned = False
    cut: list[tuple[int, int]] = []
    for entity in entities:
        offset, length = int(entity.get("offset", 0)), int(entity.get("length", 0))
        piece = slice_utf16(text, offset, length)
        if entity.get("type") == "bot_command" and offset == 0:
            name, _, whom = piece[1:].partition("@")
            if whom and whom.lower() != username.lower():
                return "", "", False
            command = name.lower()
        elif piece.lower() == f"@{username.lower()}" or (entity.get("user") or {}).get("id") == bot_id:
            mentioned = True
        else:
            continue
        cut.append((offset, length))
    raw = text.encode("utf-16-le", "surrogatepass")
    for offset, length in sorted(cut, reverse=True):
        raw = raw[: 2 * offset] + raw[2 * (offset + length) :]
    return command, raw.decode("utf-16-le", "replace").strip(), mentioned


def _reply_to(message: Mapping[str, Any], bot_id: int) -> int | None:
    replied = message.get("reply_to_message")
    if not isinstance(replied, dict) or (replied.get("from") or {}).get("id") != bot_id:
        return None
    # in a topic the server fills in the topic's root even for plain messages
    if "forum_topic_created" in replied:
        return None
    return int(replied["message_id"])


def _name(author: Mapping[str, Any]) -> str:
    """As people see it beside the question: one line without hidden characters, addresses and whole phones."""
    names = [str(author.get(key) or "") for key in ("title", "first_name", "last_name")]
    name = " ".join(name for name in names if name) or str(author.get("username") or "")
    return shown(name, LONGEST_NAME) or "Telegram"
