"""The raw tables as dlt must see them: the columns of ``supabase/migrations`` in dlt's own words.

Every column is named, so a stream that is all null or all empty changes no table, and nothing a vendor adds
becomes a column: it stays in ``payload``. A test compares this with the database.
"""

from __future__ import annotations

from typing import Any

#: dialogs have one shape, whoever brings them
_DIALOGS: dict[str, tuple[dict[str, str], dict[str, str], tuple[str, ...]]] = {
    "chats": (
        {"id": "bigint"},
        {"contact_id": "bigint", "connection_id": "bigint", "updated_at": "timestamp"},
        ("id",),
    ),
    "messages": (
        {
            "chat_id": "bigint",
            "id": "text",
            "sent_at": "timestamp",
            "direction": "text",
            "message_type": "text",
        },
        {"connection_id": "bigint"},
        ("chat_id", "id"),
    ),
}
_REQUIRED: dict[str, str] = {"tenant_id": "text", "payload": "json", "seen_at": "timestamp"}

#: {dataset: {table: (required columns, nullable columns, primary key after tenant_id)}}
_TABLES: dict[str, dict[str, tuple[dict[str, str], dict[str, str], tuple[str, ...]]]] = {
    "raw_amocrm": {
        **{name: ({"id": "bigint"}, {}, ("id",)) for name in ("account", "users", "pipelines", "loss_reasons")},
        **{
            name: ({"id": "bigint"}, {"created_at": "timestamp", "updated_at": "timestamp"}, ("id",))
            for name in ("leads", "contacts")
        },
        "events": (
            {"id": "text", "type": "text", "created_at": "timestamp"},
            {"entity_type": "text", "entity_id": "bigint"},
            ("id",),
        ),
        "notes": (
            {"id": "bigint", "entity_type": "text", "note_type": "text"},
            {"entity_id": "bigint", "created_at": "timestamp", "updated_at": "timestamp"},
            ("id",),
        ),
        "tasks": (
            {"id": "bigint"},
            {"entity_type": "text", "entity_id": "bigint", "created_at": "timestamp", "updated_at": "timestamp"},
            ("id",),
        ),
        "deleted": (
            {"id": "bigint", "entity_type": "text"},
            {"deleted_at": "timestamp"},
            ("entity_type", "id"),
        ),
    },
    "raw_radist": {
        "sources": ({"id": "bigint", "type": "text"}, {}, ("id",)),
        **_DIALOGS,
    },
    "raw_whatsapp": _DIALOGS,
}


def tables(dataset: str) -> list[str]:
    return list(_TABLES[dataset])


def columns(dataset: str, table: str) -> Any:
    """dlt's ``columns=`` hints."""
    required, nullable, _ = _TABLES[dataset][table]
    return {
        **{name: {"data_type": kind, "nullable": False} for name, kind in {**_REQUIRED, **required}.items()},
        **{name: {"data_type": kind, "nullable": True} for name, kind in nullable.items()},
    }


def primary_key(dataset: str, table: str) -> tuple[str, ...]:
    return ("tenant_id", *_TABLES[dataset][table][2])
