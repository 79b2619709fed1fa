"""The types of the fields that the marts read, as the vendors have sent them so far.

A field that comes as another type stays in the payload as it came, the marts read it as null where they cannot make
sense of it (``transforms/macros/vendors.sql``), and the row is noted (``changed_type``): a price that became a text
must be said, not shown as zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Shape = Mapping[str, tuple[type, ...]]

_NUMBER, _WHOLE, _TEXT, _FLAG, _LIST, _OBJECT = (int, float), (int,), (str,), (bool,), (list,), (dict,)
_TIMES: Shape = {"created_at": _WHOLE, "updated_at": _WHOLE}
_EVENT: Shape = {
    "id": _TEXT, "type": _TEXT, "entity_type": _TEXT, "entity_id": _WHOLE, "created_by": _WHOLE, "created_at": _WHOLE,
    "value_before": _LIST, "value_after": _LIST, "_embedded": _OBJECT,
}  # fmt: skip

#: (source, stream) → field → its types; null and absent are always allowed
SHAPES: dict[tuple[str, str], Shape] = {
    ("amocrm", "account"): {"id": _WHOLE, "name": _TEXT, "currency": _TEXT},
    ("amocrm", "users"): {"id": _WHOLE, "name": _TEXT, "email": _TEXT, "rights": _OBJECT},
    ("amocrm", "pipelines"): {"id": _WHOLE, "name": _TEXT, "sort": _WHOLE, "_embedded": _OBJECT},
    ("amocrm", "loss_reasons"): {"id": _WHOLE, "name": _TEXT},
    ("amocrm", "leads"): {
        **_TIMES, "id": _WHOLE, "name": _TEXT, "price": _NUMBER, "price_with_minor_units": _NUMBER, "status_id": _WHOLE,
        "pipeline_id": _WHOLE, "responsible_user_id": _WHOLE, "loss_reason_id": _WHOLE, "closed_at": _WHOLE,
        "is_deleted": _FLAG, "_embedded": _OBJECT,
    },
    ("amocrm", "contacts"): {
        **_TIMES, "id": _WHOLE, "name": _TEXT, "responsible_user_id": _WHOLE, "custom_fields_values": _LIST,
        "is_deleted": _FLAG,
    },
    ("amocrm", "events"): _EVENT,
    ("amocrm", "notes"): {
        **_TIMES, "id": _WHOLE, "entity_id": _WHOLE, "note_type": _TEXT, "created_by": _WHOLE, "params": _OBJECT,
    },
    ("amocrm", "tasks"): {
        **_TIMES, "id": _WHOLE, "entity_id": _WHOLE, "entity_type": _TEXT, "responsible_user_id": _WHOLE, "is_completed": _FLAG,
        "task_type_id": _WHOLE, "text": _TEXT, "complete_till": _WHOLE,
    },
    ("amocrm", "deleted"): {"id": _WHOLE, "updated_at": _WHOLE, "is_deleted": _FLAG},
    ("radist", "sources"): {"connection_id": _WHOLE, "type": _TEXT, "name": _TEXT},
    ("radist", "chats"): {
        "chat_id": _WHOLE, "connection_id": _WHOLE, "contact_id": _WHOLE, "source_chat_id": _TEXT, "phone": _TEXT,
        "name": _TEXT, "username": _TEXT, "contact_name": _TEXT, "is_group": _FLAG, "last_chat_updated_at": _TEXT,
    },
    ("radist", "messages"): {
        "chat_id": _WHOLE, "message_id": _TEXT, "created_at": _TEXT, "direction": _TEXT, "message_type": _TEXT,
        "text": _OBJECT,
    },
}  # fmt: skip


def changed(source: str, stream: str, payload: Mapping[str, Any]) -> list[str]:
    """Names of the known fields whose type is another one; usually none."""
    # the recycle bin's rows and the log's events about deletions stand in one stream
    shape = _EVENT if stream == "deleted" and "entity_id" in payload else SHAPES.get((source, stream), {})
    return [
        name
        for name, types in shape.items()
        if (value := payload.get(name)) is not None
        and type(value) not in types
        # PHP writes an empty object as an empty list
        and not (value == [] and types is _OBJECT)
    ]
