"""Rows of ``synkro.telegram_updates``: each update of a bot is taken once, whatever happens in between.

An update is confirmed to Telegram (by the offset of the next call) only after its row says «handled»; until then it
comes again and goes on where it stopped. Telegram keeps updates for a day, so rows are kept for a week.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from synkro.database import db
from synkro.reporting.reports import Message

#: an update that could not be handled for so long is given up, or it would hold back all later ones
GIVE_UP_MINUTES = 15
#: after a quiet week Telegram may count from any number: an older offset would hide the new updates
_KEPT_DAYS = 6


@dataclass(frozen=True)
class Received:
    """One update as we know it; the key of its row and how far it came."""

    tenant_id: UUID
    bot_id: int
    update_id: int
    report_message_id: UUID | None
    reply_started: bool
    handled: bool
    #: what came of an update that is no question
    outcome: str | None = None


_KEY = " where tenant_id = %(tenant)s and bot_id = %(bot)s and update_id = %(update)s"


def _key(row: Received) -> dict[str, object]:
    return {"tenant": row.tenant_id, "bot": row.bot_id, "update": row.update_id}


def next_offset(connection: db.Connection, bot_id: int) -> int | None:
    """What to pass to getUpdates: nothing unhandled is confirmed by it. None: no update is known."""
    connection.execute(
        "delete from synkro.telegram_updates where bot_id = %s and received_at < now() - make_interval(days => %s)",
        (bot_id, _KEPT_DAYS),
    )
    connection.execute(
        "update synkro.telegram_updates set handled_at = now() where bot_id = %s and handled_at is null"
        " and received_at < now() - make_interval(mins => %s)",
        (bot_id, GIVE_UP_MINUTES),
    )
    row = connection.execute(
        "select coalesce(min(update_id) filter (where handled_at is null), max(update_id) + 1) as next"
        " from synkro.telegram_updates where bot_id = %s",
        (bot_id,),
    ).fetchone()
    return row["next"] if row else None


def receive(connection: db.Connection, tenant_id: UUID, bot_id: int, update_id: int, chat: str | None) -> Received:
    """Take an update, or find what is known of it; the row is locked until the transaction ends."""
    connection.execute(
        "insert into synkro.telegram_updates (tenant_id, bot_id, update_id, chat_id) values (%s, %s, %s, %s)"
        " on conflict do nothing",
        (tenant_id, bot_id, update_id, chat),
    )
    row = connection.execute(
        "select tenant_id, bot_id, update_id, report_message_id, reply_started_at is not null as reply_started,"
        f" handled_at is not null as handled, outcome from synkro.telegram_updates{_KEY} for update",
        {"tenant": tenant_id, "bot": bot_id, "update": update_id},
    ).fetchone()
    assert row is not None
    return Received(**row)


def note_question(connection: db.Connection, row: Received, report_message_id: UUID) -> None:
    """The update became this question; in the transaction that stored it."""
    connection.execute(
        f"update synkro.telegram_updates set report_message_id = %(question)s{_KEY}",
        {**_key(row), "question": report_message_id},
    )


def note_outcome(connection: db.Connection, row: Received, outcome: str) -> None:
    """What came of the update; in the transaction that did it."""
    connection.execute(
        f"update synkro.telegram_updates set outcome = %(outcome)s{_KEY}", {**_key(row), "outcome": outcome}
    )


def wrong_codes(connection: db.Connection, bot_id: int, chat: str) -> tuple[int, int]:
    """Codes that did not fit within an hour: from this chat, and from all chats of the bot."""
    row = connection.execute(
        "select count(*) filter (where chat_id = %s) as here, count(*) as everywhere from synkro.telegram_updates"
        " where bot_id = %s and outcome = 'wrong' and received_at > now() - interval '1 hour'",
        (chat, bot_id),
    ).fetchone()
    assert row is not None
    return row["here"], row["everywhere"]


def asked(connection: db.Connection, tenant_id: UUID, chat: str) -> tuple[int, int, bool]:
    """Questions of the chat in the last hour and the last day, and whether it was told of a limit a moment ago."""
    row = connection.execute(
        "select count(*) filter (where report_message_id is not null and received_at > now() - interval '1 hour') as hour,"
        " count(*) filter (where report_message_id is not null) as day,"
        " coalesce(bool_or(outcome = 'limited' and received_at > now() - interval '10 minutes'), false) as told"
        " from synkro.telegram_updates"
        " where tenant_id = %s and chat_id = %s and received_at > now() - interval '1 day'",
        (tenant_id, chat),
    ).fetchone()
    assert row is not None
    return row["hour"], row["day"], row["told"]


def note_reply(connection: db.Connection, row: Received) -> None:
    """An answer is about to leave."""
    connection.execute(f"update synkro.telegram_updates set reply_started_at = now(){_KEY}", _key(row))


def mark_handled(connection: db.Connection, row: Received, reply_message_id: int | None = None) -> None:
    """Nothing is left to do; ``reply_message_id``: the answer, so that a reply to it finds the report."""
    connection.execute(
        f"update synkro.telegram_updates set handled_at = now(), reply_message_id = %(reply)s{_KEY}",
        {**_key(row), "reply": str(reply_message_id) if reply_message_id is not None else None},
    )


def question(connection: db.Connection, row: Received) -> Message | None:
    """The question the update became, with its answer if there is one."""
    found = connection.execute(
        "select tenant_id, report_message_id, report_id, question, answer, author_id, author_name, channel, evidence,"
        " created_at, answered_at from synkro.report_messages where tenant_id = %s and report_message_id = %s",
        (row.tenant_id, row.report_message_id),
    ).fetchone()
    return Message(**found) if found else None


def report_of_answer(connection: db.Connection, tenant_id: UUID, chat: str, message_id: int) -> UUID | None:
    """The report an earlier answer of the bot was about."""
    row = connection.execute(
        "select m.report_id from synkro.telegram_updates u join synkro.report_messages m"
        " on m.tenant_id = u.tenant_id and m.report_message_id = u.report_message_id"
        " where u.tenant_id = %s and u.chat_id = %s and u.reply_message_id = %s",
        (tenant_id, chat, str(message_id)),
    ).fetchone()
    return row["report_id"] if row else None


def reply_refused(connection: db.Connection, row: Received) -> None:
    """The answer is known not to have arrived: the next try is no repeat."""
    connection.execute(f"update synkro.telegram_updates set reply_started_at = null{_KEY}", _key(row))
