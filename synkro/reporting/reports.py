"""Reports: versions of what was said about a window, exactly one of them current.

A report and its outbox rows are written in one transaction under the run's lease (:func:`publish`), so there is
never a report nobody was told of, nor a message about a report that does not exist.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from synkro.core.errors import NotFoundError
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting.body import Body


@dataclass(frozen=True)
class Draft:
    """What the analysis hands over: one structure, both texts, the numbers, the evidence."""

    report_type: str
    window: Window
    period_start: date
    period_end: date
    as_of: datetime | None
    is_complete: bool
    summary_text: str
    body: Body
    numbers: dict[str, Any]
    #: {"read", "total", "skipped": {reason: n}}
    coverage: dict[str, Any]
    #: [{"section", "text", "dialog_id", "message_ids", "quote"}]
    claims: list[dict[str, Any]]
    cost_usd: Decimal = Decimal(0)
    metadata: dict[str, Any] = field(default_factory=dict)
    data_ref: dict[str, Any] = field(default_factory=dict)
    telegram_text: str = ""
    followup_deadline_at: datetime | None = None
    #: nobody is written to yet: the messages are composed at the company's delivery time
    awaits_delivery: bool = False
    #: known before it is stored, because the messages link to it
    report_id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True)
class Report:
    tenant_id: UUID
    report_id: UUID
    run_id: UUID | None
    report_type: str
    period_start: date
    period_end: date
    window_start: datetime
    window_end: datetime
    version: int
    is_current: bool
    status: str
    as_of: datetime | None
    is_complete: bool
    summary_text: str
    telegram_text: str
    body: Body
    numbers: dict[str, Any]
    coverage: dict[str, Any]
    claims: list[dict[str, Any]]
    metadata: dict[str, Any]
    data_ref: dict[str, Any]
    cost_usd: Decimal
    followup_deadline_at: datetime | None
    created_at: datetime
    sent_at: datetime | None
    awaits_delivery: bool

    @property
    def window(self) -> Window:
        return Window(self.window_start, self.window_end)


@dataclass(frozen=True)
class OutboxMessage:
    """One message to send about the report: where to and what."""

    destination: str
    payload: dict[str, Any]
    channel: str = "telegram"


_COLUMNS = (
    "tenant_id, report_id, run_id, report_type, period_start, period_end, window_start, window_end, version, is_current,"
    " status, as_of, is_complete, summary_text, telegram_text, body, numbers, coverage, claims, metadata, data_ref,"
    " cost_usd, followup_deadline_at, created_at, sent_at, awaits_delivery"
)


def _report(row: db.Row) -> Report:
    return Report(**row | {"body": Body.read(row["body"])})


def publish(
    connection: db.Connection, tenant_id: UUID, run_id: UUID | None, draft: Draft, messages: Sequence[OutboxMessage]
) -> Report:
    """Store the next version of the window's report, make it current, queue its messages. One transaction: the caller's."""
    # two publishers of one window: the second waits here and takes the next number
    connection.execute(
        "select pg_advisory_xact_lock(hashtextextended(%s, 0))",
        (f"report:{tenant_id}:{draft.window.start.isoformat()}:{draft.window.end.isoformat()}",),
    )
    connection.execute(
        "update synkro.reports set is_current = false, awaits_delivery = false"
        " where tenant_id = %s and window_start = %s and window_end = %s and is_current",
        (tenant_id, draft.window.start, draft.window.end),
    )
    row = connection.execute(
        "insert into synkro.reports (tenant_id, report_id, run_id, report_type, period_start, period_end, window_start, window_end,"
        " version, as_of, is_complete, summary_text, telegram_text, body, numbers, coverage, claims, metadata, data_ref,"
        " cost_usd, followup_deadline_at, awaits_delivery)"
        " select %(tenant)s, %(report)s, %(run)s, %(type)s, %(first)s, %(last)s, %(start)s, %(end)s, coalesce(max(version), 0) + 1,"
        " %(as_of)s, %(complete)s, %(summary)s, %(telegram)s, %(body)s, %(numbers)s, %(coverage)s, %(claims)s,"
        " %(metadata)s, %(data_ref)s, %(cost)s, %(deadline)s, %(awaits)s"
        " from synkro.reports where tenant_id = %(tenant)s and window_start = %(start)s and window_end = %(end)s"
        f" returning {_COLUMNS}",
        {
            "tenant": tenant_id,
            "report": draft.report_id,
            "run": run_id,
            "type": draft.report_type,
            "first": draft.period_start,
            "last": draft.period_end,
            "start": draft.window.start,
            "end": draft.window.end,
            "as_of": draft.as_of,
            "complete": draft.is_complete,
            "summary": draft.summary_text,
            "telegram": draft.telegram_text,
            "body": Jsonb(draft.body.stored()),
            "numbers": Jsonb(draft.numbers),
            "coverage": Jsonb(draft.coverage),
            "claims": Jsonb(draft.claims),
            "metadata": Jsonb(draft.metadata),
            "data_ref": Jsonb(draft.data_ref),
            "cost": draft.cost_usd,
            "deadline": draft.followup_deadline_at,
            "awaits": draft.awaits_delivery,
        },
    ).fetchone()
    assert row is not None
    report = _report(row)
    for message in messages:
        connection.execute(
            "insert into synkro.outbox (tenant_id, report_id, channel, destination, payload) values (%s, %s, %s, %s, %s)",
            (tenant_id, report.report_id, message.channel, message.destination, Jsonb(message.payload)),
        )
    return report


def get(connection: db.Connection, report_id: UUID | str) -> Report:
    """Raises :class:`NotFoundError`, the same for a report that is not there and one the asker may not see."""
    try:
        row = connection.execute(
            f"select {_COLUMNS} from synkro.reports where report_id = %s",
            (UUID(str(report_id)),),
        ).fetchone()
    except ValueError:
        row = None
    if row is None:
        raise NotFoundError("Отчёт не найден.")
    return _report(row)


def of_ids(connection: db.Connection, tenant_id: UUID, report_ids: Collection[UUID]) -> list[Report]:
    """These reports of a company, the oldest window first, a longer one of the same end before a shorter."""
    rows = connection.execute(
        f"select {_COLUMNS} from synkro.reports where tenant_id = %s and report_id = any (%s)"
        " order by window_end, window_start, version",
        (tenant_id, list(report_ids)),
    )
    return [_report(row) for row in rows]


def current(connection: db.Connection, tenant_id: UUID, window: Window | None = None) -> Report | None:
    """The current report of the window, or of the latest window when none is named."""
    row = connection.execute(
        f"select {_COLUMNS} from synkro.reports where tenant_id = %(tenant)s and is_current"
        " and (%(start)s::timestamptz is null or (window_start = %(start)s and window_end = %(end)s))"
        " order by window_end desc, created_at desc limit 1",
        {
            "tenant": tenant_id,
            "start": window.start if window else None,
            "end": window.end if window else None,
        },
    ).fetchone()
    return _report(row) if row else None


def recent(
    connection: db.Connection,
    tenant_id: UUID | None = None,
    *,
    only_current: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> list[Report]:
    rows = connection.execute(
        f"select {_COLUMNS} from synkro.reports where (%(tenant)s::uuid is null or tenant_id = %(tenant)s)"
        " and (is_current or not %(only)s) order by window_end desc, version desc limit %(limit)s offset %(offset)s",
        {"tenant": tenant_id, "only": only_current, "limit": limit, "offset": offset},
    )
    return [_report(row) for row in rows]


def versions(connection: db.Connection, report: Report) -> list[Report]:
    """All versions of the report's window, newest first."""
    rows = connection.execute(
        f"select {_COLUMNS} from synkro.reports where tenant_id = %s and window_start = %s and window_end = %s"
        " order by version desc",
        (report.tenant_id, report.window_start, report.window_end),
    )
    return [_report(row) for row in rows]


# --- questions about a report -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Message:
    tenant_id: UUID
    report_message_id: UUID
    report_id: UUID
    question: str
    answer: str | None
    author_id: UUID | None
    author_name: str
    channel: str
    evidence: list[dict[str, Any]]
    created_at: datetime
    answered_at: datetime | None


_MESSAGE_COLUMNS = "tenant_id, report_message_id, report_id, question, answer, author_id, author_name, channel, evidence, created_at, answered_at"


def ask(
    connection: db.Connection,
    report: Report,
    question: str,
    *,
    author_id: UUID | None,
    author_name: str,
    channel: str = "web",
) -> Message:
    """Store a question; it is kept even when the answer fails."""
    row = connection.execute(
        "insert into synkro.report_messages (tenant_id, report_id, question, author_id, author_name, channel)"
        f" values (%s, %s, %s, %s, %s, %s) returning {_MESSAGE_COLUMNS}",
        (report.tenant_id, report.report_id, question.strip(), author_id, author_name, channel),
    ).fetchone()
    assert row is not None
    return Message(**row)


def answer(connection: db.Connection, message: Message, text: str, evidence: Sequence[dict[str, Any]]) -> None:
    """Store the answer (service entry point: people ask, the system answers)."""
    connection.execute(
        "update synkro.report_messages set answer = %s, evidence = %s, answered_at = now()"
        " where tenant_id = %s and report_message_id = %s",
        (text, Jsonb(list(evidence)), message.tenant_id, message.report_message_id),
    )


def thread(connection: db.Connection, report: Report, limit: int = 100) -> list[Message]:
    """Questions and answers of all versions of the report's window, oldest first."""
    rows = connection.execute(
        f"select {', '.join('m.' + c.strip() for c in _MESSAGE_COLUMNS.split(','))} from synkro.report_messages m"
        " join synkro.reports r on r.tenant_id = m.tenant_id and r.report_id = m.report_id"
        " where m.tenant_id = %s and r.window_start = %s and r.window_end = %s order by m.created_at limit %s",
        (report.tenant_id, report.window_start, report.window_end, limit),
    )
    return [Message(**row) for row in rows]
