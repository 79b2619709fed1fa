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

from synkro.connectors import raw, registry
from synkro.connectors.connector import Capability
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting.reports import Report
from synkro.runs import watermarks
from synkro.runs.watermarks import StreamLoad, Watermark

ENTITIES = {"messages": "сообщения", "dialogs": "диалоги", "leads": "сделки"}
#: which of a run's connectors an entity is counted for
_BROUGHT_BY = {"messages": Capability.DIALOGS, "dialogs": Capability.DIALOGS, "leads": Capability.DEALS}


def whole_until(marks: Iterable[Watermark], source: str) -> datetime | None:
    """Until when a source has been read whole, its slowest stream deciding; ``None`` when one of them never was."""
    found = {mark.stream: mark.complete_until for mark in marks if mark.source == source}
    moments = [found.get(stream) for stream in registry.get(source).required_streams]
    whole = [moment for moment in moments if moment is not None]
    return min(whole) if len(whole) == len(moments) else None


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
    known = {(name, stream.name) for name, one in registry.CONNECTORS.items() for stream in one.streams}
    lines = [
        told.get((name, stream.name), Line(name, stream.name, "not_read"))
        for name, one in registry.CONNECTORS.items()
        if any(name == read for read, _ in told)
        for stream in one.streams
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


_LEADS = f"""
select 'leads' as entity, count(*) as raw_rows, 0 as "group", 0 as internal,
       (select count(*) from deals where is_deleted) as deleted, (select count(*) from deals where not is_deleted) as mart_rows
from ({raw.leads("tenant_id, created_at")}) as l
where tenant_id = %(tenant)s and coalesce(created_at, '-infinity') >= %(from)s and coalesce(created_at, '-infinity') < %(to)s
"""
_DEALS = """
deals as (
  select is_deleted from marts.fct_deals
  where tenant_id = %(tenant)s and coalesce(created_at, '-infinity') >= %(from)s and coalesce(created_at, '-infinity') < %(to)s
)
"""
#: docs/metrics.md shows this query; a test keeps both equal
COUNTS = f"""
with said as (
  select m.chat_id::text as dialog_id, d.excluded_reason as reason
  from ({raw.messages("tenant_id, chat_id, sent_at")}) as m
  left join intermediate.int_dialogs as d on d.tenant_id = m.tenant_id and d.chat_id = m.chat_id
  where m.tenant_id = %(tenant)s and m.sent_at >= %(from)s and m.sent_at < %(to)s
),
told as (
  select dialog_id from marts.fct_messages
  where tenant_id = %(tenant)s and sent_at >= %(from)s and sent_at < %(to)s
),{_DEALS}{_LEADS}union all
select 'messages', count(*),
       count(*) filter (where reason = 'group'), count(*) filter (where reason = 'internal'),
       0, (select count(*) from told)
from said
union all
select 'dialogs', count(distinct dialog_id), count(distinct dialog_id) filter (where reason = 'group'),
       count(distinct dialog_id) filter (where reason = 'internal'), 0, (select count(distinct dialog_id) from told)
from said
"""

# Everything, for the years that grow: private.reconciled_dialogs keeps what each dialog had. A run counts the dialogs its
# build touched (orchestration/dbt/scope.py empties their counts), those of its days, so that a day and everything tell one
# story, and a share of the others, those counted longest ago, so that what nobody built is noticed too.

#: of the dialogs nothing happened to, the share that is counted again: each comes round within as many runs
_SHARE = 30

_HAS_LEDGER = "select exists (select from private.reconciled_dialogs where tenant_id = %(tenant)s) as is_there"

_COUNT_ALL = f"""
insert into private.reconciled_dialogs (tenant_id, dialog_id, raw_rows, mart_rows, excluded_reason, counted_at)
select %(tenant)s, dialog_id, coalesce(s.n, 0), coalesce(t.n, 0), d.excluded_reason, clock_timestamp()
from (
  select chat_id::text as dialog_id, count(*) as n from ({raw.messages("tenant_id, chat_id, sent_at")}) as m
  where tenant_id = %(tenant)s and sent_at is not null group by chat_id
) as s
full join (
  select dialog_id, count(*) as n from marts.fct_messages where tenant_id = %(tenant)s group by dialog_id
) as t using (dialog_id)
left join (
  select dialog_id, excluded_reason from intermediate.int_dialogs where tenant_id = %(tenant)s
) as d using (dialog_id)
"""

_COUNT_TOUCHED = f"""
with asked as (
  select dialog_id from private.reconciled_dialogs where tenant_id = %(tenant)s and counted_at is null
  union
  select chat_id::text from ({raw.messages("tenant_id, chat_id, sent_at")}) as m
  where tenant_id = %(tenant)s and sent_at >= %(since)s::timestamptz and sent_at < %(until)s::timestamptz
  union
  (select dialog_id from private.reconciled_dialogs where tenant_id = %(tenant)s and counted_at is not null
   order by counted_at
   limit (select ceil(count(*)::numeric / %(share)s) from private.reconciled_dialogs where tenant_id = %(tenant)s))
)
update private.reconciled_dialogs as r
set raw_rows = coalesce(s.n, 0), mart_rows = coalesce(t.n, 0), excluded_reason = d.excluded_reason, counted_at = clock_timestamp()
from asked as a
left join (
  select chat_id::text as dialog_id, count(*) as n from ({raw.messages("tenant_id, chat_id, sent_at")}) as m
  where tenant_id = %(tenant)s and sent_at is not null and chat_id = any (array(select dialog_id::bigint from asked))
  group by chat_id
) as s using (dialog_id)
left join (
  select dialog_id, count(*) as n from marts.fct_messages
  where tenant_id = %(tenant)s and dialog_id = any (array(select dialog_id from asked))
  group by dialog_id
) as t using (dialog_id)
left join (
  select dialog_id, excluded_reason from intermediate.int_dialogs
  where tenant_id = %(tenant)s and chat_id = any (array(select dialog_id::bigint from asked))
) as d using (dialog_id)
where r.tenant_id = %(tenant)s and r.dialog_id = a.dialog_id
"""

_TOTALS = f"""
with{_DEALS},
dialogs as (
  select raw_rows, mart_rows, excluded_reason as reason from private.reconciled_dialogs where tenant_id = %(tenant)s
){_LEADS}union all
select 'messages', coalesce(sum(raw_rows), 0)::bigint, coalesce(sum(raw_rows) filter (where reason = 'group'), 0)::bigint,
       coalesce(sum(raw_rows) filter (where reason = 'internal'), 0)::bigint, 0, coalesce(sum(mart_rows), 0)::bigint
from dialogs
union all
select 'dialogs', count(*) filter (where raw_rows > 0), count(*) filter (where raw_rows > 0 and reason = 'group'),
       count(*) filter (where raw_rows > 0 and reason = 'internal'), 0, count(*) filter (where mart_rows > 0)
from dialogs
"""
_REASONS = ("group", "internal", "deleted")


def count(
    connection: db.Connection, tenant_id: UUID, days: Sequence[tuple[date, Window]], sources: Sequence[str]
) -> list[Count]:
    """Each day of a window, then everything, for the entities of these sources (service entry point: it reads raw).

    The days are counted row by row; everything is the sum of what each dialog had when it was counted last.
    """
    whole: dict[str, Any] = {"tenant": tenant_id, "from": "-infinity", "to": "infinity", "share": _SHARE}
    whole["since"] = min((window.start for _, window in days), default=None)
    whole["until"] = max((window.end for _, window in days), default=None)
    ledger = connection.execute(_HAS_LEDGER, whole).fetchone()
    connection.execute(_COUNT_TOUCHED if ledger and ledger["is_there"] else _COUNT_ALL, whole)
    found = []
    asked: list[tuple[date | None, str, dict[str, Any]]] = [
        (day, COUNTS, {"tenant": tenant_id, "from": window.start, "to": window.end}) for day, window in days
    ]
    for day, query, values in [*asked, (None, _TOTALS, whole)]:
        for row in connection.execute(query, values):
            able = registry.able(_BROUGHT_BY[row["entity"]])
            for source in [name for name in sources if name in able]:
                left_out = {reason: row[reason] for reason in _REASONS if row[reason]}
                found.append(Count(source, row["entity"], day, row["raw_rows"], left_out, row["mart_rows"]))
    return found


def save(connection: db.Connection, tenant_id: UUID, run_id: UUID, counts: Iterable[Count]) -> None:
    """Replace what the run counted before (service entry point)."""
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
