"""Dialogs and their messages as the marts hold them: for the readings, for quotes, for the transcript page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from synkro.connectors import raw
from synkro.core.errors import NotFoundError
from synkro.core.windows import Window
from synkro.database import db
from synkro.metrics.queries import plain


@dataclass(frozen=True)
class Message:
    message_id: str
    dialog_id: str
    kind: str
    direction: str
    sent_at: datetime
    body: str
    has_media: bool
    author_id: str | None
    author_name: str | None
    author_source: str | None
    needs_reply: bool
    #: why needs_reply says so, and the chance that it is right; None where nothing was decided
    needs_reply_reason: str | None = None
    needs_reply_confidence: float | None = None
    #: text, voice, image, file, …, as the channel calls it
    message_type: str = ""
    file_name: str = ""
    seconds: int | None = None


@dataclass(frozen=True)
class Dialog:
    """One dialog of a window with what the CRM knows of its client."""

    dialog_id: str
    client_id: str
    client_name: str
    phone: str | None
    channel: str
    deal_id: str | None
    deal_name: str | None
    stage: str | None
    stage_kind: str | None
    price: int | None
    loss_reason: str | None
    manager_id: str | None
    manager_name: str | None
    messages: int
    waits: int
    has_open_wait: bool
    transcript_hash: str


def in_window(connection: db.Connection, tenant_id: UUID, window: Window) -> list[Dialog]:
    """Every dialog with messages in the window, busiest first."""
    rows = connection.execute(
        "select p.dialog_id, p.client_id, coalesce(nullif(c.name, ''), d.contact_name, '') as client_name, c.phone,"
        " coalesce(d.channel, '') as channel, p.deal_id, f.name as deal_name, f.stage, f.stage_kind, f.price, f.loss_reason,"
        " f.responsible_id as manager_id, m.name as manager_name, p.messages, p.waits, p.has_open_wait, p.transcript_hash"
        " from marts.period_dialogs p"
        " left join marts.dim_dialogs d on d.tenant_id = p.tenant_id and d.dialog_id = p.dialog_id"
        " left join marts.dim_clients c on c.tenant_id = p.tenant_id and c.client_id = p.client_id"
        " left join marts.fct_deals f on f.tenant_id = p.tenant_id and f.deal_id = p.deal_id"
        " left join marts.dim_managers m on m.tenant_id = f.tenant_id and m.manager_id = f.responsible_id"
        " where p.tenant_id = %s and p.window_start = %s and p.window_end = %s"
        " order by p.messages desc, p.dialog_id",
        (tenant_id, window.start, window.end),
    )
    return [Dialog(**{**row, "price": plain(row["price"])}) for row in rows]


_MESSAGES = (
    "select f.message_id, f.dialog_id, f.kind, f.direction, f.sent_at, coalesce(f.body, '') as body, f.has_media,"
    " f.author_id, m.name as author_name, f.author_source, f.needs_reply,"
    " f.needs_reply_reason, f.needs_reply_confidence, coalesce(f.message_type, '') as message_type from marts.fct_messages f"
    " left join marts.dim_managers m on m.tenant_id = f.tenant_id and m.manager_id = f.author_id"
)


@dataclass(frozen=True)
class Page:
    """A part of a dialog in order: a long one is never read whole."""

    messages: list[Message]
    page: int
    pages: int
    total: int


def page(
    connection: db.Connection,
    tenant_id: UUID,
    dialog_id: str,
    size: int,
    number: int | None = None,
    message_id: str | None = None,
) -> Page:
    """The page that holds the message, or the one of that number, or the last."""
    parameters = {"tenant": tenant_id, "dialog": dialog_id, "message": message_id, "size": size}
    row = connection.execute(
        'select count(*) as total, count(*) filter (where (f.sent_at, f.message_id collate "C") <= ('
        '  select m.sent_at, m.message_id collate "C" from marts.fct_messages m'
        "  where m.tenant_id = %(tenant)s and m.dialog_id = %(dialog)s and m.message_id = %(message)s)) as place"
        " from marts.fct_messages f where f.tenant_id = %(tenant)s and f.dialog_id = %(dialog)s",
        parameters,
    ).fetchone()
    assert row is not None
    pages = max(1, -(-row["total"] // size))
    wanted = -(-row["place"] // size) if row["place"] else number or pages
    wanted = min(max(1, wanted), pages)
    rows = connection.execute(
        _MESSAGES + " where f.tenant_id = %(tenant)s and f.dialog_id = %(dialog)s"
        ' order by f.sent_at, f.message_id collate "C" limit %(size)s offset %(skip)s',
        {**parameters, "skip": (wanted - 1) * size},
    ).fetchall()
    return Page([Message(**one) for one in rows], wanted, pages, row["total"])


#: lines of a session that began before the window: nobody writes more without a pause of hours
_MOST_OF_SESSION = 200


def messages_of_window(
    connection: db.Connection,
    tenant_id: UUID,
    dialog_ids: Sequence[str],
    window: Window,
    *,
    before: int = 0,
    whole_session: bool = False,
) -> dict[str, list[Message]]:
    """By dialog, in order: the messages inside the window and the ``before`` last ones ahead of it; with ``whole_session`` also
    the beginning of the session that goes on into the window."""
    if not dialog_ids:
        return {}
    of_dialog = f"{_MESSAGES} where f.tenant_id = %(tenant)s and f.dialog_id = asked.id"
    rows = connection.execute(
        "select said.* from unnest(%(dialogs)s::text[]) as asked (id) cross join lateral ("
        f"({of_dialog} and f.sent_at >= %(start)s and f.sent_at < %(end)s) union all"
        f" ({of_dialog} and f.sent_at < %(start)s"
        ' order by f.sent_at desc, f.message_id collate "C" desc limit %(before)s)'
        + (
            f" union ({of_dialog} and f.sent_at < %(start)s and f.session_id = (select x.session_id from marts.fct_messages x"
            "  where x.tenant_id = %(tenant)s and x.dialog_id = asked.id and x.sent_at >= %(start)s and x.sent_at < %(end)s"
            '  order by x.sent_at, x.message_id collate "C" limit 1)'
            f" order by f.sent_at desc limit {_MOST_OF_SESSION})"
            if whole_session
            else ""
        )
        + ") as said"
        ' order by sent_at, message_id collate "C"',
        {
            "tenant": tenant_id,
            "dialogs": list(dialog_ids),
            "start": window.start,
            "end": window.end,
            "before": before,
        },
    ).fetchall()
    found: dict[str, list[Message]] = {dialog_id: [] for dialog_id in dialog_ids}
    for row in rows:
        found[row["dialog_id"]].append(Message(**row))
    return found


def with_media(connection: db.Connection, tenant_id: UUID, messages: Sequence[Message]) -> list[Message]:
    """The messages with the names and lengths of their files, as the channel sent them (service entry point)."""
    ids = [message.message_id for message in messages if message.has_media]
    if not ids:
        return list(messages)
    kinds = ("file", "document", "voice", "audio", "video", "image")
    names = ", ".join(f"payload #>> '{{{kind},name}}'" for kind in kinds)
    lengths = ", ".join(f"payload #>> '{{{kind},duration}}'" for kind in kinds)
    rows = connection.execute(
        f"select id::text as message_id, chat_id::text as dialog_id, coalesce({names}, '') as file_name, coalesce({lengths}) as seconds"
        f" from ({raw.messages('tenant_id, id, chat_id, payload')}) m where tenant_id = %s and id = any (%s)",
        (tenant_id, ids),
    )
    found = {(row["dialog_id"], row["message_id"]): row for row in rows}
    made = []
    for message in messages:
        row = found.get((message.dialog_id, message.message_id))
        length = str(row["seconds"] or "").split(".")[0] if row else ""
        made.append(
            replace(message, file_name=row["file_name"], seconds=int(length) if length.isdigit() else None)
            if row
            else message
        )
    return made


def get(connection: db.Connection, tenant_id: UUID, dialog_id: str) -> dict[str, Any]:
    """The dialog's card with its client and the client's deals; raises :class:`NotFoundError`."""
    row = connection.execute(
        "select d.dialog_id, d.client_id, d.channel, d.connection_id, d.first_message_at, d.last_message_at, d.message_count,"
        " coalesce(nullif(c.name, ''), d.contact_name, '') as client_name, c.phone, c.match_status"
        " from marts.dim_dialogs d left join marts.dim_clients c on c.tenant_id = d.tenant_id and c.client_id = d.client_id"
        " where d.tenant_id = %s and d.dialog_id = %s",
        (tenant_id, dialog_id),
    ).fetchone()
    if row is None:
        raise NotFoundError("Диалог не найден.")
    deals = connection.execute(
        "select f.deal_id, f.name, f.pipeline, f.stage, f.stage_kind, f.price, f.loss_reason, f.created_at, f.closed_at,"
        " f.is_deleted, m.name as manager_name from marts.fct_deals f"
        " left join marts.dim_managers m on m.tenant_id = f.tenant_id and m.manager_id = f.responsible_id"
        " where f.tenant_id = %s and f.client_id = %s order by f.created_at desc nulls last",
        (tenant_id, row["client_id"]),
    ).fetchall()
    others = connection.execute(
        "select dialog_id, channel, message_count, last_message_at from marts.dim_dialogs"
        " where tenant_id = %s and client_id = %s and dialog_id <> %s order by last_message_at desc",
        (tenant_id, row["client_id"], dialog_id),
    ).fetchall()
    return {**row, "deals": deals, "other_dialogs": others}
