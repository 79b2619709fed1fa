"""Whether a client's message needs an answer and what each message does: what was decided, and where a person said otherwise.

The decisions themselves are pure (``analysis/intents``, ``analysis/rules/acts.py``); here are the dialogs that wait for one, their messages as raw has them,
and the rows the marts read. A dialog is decided anew as a whole: a line is judged by those before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from synkro.connectors import raw
from synkro.core.errors import NotFoundError
from synkro.database import db

#: why the marts say so where a person corrected it
BY_PERSON = "person"


@dataclass(frozen=True)
class RawMessage:
    """One message before the marts know it; ``is_bot``: the source itself says so."""

    message_id: str
    sent_at: datetime
    direction: str
    is_bot: bool
    message_type: str
    body: str
    has_media: bool
    file_name: str = ""


@dataclass(frozen=True)
class Act:
    """One thing a message does (``analysis/rules/acts.py``), as it is stored."""

    message_id: str
    act: str
    what: str
    due_at: datetime | None


@dataclass(frozen=True)
class Decided:
    """One decision, as it is stored."""

    message_id: str
    needs_reply: bool
    reason: str
    confidence: float


def waiting(connection: db.Connection, tenant_id: UUID, version: str) -> list[str]:
    """Dialogs that changed since the last build, and those never decided or by another version; in a fixed order."""
    rows = connection.execute(
        "select id as dialog_id from private.raw_changes where tenant_id = %(tenant)s and kind = 'chat'"
        f" union select c.id::text from ({raw.chats('tenant_id, id')}) c where c.tenant_id = %(tenant)s and not exists"
        " (select from private.decided_dialogs d where d.tenant_id = %(tenant)s and d.dialog_id = c.id::text"
        "  and d.version = %(version)s)"
        " order by 1",
        {"tenant": tenant_id, "version": version},
    )
    return [row["dialog_id"] for row in rows]


def messages(
    connection: db.Connection, tenant_id: UUID, dialog_ids: Sequence[str]
) -> dict[str, tuple[str, list[RawMessage]]]:
    """By dialog: a hash of its messages, and those that are no system lines, in order."""
    found: dict[str, tuple[str, list[RawMessage]]] = {dialog_id: ("", []) for dialog_id in dialog_ids}
    rows = connection.execute(
        "select dialog_id, message_id, sent_at, direction, message_type, coalesce(body, '') as body, has_media,"
        " coalesce(file_name, '') as file_name,"
        " is_flagged_bot or message_type = 'waba_template' as is_bot,"
        " md5(string_agg(concat_ws('|', message_id, sent_at, direction, message_type, has_media, is_flagged_bot, file_name, body), e'\\n')"
        '   over (partition by dialog_id order by sent_at, message_id collate "C"'
        "   rows between unbounded preceding and unbounded following)) as whole"
        " from staging.stg_messages where tenant_id = %s and chat_id = any (%s::bigint[]) and not is_system"
        ' order by dialog_id, sent_at, message_id collate "C"',
        (tenant_id, list(dialog_ids)),
    )
    for row in rows:
        dialog_id, whole = row.pop("dialog_id"), row.pop("whole")
        known = found[dialog_id][1]
        known.append(RawMessage(**row))
        found[dialog_id] = (whole, known)
    return found


def unchanged(connection: db.Connection, tenant_id: UUID, version: str, hashes: Mapping[str, str]) -> set[str]:
    """Of these dialogs, those whose decisions were made of the same messages by the same version."""
    rows = connection.execute(
        "select dialog_id, messages_hash from private.decided_dialogs"
        " where tenant_id = %s and version = %s and dialog_id = any (%s)",
        (tenant_id, version, list(hashes)),
    )
    return {row["dialog_id"] for row in rows if hashes[row["dialog_id"]] == row["messages_hash"]}


def save(
    connection: db.Connection,
    tenant_id: UUID,
    version: str,
    hashes: Mapping[str, str],
    decided: Mapping[str, Sequence[Decided]],
    acts: Mapping[str, Sequence[Act]],
) -> None:
    """The decisions of whole dialogs and the acts of their messages, instead of what was there."""
    connection.execute(
        "delete from private.message_intents where tenant_id = %s and dialog_id = any (%s)", (tenant_id, list(decided))
    )
    rows = [(dialog_id, one) for dialog_id, found in decided.items() for one in found]
    connection.execute(
        "insert into private.message_intents (tenant_id, dialog_id, message_id, needs_reply, reason, confidence)"
        " select %s, * from unnest(%s::text[], %s::text[], %s::boolean[], %s::text[], %s::real[])",
        (
            tenant_id,
            [dialog_id for dialog_id, _ in rows],
            [one.message_id for _, one in rows],
            [one.needs_reply for _, one in rows],
            [one.reason for _, one in rows],
            [one.confidence for _, one in rows],
        ),
    )
    connection.execute(
        "delete from private.message_acts where tenant_id = %s and dialog_id = any (%s)", (tenant_id, list(decided))
    )
    done = [(dialog_id, one) for dialog_id, found in acts.items() for one in found]
    connection.execute(
        "insert into private.message_acts (tenant_id, dialog_id, message_id, act, what, due_at)"
        " select %s, * from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])",
        (
            tenant_id,
            [dialog_id for dialog_id, _ in done],
            [one.message_id for _, one in done],
            [one.act for _, one in done],
            [one.what for _, one in done],
            [one.due_at for _, one in done],
        ),
    )
    connection.execute(
        "insert into private.decided_dialogs (tenant_id, dialog_id, version, messages_hash)"
        " select %s, dialog_id, %s, whole from unnest(%s::text[], %s::text[]) as given (dialog_id, whole)"
        " on conflict (tenant_id, dialog_id) do update set version = excluded.version, messages_hash = excluded.messages_hash",
        (tenant_id, version, list(hashes), list(hashes.values())),
    )


def correct(
    connection: db.Connection, tenant_id: UUID, dialog_id: str, message_id: str, needs_reply: bool, author_id: UUID
) -> None:
    """A person's word (their entry point); the next build of the marts takes it. Raises :class:`NotFoundError`."""
    row = connection.execute(
        "select needs_reply, needs_reply_reason from marts.fct_messages"
        " where tenant_id = %s and dialog_id = %s and message_id = %s and kind = 'client'",
        (tenant_id, dialog_id, message_id),
    ).fetchone()
    if row is None:
        raise NotFoundError("Сообщение не найдено.")
    connection.execute(
        "insert into synkro.reply_labels"
        " (tenant_id, dialog_id, message_id, needs_reply, was_needs_reply, was_reason, author_id)"
        " values (%s, %s, %s, %s, %s, %s, %s)"
        " on conflict (tenant_id, dialog_id, message_id) do update set needs_reply = excluded.needs_reply,"
        "  author_id = excluded.author_id, created_at = now()",
        (tenant_id, dialog_id, message_id, needs_reply, row["needs_reply"], row["needs_reply_reason"], author_id),
    )


def corrected(connection: db.Connection, tenant_id: UUID, dialog_id: str) -> dict[str, bool]:
    """By message: what people said of this dialog, also where the marts do not know it yet."""
    rows = connection.execute(
        "select message_id, needs_reply from synkro.reply_labels where tenant_id = %s and dialog_id = %s",
        (tenant_id, dialog_id),
    )
    return {row["message_id"]: row["needs_reply"] for row in rows}
