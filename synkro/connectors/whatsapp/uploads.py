"""Uploaded dialogs between the page and the next run: what is new is kept until raw holds it.

An upload writes rows of ``private.whatsapp_*``; a run reads them into ``raw_whatsapp`` (``ingestion/whatsapp``) and takes out
what raw holds by then. So what counts as a repeat is asked of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro.connectors.whatsapp.chats import Chat
from synkro.database import db


@dataclass(frozen=True)
class Added:
    """What one file brought."""

    messages: int
    repeated: int
    is_new: bool


def add(connection: db.Connection, tenant_id: UUID, chat: Chat) -> Added:
    """Keep the dialog until the next run (service entry point). A message that is known and the same is not kept again."""
    of_chat = {"tenant": tenant_id, "chat": chat.id}
    # two uploads of one chat at once: the second counts what the first has left
    connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('whatsapp:' || %s || ':' || %s, 0))",
        (str(tenant_id), str(chat.id)),
    )
    known = _known(connection, of_chat)
    was_there = connection.execute(
        "select from private.whatsapp_chats where tenant_id = %(tenant)s and id = %(chat)s"
        " union all select from raw_whatsapp.chats where tenant_id = %(tenant)s and id = %(chat)s limit 1",
        of_chat,
    ).fetchone()
    connection.execute(
        "insert into private.whatsapp_chats (tenant_id, id, exported_until, payload)"
        " values (%(tenant)s, %(chat)s, greatest(%(until)s, (select max(updated_at) from raw_whatsapp.chats"
        "   where tenant_id = %(tenant)s and id = %(chat)s)), %(payload)s)"
        " on conflict (tenant_id, id) do update set payload = excluded.payload,"
        " exported_until = greatest(private.whatsapp_chats.exported_until, excluded.exported_until)",
        {**of_chat, "until": chat.until, "payload": Jsonb(chat.payload)},
    )
    fresh = [one for one in chat.messages if known.get(one.id) != (one.direction, one.sent_at)]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into private.whatsapp_messages (tenant_id, chat_id, id, sent_at, direction, message_type, payload)"
            " values (%s, %s, %s, %s, %s, %s, %s) on conflict (tenant_id, chat_id, id) do update"
            " set sent_at = excluded.sent_at, direction = excluded.direction, payload = excluded.payload",
            [
                (tenant_id, chat.id, one.id, one.sent_at, one.direction, one.message_type, Jsonb(one.payload))
                for one in fresh
            ],
        )
    added = sum(one.id not in known for one in fresh)
    return Added(added, len(chat.messages) - added, was_there is None)


def _known(connection: db.Connection, of_chat: dict[str, Any]) -> dict[str, tuple[str, datetime]]:
    rows = connection.execute(
        "select id, direction, sent_at from raw_whatsapp.messages where tenant_id = %(tenant)s and chat_id = %(chat)s"
        " union all"
        " select id, direction, sent_at from private.whatsapp_messages where tenant_id = %(tenant)s and chat_id = %(chat)s",
        of_chat,
    )
    # the upload is younger than raw: it comes last
    return {row["id"]: (row["direction"], row["sent_at"]) for row in rows}


def waiting_chats(connection: db.Connection, tenant_id: UUID) -> list[dict[str, Any]]:
    """Dialogs no run has read (service entry point)."""
    return connection.execute(
        "select id, exported_until, payload from private.whatsapp_chats where tenant_id = %s order by id", (tenant_id,)
    ).fetchall()


def waiting_messages(connection: db.Connection, tenant_id: UUID, size: int) -> Iterator[list[dict[str, Any]]]:
    """Messages no run has read, in pages (service entry point)."""
    with connection.cursor(name="whatsapp_messages") as cursor:
        cursor.execute(
            "select chat_id, id, sent_at, direction, message_type, payload from private.whatsapp_messages"
            " where tenant_id = %s order by chat_id, id",
            (tenant_id,),
        )
        while rows := cursor.fetchmany(size):
            yield rows


def complete_until(connection: db.Connection, tenant_id: UUID) -> datetime | None:
    """The last line of the latest export; None before the first one (service entry point)."""
    row = connection.execute(
        "select greatest((select max(exported_until) from private.whatsapp_chats where tenant_id = %(tenant)s),"
        " (select max(updated_at) from raw_whatsapp.chats where tenant_id = %(tenant)s)) as until",
        {"tenant": tenant_id},
    ).fetchone()
    return row["until"] if row else None


def first_message(connection: db.Connection, tenant_id: UUID) -> datetime | None:
    """The earliest message there is (service entry point)."""
    row = connection.execute(
        "select least((select min(sent_at) from private.whatsapp_messages where tenant_id = %(tenant)s),"
        " (select min(sent_at) from raw_whatsapp.messages where tenant_id = %(tenant)s)) as since",
        {"tenant": tenant_id},
    ).fetchone()
    return row["since"] if row else None


def forget_read(connection: db.Connection, tenant_id: UUID) -> None:
    """Take out what raw holds as it was uploaded; what came during the run stays (service entry point)."""
    connection.execute(
        "delete from private.whatsapp_messages as w using raw_whatsapp.messages as r"
        " where w.tenant_id = %(tenant)s and r.tenant_id = w.tenant_id and r.chat_id = w.chat_id and r.id = w.id"
        " and r.direction = w.direction and r.sent_at = w.sent_at and r.payload = w.payload",
        {"tenant": tenant_id},
    )
    connection.execute(
        "delete from private.whatsapp_chats as w using raw_whatsapp.chats as r"
        " where w.tenant_id = %(tenant)s and r.tenant_id = w.tenant_id and r.id = w.id and r.payload = w.payload"
        " and r.updated_at = w.exported_until",
        {"tenant": tenant_id},
    )


def totals(connection: db.Connection, tenant_id: UUID) -> dict[str, Any]:
    """How much there is, read or not (service entry point)."""
    row = connection.execute(
        "select (select count(*) from (select id from raw_whatsapp.chats where tenant_id = %(tenant)s union"
        "  select id from private.whatsapp_chats where tenant_id = %(tenant)s) c) as chats,"
        " (select count(*) from (select chat_id, id from raw_whatsapp.messages where tenant_id = %(tenant)s union"
        "  select chat_id, id from private.whatsapp_messages where tenant_id = %(tenant)s) m) as messages",
        {"tenant": tenant_id},
    ).fetchone()
    assert row is not None
    return dict(row)
