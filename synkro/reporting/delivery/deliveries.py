"""Reports that wait for their company's delivery time: which are due, and the run that looks once more before they are sent.

A report of a schedule is published as awaiting its delivery; nobody has been written to. At its time a run of the type
``delivery`` reads the chats again, and the messages are composed and queued in the transaction that ends the wait
(``delivery/deliveries.py``): a report is queued once, whoever gets there first. When the run does not get there, the sender
composes from what was read before, a few minutes late.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting.reports import OutboxMessage, Report
from synkro.runs import queue
from synkro.tenancy import due_times, runtime_config

#: nobody is told of a report so old: it stands on its page
TOO_OLD = timedelta(days=7)
#: runs that look before one delivery; after them it goes out as it is
ATTEMPTS = 2


@dataclass(frozen=True)
class Owed:
    """A report nobody was told of yet, and when its company is to be told."""

    tenant_id: UUID
    report_id: UUID
    report_type: str
    window: Window
    at: datetime
    #: when it was published, by the server's own clock
    published_at: datetime


def owed(connection: db.Connection, tenant_id: UUID | None = None) -> list[Owed]:
    """Reports of active companies that await their delivery, by company and window. The settings of now count."""
    rows = connection.execute(
        "select r.tenant_id, r.report_id, r.report_type, r.window_start, r.window_end, r.created_at"
        " from synkro.reports r"
        " join synkro.tenants t on t.tenant_id = r.tenant_id and t.status = 'active'"
        " where r.awaits_delivery and r.is_current and (%(tenant)s::uuid is null or r.tenant_id = %(tenant)s)"
        " order by r.tenant_id, r.window_end, r.window_start desc",
        {"tenant": tenant_id},
    ).fetchall()
    found = []
    for of_tenant, group in groupby(rows, key=lambda row: row["tenant_id"]):
        config = runtime_config.current(connection, of_tenant)
        for row in group:
            window = Window(row["window_start"], row["window_end"])
            at = due_times.sent_at(config, window, row["report_type"])
            found.append(Owed(of_tenant, row["report_id"], row["report_type"], window, at, row["created_at"]))
    return found


def due(connection: db.Connection, now: datetime, tenant_id: UUID | None = None) -> dict[UUID, list[Owed]]:
    """Company → its reports whose time has come."""
    found: dict[UUID, list[Owed]] = {}
    for one in owed(connection, tenant_id):
        if one.at <= now:
            found.setdefault(one.tenant_id, []).append(one)
    return found


def look_window(reports: Sequence[Owed]) -> Window:
    """What a look reads: from the end of the newest report to the moment of the delivery."""
    at, end = max(one.at for one in reports), max(one.window.end for one in reports)
    return Window(min(end, at - timedelta(minutes=1)), at)


def looks(connection: db.Connection, reports: Sequence[Owed]) -> list[queue.Run]:
    """The looks before this delivery of a company's reports, the last first."""
    since = max(one.published_at for one in reports)
    runs = queue.of_window(connection, reports[0].tenant_id, look_window(reports))
    return [run for run in runs if run.job_type == "delivery" and run.created_at >= since]


def enqueue_due(connection: db.Connection, now: datetime) -> list[queue.Run]:
    """Queue a look for every company whose delivery time has come; asking again makes nothing.

    A look that a person stopped ends the wait: nobody is written to.
    """
    made = []
    for tenant_id, reports in due(connection, now).items():
        if now - max(one.at for one in reports) > TOO_OLD:
            forget(connection, tenant_id, [one.report_id for one in reports], "too old")
            continue
        before = looks(connection, reports)
        if before and before[0].is_active:
            continue
        if before and before[0].status == "cancelled":
            forget(connection, tenant_id, [one.report_id for one in reports], "stopped")
            continue
        if len(before) >= ATTEMPTS:
            continue
        window = look_window(reports)
        run, was_made = queue.request(
            connection,
            tenant_id,
            window,
            mode=runtime_config.current(connection, tenant_id).mode,
            trigger_type="scheduled",
            report_type=reports[-1].report_type,
            job_type="delivery",
            idempotency_key=f"delivery:{reports[-1].report_id}:{window.end.isoformat()}:{len(before) + 1}",
        )
        if was_made:
            made.append(run)
    return made


def hold(connection: db.Connection, tenant_id: UUID, report_ids: Collection[UUID]) -> set[UUID]:
    """Lock those of the reports that still await their delivery, until the caller's transaction ends."""
    rows = connection.execute(
        "select report_id from synkro.reports where tenant_id = %s and report_id = any (%s) and awaits_delivery and is_current"
        " order by report_id for update",
        (tenant_id, list(report_ids)),
    )
    return {row["report_id"] for row in rows}


def was_told(connection: db.Connection, report: Report) -> bool:
    """Whether chats heard of an earlier version of the report's window: only then is this one a revision to them."""
    row = connection.execute(
        "select exists (select from synkro.reports r join synkro.outbox o on o.tenant_id = r.tenant_id and o.report_id = r.report_id"
        " where r.tenant_id = %s and r.window_start = %s and r.window_end = %s and r.version < %s) as is_told",
        (report.tenant_id, report.window_start, report.window_end, report.version),
    ).fetchone()
    return bool(row and row["is_told"])


def told(
    connection: db.Connection, report: Report, text: str, messages: Sequence[OutboxMessage], composed: dict[str, Any]
) -> None:
    """Queue the messages about a held report and end its wait; ``composed`` stays with it: what was said, and what left out.

    In the caller's transaction. Messages of one transaction leave in the order they were queued in.
    """
    for message in messages:
        connection.execute(
            "insert into synkro.outbox (tenant_id, report_id, channel, destination, payload, created_at)"
            " values (%s, %s, %s, %s, %s, clock_timestamp())",
            (report.tenant_id, report.report_id, message.channel, message.destination, Jsonb(message.payload)),
        )
    connection.execute(
        "update synkro.reports set awaits_delivery = false, telegram_text = %s,"
        " metadata = metadata || jsonb_build_object('delivery', %s::jsonb) where tenant_id = %s and report_id = %s",
        (text, Jsonb(composed), report.tenant_id, report.report_id),
    )


def forget(connection: db.Connection, tenant_id: UUID, report_ids: Sequence[UUID], why: str) -> None:
    """End the wait without a message; the report says why."""
    connection.execute(
        "update synkro.reports set awaits_delivery = false,"
        " metadata = metadata || jsonb_build_object('delivery', jsonb_build_object('left_out', %s::text))"
        " where tenant_id = %s and report_id = any (%s) and awaits_delivery",
        (why, tenant_id, list(report_ids)),
    )
