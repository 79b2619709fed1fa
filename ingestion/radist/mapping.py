"""Radist's rows as rows of ``raw_radist``: the keys and times beside the payload, and the payload as it came.

Pure: a vendor row goes in, a raw row comes out or :class:`ingestion.extract.rows.Rejected` says why not. A dialog's
payload is the chat with its contact's fields beside its own (the vendor lists contacts), plus
``_synkro.phone``: the client's phone in E.164 or null.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingestion.extract.rows import Rejected, Row, identifier, integer, integer_or_none, iso, not_future, word
from synkro.core import phones

Item = dict[str, Any]

#: of the contact a chat belongs to; where both have a field, the chat's own is the finer one
_CONTACT_FIELDS = ("contact_id", "contact_name", "avatar_url", "is_group", "last_chat_updated_at")
#: connection parameters hold the messenger's own tokens
_SECRET = re.compile(r"params|token|secret|password|api_?key|auth", re.IGNORECASE)
#: ids of WhatsApp that hold a phone; …@g.us is a group, …@lid hides the phone
_PHONE_ID = re.compile(r"@(?:c\.us|s\.whatsapp\.net)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Mapper:
    """Makes raw rows of one tenant, seen at one moment."""

    tenant_id: str
    seen_at: datetime

    def _row(self, key: Row, payload: Item) -> Row:
        return {"tenant_id": self.tenant_id, **key, "payload": payload, "seen_at": self.seen_at}

    def source(self, item: Item) -> Row:
        return self._row(
            {"id": integer(item.get("connection_id")), "type": word(item.get("type"))}, without_secrets(item)
        )

    def chat(self, item: Item) -> Row:
        """``item``: of :func:`chats_of`."""
        return self._row(
            {
                "id": integer(item.get("chat_id")),
                "contact_id": integer_or_none(item.get("contact_id")),
                "connection_id": integer_or_none(item.get("connection_id")),
                # the dialog is real whatever its clock says
                "updated_at": updated_of(item),
            },
            {**item, "_synkro": {"phone": phone_of(item)}},
        )

    def message(self, chat_id: int, connection_id: int | None, item: Item) -> Row:
        """``chat_id``: the dialog that was asked for."""
        if item.get("chat_id") not in (None, "") and integer(item["chat_id"]) != chat_id:
            raise Rejected("other_chat")
        moment = iso(item.get("created_at"))
        if moment is None:
            raise Rejected("no_time")
        not_future(moment, now=self.seen_at)
        own = integer_or_none(item.get("connection_id"))
        return self._row(
            {
                "chat_id": chat_id,
                "id": identifier(item.get("message_id")),
                "connection_id": connection_id if own is None else own,
                "sent_at": moment,
                "direction": word(item.get("direction")),
                "message_type": word(item.get("message_type")),
            },
            item,
        )


def chats_of(contact: Any) -> list[Any]:
    """The chats of one listed contact, each with the contact's fields; what is no contact stays as it is."""
    if not isinstance(contact, dict):
        return [contact]
    about = {name: contact[name] for name in _CONTACT_FIELDS if name in contact}
    chats = contact.get("chats")
    return [
        {**about, **chat} if isinstance(chat, dict) else chat for chat in (chats if isinstance(chats, list) else [])
    ]


def phone_of(chat: Item) -> str | None:
    """E.164 of the client, from the chat's phone or from a messenger id that holds one; never of a group."""
    source_id = str(chat.get("source_chat_id") or "")
    if chat.get("is_group") is True or "@g.us" in source_id.lower():
        return None
    return phones.normalise(chat.get("phone")) or (phones.normalise(source_id) if _PHONE_ID.search(source_id) else None)


def without_secrets(source: Item) -> Item:
    """A listed source without the messenger's own tokens."""
    return {name: value for name, value in source.items() if not _SECRET.search(name)}


def updated_of(chat: Item) -> datetime | None:
    """When the vendor says that a dialog changed; None for what cannot be read: it counts as changed."""
    try:
        return iso(chat.get("last_chat_updated_at"))
    except Rejected:
        return None


def moment_of(message: Any) -> datetime | None:
    """When a message was created, as far as paging cares: None for what cannot be read."""
    try:
        return iso(message.get("created_at")) if isinstance(message, dict) else None
    except Rejected:
        return None
