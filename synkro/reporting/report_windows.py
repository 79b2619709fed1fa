"""Windows as rows: what the period marts are built for, with how far the data reaches.

The run writes ``as_of`` and ``is_complete`` here before the marts are built; the marts only read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro.connectors import raw
from synkro.core.windows import Window
from synkro.database import db


@dataclass(frozen=True)
class ReportWindow:
    window: Window
    label: date
    report_type: str = "daily"
    as_of: datetime | None = None
    is_complete: bool = False
    missing: Sequence[dict[str, Any]] = ()
    #: what it is compared with, as ``synkro/core/baselines.py`` stores it
    baselines: Sequence[dict[str, Any]] = ()


def save(connection: db.Connection, tenant_id: UUID, rows: Sequence[ReportWindow]) -> None:
    """Insert or refresh; a window asked for as daily stays daily when it is forced again."""
    for row in rows:
        connection.execute(
            "insert into synkro.report_windows (tenant_id, window_start, window_end, report_type, label_date, as_of,"
            " is_complete, missing, baselines) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (tenant_id, window_start, window_end) do update set as_of = excluded.as_of,"
            " is_complete = excluded.is_complete, missing = excluded.missing, baselines = excluded.baselines,"
            " updated_at = now()",
            (
                tenant_id,
                row.window.start,
                row.window.end,
                row.report_type,
                row.label,
                row.as_of,
                row.is_complete,
                Jsonb(list(row.missing)),
                Jsonb(list(row.baselines)),
            ),
        )


def compare(connection: db.Connection, tenant_id: UUID, window: Window, baselines: Sequence[dict[str, Any]]) -> None:
    """Say anew what a registered window is compared with (service entry point)."""
    connection.execute(
        "update synkro.report_windows set baselines = %s where tenant_id = %s and window_start = %s and window_end = %s",
        (Jsonb(list(baselines)), tenant_id, window.start, window.end),
    )


def missing_of(connection: db.Connection, tenant_id: UUID, window: Window) -> list[dict[str, Any]]:
    """``[{"source", "until", "reason"}]`` of what the window lacks."""
    row = connection.execute(
        "select missing from synkro.report_windows where tenant_id = %s and window_start = %s and window_end = %s",
        (tenant_id, window.start, window.end),
    ).fetchone()
    return list(row["missing"]) if row else []


def add_missing(connection: db.Connection, tenant_id: UUID, window: Window, gaps: Sequence[dict[str, Any]]) -> None:
    """Note what turned out to be missing after the window was saved; it is complete no more (service entry point)."""
    connection.execute(
        "update synkro.report_windows set is_complete = false, missing = missing || %s, updated_at = now()"
        " where tenant_id = %s and window_start = %s and window_end = %s",
        (Jsonb(list(gaps)), tenant_id, window.start, window.end),
    )


def looked(connection: db.Connection, tenant_id: UUID, window: Window, until: datetime) -> None:
    """The chats were read once more, up to ``until``: the marts move on to it, the window's numbers do not (service entry point)."""
    connection.execute(
        "update synkro.report_windows set looked_at = greatest(looked_at, %s)"
        " where tenant_id = %s and window_start = %s and window_end = %s",
        (until, tenant_id, window.start, window.end),
    )


def built(connection: db.Connection, tenant_id: UUID) -> set[tuple[datetime, datetime]]:
    """Windows whose numbers stand in the marts already (service entry point)."""
    rows = connection.execute(
        "select window_start, window_end from marts.period_summary where tenant_id = %s", (tenant_id,)
    )
    return {(row["window_start"], row["window_end"]) for row in rows}


def outdated(connection: db.Connection, tenant_id: UUID) -> list[Window]:
    """Windows whose numbers a change of the calendar has made old (service entry point)."""
    rows = connection.execute(
        "select window_start, window_end from synkro.report_windows where tenant_id = %s and is_outdated"
        " order by window_start, window_end",
        (tenant_id,),
    )
    return [Window(row["window_start"], row["window_end"]) for row in rows]


def data_span(connection: db.Connection, tenant_id: UUID) -> tuple[datetime, datetime] | None:
    """First and last moment of the tenant's raw messages and deals (service entry point)."""
    row = connection.execute(
        "select least(m.first, l.first) as first, greatest(m.last, l.last) as last"
        f" from (select min(sent_at) as first, max(sent_at) as last from ({raw.messages('tenant_id, sent_at')}) r where tenant_id = %(t)s) m,"
        f" (select min(created_at) as first, max(updated_at) as last from ({raw.leads('tenant_id, created_at, updated_at')}) r"
        " where tenant_id = %(t)s) l",
        {"t": tenant_id},
    ).fetchone()
    if row is None or row["first"] is None:
        return None
    return row["first"], row["last"]
