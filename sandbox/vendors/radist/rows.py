"""Contacts, dialogs and messages in Radist's spelling."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.company.model import Chat, Message, RadistContact
from sandbox.company.world import World


def contact_row(
    world: World, contact: RadistContact, chats: list[Chat], last: datetime, now: datetime
) -> dict[str, Any]:
    """One row of the listing: a contact with its dialogs; ``last_chat_updated_at`` is the contact's, not a dialog's."""
    rows = [chat_row(world, chat, now) for chat in chats]
    return {
        "contact_id": contact.id,
        "contact_name": contact.name,
        "avatar_url": None,
        "is_group": contact.is_group,
        "unanswered_count": sum(row["unanswered_count"] for row in rows),
        "last_chat_updated_at": stamp(last, contact.id),
        "chats": rows,
    }


def bare_contact(last: datetime, chats: list[Any] | None) -> dict[str, Any]:
    """A contact the vendor lists without any dialog."""
    row: dict[str, Any] = {"contact_id": 79_000_900, "contact_name": None, "avatar_url": None, "is_group": False}
    return {**row, "unanswered_count": 0, "last_chat_updated_at": stamp(last, 0), "chats": chats}


def chat_row(world: World, chat: Chat, now: datetime) -> dict[str, Any]:
    messages = world.messages(chat, now)
    unanswered = 0
    for message in reversed(messages):
        if message.kind != "client":
            break
        unanswered += 1
    return {
        "chat_id": chat.id,
        "connection_id": chat.connection_id,
        "source_chat_id": chat.source_chat_id,
        "phone": chat.phone,
        "username": chat.username,
        "name": chat.name,
        "unanswered_count": unanswered,
        "last_message": {"message_id": messages[-1].id, "created_at": stamp(messages[-1].at, chat.id)},
    }


def message_row(chat: Chat, message: Message, now: datetime) -> dict[str, Any]:
    """One message; the payload's key is the message type, as the vendor has it. No author anywhere."""
    row: dict[str, Any] = {
        "message_id": message.id,
        "chat_id": chat.id,
        "connection_id": chat.connection_id,
        "direction": message.direction,
        "message_type": message.type,
        "created_at": stamp(message.at, len(message.id) + message.at.microsecond + message.at.second),
        "delivered_at": None,
        "read_at": None,
    }
    if message.direction == "outbound":
        delivered = message.at + timedelta(seconds=1)
        row["delivered_at"] = stamp(delivered, 1) if delivered <= now else None
        row["read_at"] = stamp(message.read_at, 0) if message.read_at and message.read_at <= now else None
    if message.type == "text":
        row["text"] = {"text": message.text}
    elif message.type == "waba_interactive":
        buttons = [{"type": "reply", "reply": {"id": "1", "title": "Каталог"}}]
        row["waba_interactive"] = {"type": "button", "body": {"text": message.text}, "action": {"buttons": buttons}}
    elif message.type == "waba_template":
        row["waba_template"] = {"name": "promo_weekly", "text": message.text}
    elif message.file_name is not None:
        row[message.type] = {"name": message.file_name, "caption": message.text, "url": None}
    elif message.type == "system":
        row["text"] = {"text": message.text}
    return row


def stamp(moment: datetime, turn: int) -> str:
    """One of the four spellings seen: offset, offset with microseconds, microseconds and no offset, Z.

    A fraction is dropped only when it is zero, so the spelling never changes the moment.
    """
    utc = moment.astimezone(UTC)
    spelling = turn % 4
    if spelling == 0:
        return utc.isoformat()
    if spelling == 1:
        return utc.isoformat().replace("+00:00", "Z")
    if spelling == 2:
        return utc.replace(tzinfo=None).isoformat(timespec="microseconds")
    return utc.isoformat(timespec="microseconds")
