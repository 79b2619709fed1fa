"""The outbox: messages that must reach a person, at least once, a possible repeat marked as such.

A sender claims a row (``for update skip locked``), sends it outside any transaction, then writes what happened.
A row whose sender died is claimed again after its claim ran out; if the answer of an attempt was lost, the next
one is marked ``maybe_delivered`` and says «повтор». The number of the attempt is the claim's token: a sender whose row
was taken over may still say that its message arrived, which is true whoever says it, but not that it did not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro.core import clock
from synkro.core.log import redact
from synkro.database import db

CLAIM_SECONDS = 120
MAX_ATTEMPTS = 12


@dataclass(frozen=True)
class Item:
    tenant_id: UUID
    outbox_id: UUID
    report_id: UUID | None
    channel: str
    destination: str
    payload: dict[str, Any]
    status: str
    attempts: int
    maybe_delivered: bool
    next_attempt_at: datetime
    last_error: str | None
    provider_message_id: str | None
    created_at: datetime
    sent_at: datetime | None


_COLUMNS = (
    "tenant_id, outbox_id, report_id, channel, destination, payload, status, attempts, maybe_delivered, next_attempt_at,"
    " last_error, provider_message_id, created_at, sent_at"
)
#: the row is still under the claim that made this attempt
_OURS = " where tenant_id = %s and outbox_id = %s and status = 'sending' and attempts = %s"


def add_once(
    connection: db.Connection, tenant_id: UUID, destination: str, payload: dict[str, Any], *, key: str
) -> bool:
    """Queue a message that belongs to no report, unless one with this key was queued for the chat before."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"outbox:{tenant_id}:{key}",))
    made = connection.execute(
        "insert into synkro.outbox (tenant_id, destination, payload) select %(tenant)s, %(chat)s, %(payload)s"
        " where not exists (select from synkro.outbox where tenant_id = %(tenant)s and destination = %(chat)s"
        "  and report_id is null and payload ->> 'key' = %(key)s) returning outbox_id",
        {"tenant": tenant_id, "chat": destination, "payload": Jsonb({**payload, "key": key}), "key": key},
    ).fetchone()
    return made is not None


def claim(connection: db.Connection, *, tenant_id: UUID | None = None, report_id: UUID | None = None) -> Item | None:
    """Take the oldest due row. A row taken over from a dead sender counts as maybe delivered."""
    # a subquery in the join is asked once a row of the outbox by some plans, and takes another message each time
    row = connection.execute(
        "with due as (select tenant_id, outbox_id from synkro.outbox"
        "  where ((status = 'pending' and next_attempt_at <= now()) or (status = 'sending' and claimed_until < now()))"
        # a disabled company sends nothing, what its last run queued neither
        "  and not exists (select from synkro.tenants t where t.tenant_id = outbox.tenant_id and t.status = 'disabled')"
        "  and (%(tenant)s::uuid is null or tenant_id = %(tenant)s)"
        "  and (%(report)s::uuid is null or report_id = %(report)s)"
        "  order by next_attempt_at, created_at limit 1 for update skip locked)"
        " update synkro.outbox o set maybe_delivered = o.maybe_delivered or o.status = 'sending', status = 'sending',"
        " attempts = o.attempts + 1, claimed_until = now() + make_interval(secs => %(claim)s)"
        " from due where o.tenant_id = due.tenant_id and o.outbox_id = due.outbox_id"
        f" returning {', '.join('o.' + c.strip() for c in _COLUMNS.split(','))}",
        {"claim": CLAIM_SECONDS, "tenant": tenant_id, "report": report_id},
    ).fetchone()
    return Item(**row) if row else None


def mark_sent(connection: db.Connection, item: Item, provider_message_id: str) -> None:
    """Delivered; the report is «sent» with its last message."""
    connection.execute(
        "update synkro.outbox set status = 'sent', sent_at = now(), claimed_until = null, last_error = null,"
        " provider_message_id = %s where tenant_id = %s and outbox_id = %s",
        (provider_message_id, item.tenant_id, item.outbox_id),
    )
    # questions are taken for a while after whoever asks them has the report
    connection.execute(
        "update synkro.reports r set followup_deadline_at = now() + %(offset)s + make_interval(mins => c.telegram_followup_minutes)"
        " from synkro.tenant_runtime_configs c where c.tenant_id = r.tenant_id and c.is_current"
        " and r.tenant_id = %(tenant)s and r.report_id = %(report)s",
        {"tenant": item.tenant_id, "report": item.report_id, "offset": clock.offset()},
    )
    connection.execute(
        "update synkro.reports set status = 'sent', sent_at = now() where tenant_id = %(tenant)s and report_id = %(report)s"
        " and not exists (select from synkro.outbox where tenant_id = %(tenant)s and report_id = %(report)s and status <> 'sent')",
        {"tenant": item.tenant_id, "report": item.report_id},
    )


def mark_retry(
    connection: db.Connection, item: Item, error: str, *, after_seconds: float, maybe_delivered: bool = False
) -> bool:
    """Not delivered (or not known to be): again later, until the attempts are spent. ``False``: the row is another sender's."""
    if item.attempts >= MAX_ATTEMPTS:
        return mark_failed(connection, item, error)
    done = connection.execute(
        "update synkro.outbox set status = 'pending', claimed_until = null, last_error = %s,"
        f" next_attempt_at = now() + make_interval(secs => %s), maybe_delivered = maybe_delivered or %s{_OURS}",
        (redact(error), after_seconds, maybe_delivered, item.tenant_id, item.outbox_id, item.attempts),
    )
    return done.rowcount == 1


def mark_failed(connection: db.Connection, item: Item, error: str) -> bool:
    """Refused for good: a person has to act. ``False``: the row is another sender's, or delivered."""
    done = connection.execute(
        f"update synkro.outbox set status = 'failed', claimed_until = null, last_error = %s{_OURS}",
        (redact(error), item.tenant_id, item.outbox_id, item.attempts),
    )
    return done.rowcount == 1


def redirect(connection: db.Connection, tenant_id: UUID, old: str, new: str) -> None:
    """A group became a supergroup: what waits for the old chat goes to the new one."""
    connection.execute(
        "update synkro.outbox set destination = %s where tenant_id = %s and destination = %s and status in ('pending', 'sending')",
        (new, tenant_id, old),
    )


def drop_waiting(connection: db.Connection, tenant_id: UUID, destination: str) -> int:
    """A chat was unbound: what waits for it is not sent any more. Returns how many messages."""
    dropped = connection.execute(
        "delete from synkro.outbox where tenant_id = %s and destination = %s and status = 'pending'",
        (tenant_id, destination),
    )
    return dropped.rowcount


def give_up(connection: db.Connection, tenant_id: UUID, reason: str) -> int:
    """Nothing that waits is sent any more, whoever it was for. Returns how many messages."""
    ended = connection.execute(
        "update synkro.outbox set status = 'failed', claimed_until = null, last_error = %s"
        " where tenant_id = %s and status = 'pending'",
        (reason, tenant_id),
    )
    return ended.rowcount


def of_report(connection: db.Connection, tenant_id: UUID, report_id: UUID) -> list[Item]:
    rows = connection.execute(
        f"select {_COLUMNS} from synkro.outbox where tenant_id = %s and report_id = %s order by created_at",
        (tenant_id, report_id),
    )
    return [Item(**row) for row in rows]


def report_of_message(
    connection: db.Connection, tenant_id: UUID, destination: str, provider_message_id: str
) -> UUID | None:
    """The report a message we sent was about: what a reply to it is about. Two bots number a person's messages alike."""
    row = connection.execute(
        "select report_id from synkro.outbox where tenant_id = %s and channel = 'telegram' and destination = %s"
        " and provider_message_id = %s",
        (tenant_id, destination, provider_message_id),
    ).fetchone()
    return row["report_id"] if row else None
