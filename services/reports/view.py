"""Everything the page of one report shows, read in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services import access
from services.access import Viewer
from synkro.connectors import deal_pages
from synkro.core.errors import NotFoundError
from synkro.database import db
from synkro.metrics import live, queries
from synkro.metrics.live import Live
from synkro.metrics.queries import Baseline, Waiting
from synkro.reporting import cases, dialogs, reconciliation, report_windows, reports, restatements, revisions
from synkro.reporting.body import Number
from synkro.reporting.cases import Case
from synkro.reporting.delivery import outbox
from synkro.reporting.delivery.outbox import Item
from synkro.reporting.dialogs import Dialog
from synkro.reporting.reconciliation import Count, Line
from synkro.reporting.reports import Message, Report
from synkro.reporting.restatements import Correction
from synkro.runs import queue
from synkro.runs.queue import Event
from synkro.tenancy import due_times, runtime_config
from synkro.tenancy.tenants import Tenant

#: rows of one table on the page; the rest is behind the number
CAP = 100


@dataclass(frozen=True)
class ReportView:
    tenant: Tenant
    report: Report
    versions: list[Report]
    thread: list[Message]
    #: who waits in the data as it was read last
    waiting: list[Waiting]
    managers: list[dict[str, Any]]
    dialogs: list[Dialog]
    dialogs_total: int
    history: list[dict[str, Any]]
    #: what is usual, and of how many windows that is told
    baseline: Baseline
    #: vendor → raw by stream, raw → marts by day
    lines: list[Line]
    counts: list[Count]
    #: the log of the run that made the report
    log: list[Event]
    outbox: list[Item]
    #: numbers that changed after it was published
    correction: Correction | None = None
    #: the window's numbers in the marts wait to be counted anew
    is_outdated: bool = False
    #: when it will be tried to complete it; None: nothing is planned
    next_attempt: datetime | None = None
    #: sources that were not read whole, and «ai»
    lacks: list[str] = field(default_factory=list)
    missing: list[dict[str, Any]] = field(default_factory=list)
    currency: str | None = None
    #: the cases of its actions as they are now, by id
    cases: dict[str, Case] = field(default_factory=dict)
    #: what a deal's number is added to, see :mod:`synkro.connectors.deal_pages`
    deal_page: str = ""
    #: None: no chats are read
    live: Live | None = None
    #: when its message is to go out; None: it has, or there is none
    sent_at: datetime | None = None
    #: waits of the report's actions that were answered since it was written
    answered: frozenset[str] = frozenset()

    @property
    def usual(self) -> Mapping[str, float]:
        return self.baseline.values


def currency_of(connection: db.Connection, tenant_id: UUID) -> str | None:
    """The currency of the tenant's CRM account."""
    row = connection.execute(
        "select currency from marts.fct_deals where tenant_id = %s and currency is not null limit 1", (tenant_id,)
    ).fetchone()
    return row["currency"] if row else None


def find(connection: db.Connection, who: Viewer, slug: str, report_id: UUID | str) -> tuple[Tenant, Report]:
    """Raises the same :class:`NotFoundError` for a foreign, an absent and a misplaced report."""
    tenant = access.tenant(who, slug)
    report = reports.get(connection, report_id)
    if report.tenant_id != tenant.tenant_id:
        raise NotFoundError("Отчёт не найден.")
    return tenant, report


def load(who: Viewer, slug: str, report_id: UUID | str) -> ReportView:
    """Everything the page of a report shows. For members; raises as :func:`find`."""
    with db.as_user(who.user_id) as connection:
        tenant, report = find(connection, who, slug, report_id)
        tenant_id, window = tenant.tenant_id, report.window
        found = dialogs.in_window(connection, tenant_id, window)
        log = queue.events(connection, tenant_id, report.run_id) if report.run_id else []
        return ReportView(
            tenant=tenant,
            report=report,
            versions=reports.versions(connection, report),
            thread=reports.thread(connection, report),
            waiting=live.waiting(connection, tenant_id, CAP),
            managers=queries.managers(connection, tenant_id, window),
            dialogs=found[:CAP],
            dialogs_total=len(found),
            history=queries.history(connection, tenant_id, window),
            baseline=queries.baseline(connection, tenant_id, window),
            lines=reconciliation.of_report(connection, report),
            counts=reconciliation.counts_of(connection, report),
            log=[event for event in log if event.level != "debug"],
            outbox=outbox.of_report(connection, tenant_id, report.report_id),
            correction=restatements.of_report(connection, report),
            is_outdated=report_windows.is_outdated(connection, tenant_id, window),
            next_attempt=revisions.next_attempts(connection, tenant_id).get(report.report_id),
            lacks=revisions.lacking_of(connection, tenant_id, report.report_id),
            missing=report_windows.missing_of(connection, tenant_id, window),
            currency=currency_of(connection, tenant_id),
            cases=cases.by_ids(connection, tenant_id, [row.case_id for row in report.body.actions if row.case_id]),
            deal_page=deal_pages.prefix(connection, tenant_id),
            live=live.now(connection, tenant_id),
            sent_at=_sent_at(connection, report),
            answered=_answered(connection, report),
        )


def _sent_at(connection: db.Connection, report: Report) -> datetime | None:
    if not report.awaits_delivery:
        return None
    config = runtime_config.current(connection, report.tenant_id)
    return due_times.sent_at(config, report.window, report.report_type)


def _answered(connection: db.Connection, report: Report) -> frozenset[str]:
    waits = [wait for action in report.body.actions for wait in action.wait_ids]
    return frozenset(waits) - live.unanswered(connection, report.tenant_id, waits)


def headline_numbers(report: Report) -> list[Number]:
    """The report's own lines of numbers; for a body without them, the same lines from its summary."""
    if report.body.numbers:
        return [line for line in report.body.numbers if line.key]
    return [Number(key=key, value=report.numbers.get(key)) for key in DEFAULT_NUMBERS if key in report.numbers]


#: what a report without lines of its own shows
DEFAULT_NUMBERS = (
    "messages",
    "dialogs",
    "unanswered_now",
    "first_response_p50",
    "answered_within_target",
    "money_at_risk",
    "deals_won",
)


def claims_at(report: Report, indexes: Sequence[int]) -> list[dict[str, Any]]:
    """The evidence a line refers to; an index that points nowhere is left out."""
    return [report.claims[index] for index in indexes if 0 <= index < len(report.claims)]
