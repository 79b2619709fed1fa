"""Is everything that the vendors showed in the report: vendor → raw per stream, raw → marts per day.

The first half is what ingestion counted (``synkro.stream_loads``); the second is counted by the run once its marts
stand (``synkro.reconciliations``), because people may not read raw. Both are read by members under row level
security. A difference is what nobody explained: it makes a report incomplete. What is left out on purpose, and why:
docs/metrics.md, «Сверка».
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro import db, watermarks
from synkro.reports import Report
from synkro.watermarks import StreamLoad
from synkro.windows import Window

SOURCE_NAMES = {"amocrm": "amoCRM", "radist": "Radist"}
#: every stream of a source, in the order it is read, as people call it
STREAMS: dict[str, dict[str, str]] = {
    "amocrm": {
        "account": "аккаунт",
        "users": "сотрудники",
        "pipelines": "воронки",
        "loss_reasons": "причины отказа",
        "leads": "сделки",
        "contacts": "контакты",
        "events": "события",
        "notes": "звонки и примечания",
        "deleted": "удалённое",
    },
    "radist": {"sources": "каналы", "chats": "диалоги", "messages": "сообщения"},
}
#: the streams without which a source's numbers are not whole
MAIN_STREAMS = {"amocrm": ("leads", "contacts", "events"), "radist": ("chats", "messages")}
ENTITIES = {"messages": "сообщения", "dialogs": "диалоги", "leads": "сделки"}
_SOURCE_OF = {"messages": "radist", "dialogs": "radist", "leads": "amocrm"}


# --- vendor → raw -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One stream of the run that read the window. ``not_read``: its source failed before the stream's turn."""

    source: str
    stream: str
    status: Literal["complete", "incomplete", "failed", "not_read"]
    requests: int = 0
    seen: int = 0
    rejected: int = 0
    #: {reason: rows}: why rows were refused (these add up to ``rejected``) and what was noticed about the others
    reasons: dict[str, int] = field(default_factory=dict)
    loaded: int = 0
    #: the stream is whole up to here; None for one that is not
    read_until: datetime | None = None
    error: str | None = None

    @property
    def difference(self) -> int:
        """Rows shown by the vendor that were neither refused with a reason nor stored."""
        return self.seen - self.rejected - self.loaded

    @property
    def is_whole(self) -> bool:
        return self.status == "complete" and self.difference == 0


def line_of(load: StreamLoad) -> Line:
    return Line(
        load.source,
        load.stream,
        load.status,
        load.requests,
        load.seen,
        load.rejected,
        load.reasons,
        load.loaded,
        load.read_until if load.status == "complete" else None,
        load.error,
    )


def lines_of(loads: Iterable[StreamLoad]) -> list[Line]:
    """A line for every stream of the sources that were read, in reading order; silence is a line too."""
    told: dict[tuple[str, str], Line] = {(load.source, load.stream): line_of(load) for load in loads}
    known = {(source, stream) for source, streams in STREAMS.items() for stream in streams}
    lines = [
        told.get((source, stream), Line(source, stream, "not_read"))
        for source, streams in STREAMS.items()
        if any(source == read for read, _ in told)
        for stream in streams
    ]
    return lines + [line for key, line in sorted(told.items()) if key not in known]


#: the report's own run, or, when it read nothing (the report was only written again), the one before that read
_READING_RUN = """
select r.run_id from synkro.job_runs as r
where r.tenant_id = %(tenant)s and r.window_start = %(start)s and r.window_end = %(end)s
  and r.attempt <= (select own.attempt from synkro.job_runs as own where own.tenant_id = %(tenant)s and own.run_id = %(run)s)
  and exists (select from synkro.stream_loads as l where l.tenant_id = r.tenant_id and l.run_id = r.run_id)
order by r.attempt desc limit 1
"""


def of_report(connection: db.Connection, report: Report) -> list[Line]:
    """Vendor → raw, of the run that read what the report is made of."""
    if report.run_id is None:
        return []
    row = connection.execute(
        _READING_RUN,
        {
            "tenant": report.tenant_id,
            "run": report.run_id,
            "start": report.window_start,
            "end": report.window_end,
        },
    ).fetchone()
    return lines_of(watermarks.loads_of(connection, report.tenant_id, row["run_id"])) if row else []


# --- raw → marts ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Count:
    """Rows of one kind and business day (None: all that was ever read) in raw and in the marts."""

    source: str
    entity: str
    day: date | None
    raw_rows: int
    #: {reason: rows} left out on purpose: group, internal, deleted
    left_out: dict[str, int]
    mart_rows: int

    @property
    def difference(self) -> int:
        """Rows of raw that are neither in the marts nor left out for a reason; below zero: rows from nowhere."""
        return self.raw_rows - sum(self.left_out.values()) - self.mart_rows


#: docs/metrics.md shows this query; a test keeps both equal
COUNTS = """
with said as (
  select m.chat_id::text as dialog_id, d.excluded_reason as reason
  from raw_radist.messages as m
  left join intermediate.int_dialogs as d on d.tenant_id = m.tenant_id and d.chat_id = m.chat_id
  where m.tenant_id = %(tenant)s and m.sent_at >= %(from)s and m.sent_at < %(to)s
),
told as (
  select dialog_id from marts.fct_messages
  where tenant_id = %(tenant)s and sent_at >= %(from)s and sent_at < %(to)s
),
deals as (
  select case when is_deleted then 'deleted' end as reason from marts.fct_deals
  where tenant_id = %(tenant)s and coalesce(created_at, '-infinity') >= %(from)s and coalesce(created_at, '-infinity') < %(to)s
)
select 'messages' as entity, count(*) as raw_rows,
       count(*) filter (where reason = 'group') as "group", count(*) filter (where reason = 'internal') as internal,
       0 as deleted, (select count(*) from told) as mart_rows
from said
union all
select 'dialogs', count(distinct dialog_id), count(distinct dialog_id) filter (where reason = 'group'),
       count(distinct dialog_id) filter (where reason = 'internal'), 0, (select count(distinct dialog_id) from told)
from said
union all
select 'leads', count(*), 0, 0, (select count(*) from deals where reason = 'deleted'),
       (select count(*) from deals where reason is null)
from raw_amocrm.leads
where tenant_id = %(tenant)s and coalesce(created_at, '-infinity') >= %(from)s and coalesce(created_at, '-infinity') < %(to)s
"""
_REASONS = ("group", "internal", "deleted")


def count(
    connection: db.Connection, tenant_id: UUID, days: Sequence[tuple[date, Window]], sources: Sequence[str]
) -> list[Count]:
    """Each day of a window, then everything, for the entities of these sources (service door: it reads raw)."""
    found = []
    spans: list[tuple[date | None, Any, Any]] = [(day, window.start, window.end) for day, window in days]
    for day, start, end in [*spans, (None, "-infinity", "infinity")]:
        for row in connection.execute(COUNTS, {"tenant": tenant_id, "from": start, "to": end}):
            source = _SOURCE_OF[row["entity"]]
            if source in sources:
                left_out = {reason: row[reason] for reason in _REASONS if row[reason]}
                found.append(Count(source, row["entity"], day, row["raw_rows"], left_out, row["mart_rows"]))
    return found


def save(connection: db.Connection, tenant_id: UUID, run_id: UUID, counts: Iterable[Count]) -> None:
    """Replace what the run counted before (service door)."""
    connection.execute("delete from synkro.reconciliations where tenant_id = %s and run_id = %s", (tenant_id, run_id))
    for one in counts:
        connection.execute(
            "insert into synkro.reconciliations (tenant_id, run_id, source, entity, day, raw_rows, left_out, mart_rows)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (tenant_id, run_id, one.source, one.entity, one.day, one.raw_rows, Jsonb(one.left_out), one.mart_rows),
        )


def counts_of(connection: db.Connection, report: Report) -> list[Count]:
    """What the report's run counted; days in order, the total last."""
    if report.run_id is None:
        return []
    rows = connection.execute(
        "select source, entity, day, raw_rows, left_out, mart_rows from synkro.reconciliations"
        " where tenant_id = %s and run_id = %s order by day nulls last, entity",
        (report.tenant_id, report.run_id),
    )
    return [Count(**row) for row in rows]
