"""How far each stream of each tenant is known to be complete, and what each run read to get there.

A watermark is moved only after the loaded rows were counted against the vendor's answer, never beyond now,
and never backwards: a row dated 2100 hides nothing, and a forced old window undoes nothing. A stream that is not
through yet leaves a :class:`Backfill` instead: where its next attempt goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro.core import clock
from synkro.database import db

#: the name of a connector
Source = str

#: a mark is no later than the moment it was written, whatever somebody or a clock that was ahead put there
_MARK = "least(complete_until, updated_at, now() + %(offset)s) as complete_until"


@dataclass(frozen=True)
class Watermark:
    source: Source
    stream: str
    complete_until: datetime
    cursor: dict[str, Any] = field(default_factory=dict)
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Backfill:
    """An unfinished read of one stream; everything before ``position`` stands in raw, counted."""

    source: Source
    stream: str
    #: how far back this read goes, aware UTC; None = from the beginning of the account
    read_from: datetime | None
    #: when its first attempt began
    started_at: datetime
    position: dict[str, Any]
    #: rows, days or dialogs, whatever the stream counts; ``total`` None: nobody knows before the end
    done: int = 0
    total: int | None = None
    updated_at: datetime | None = None

    def reaches(self, needed: datetime | None) -> bool:
        """Whether this read goes at least as far back as ``needed`` (None = from the beginning)."""
        return self.read_from is None or (needed is not None and self.read_from <= needed)


@dataclass
class StreamLoad:
    """One stream of one run: what the vendor showed, what was refused and why, what stands in raw."""

    source: Source
    stream: str
    status: Literal["complete", "incomplete", "failed"] = "incomplete"
    requests: int = 0
    seen: int = 0
    rejected: int = 0
    loaded: int = 0
    #: {reason: count} of the rejected rows
    reasons: dict[str, int] = field(default_factory=dict)
    error: str | None = None
    read_from: datetime | None = None
    read_until: datetime | None = None
    started_at: datetime = field(default_factory=clock.now)
    finished_at: datetime | None = None


def find(connection: db.Connection, tenant_id: UUID, source: Source, stream: str) -> Watermark | None:
    row = connection.execute(
        f"select source, stream, {_MARK}, cursor, updated_at from synkro.watermarks"
        " where tenant_id = %(tenant)s and source = %(source)s and stream = %(stream)s",
        {"tenant": tenant_id, "source": source, "stream": stream, "offset": clock.offset()},
    ).fetchone()
    return Watermark(**row) if row else None


def all_of(connection: db.Connection, tenant_id: UUID) -> list[Watermark]:
    rows = connection.execute(
        f"select source, stream, {_MARK}, cursor, updated_at from synkro.watermarks where tenant_id = %(tenant)s"
        " order by source, stream",
        {"tenant": tenant_id, "offset": clock.offset()},
    )
    return [Watermark(**row) for row in rows]


def advance(
    connection: db.Connection,
    tenant_id: UUID,
    source: Source,
    stream: str,
    complete_until: datetime,
    cursor: dict[str, Any] | None = None,
) -> None:
    """Move the mark forward, to now at most."""
    connection.execute(
        "insert into synkro.watermarks (tenant_id, source, stream, complete_until, cursor, updated_at)"
        " values (%(tenant)s, %(source)s, %(stream)s, least(%(until)s, now() + %(offset)s), %(cursor)s, now() + %(offset)s)"
        " on conflict (tenant_id, source, stream) do update"
        " set complete_until = greatest("
        "least(synkro.watermarks.complete_until, synkro.watermarks.updated_at, now() + %(offset)s), excluded.complete_until),"
        " cursor = excluded.cursor, updated_at = excluded.updated_at",
        {
            "tenant": tenant_id,
            "source": source,
            "stream": stream,
            "until": complete_until,
            "cursor": Jsonb(cursor or {}),
            "offset": clock.offset(),
        },
    )


def backfills_of(connection: db.Connection, tenant_id: UUID) -> list[Backfill]:
    """The tenant's unfinished reads."""
    rows = connection.execute(
        "select source, stream, read_from, started_at, position, done, total, updated_at from synkro.backfills"
        " where tenant_id = %s order by source, stream",
        (tenant_id,),
    )
    return [Backfill(**row) for row in rows]


def keep_backfill(connection: db.Connection, tenant_id: UUID, backfill: Backfill) -> None:
    """Store where this read stands, instead of what was known of it."""
    connection.execute(
        "insert into synkro.backfills (tenant_id, source, stream, read_from, started_at, position, done, total)"
        " values (%(tenant)s, %(source)s, %(stream)s, %(read_from)s, %(started_at)s, %(position)s, %(done)s, %(total)s)"
        " on conflict (tenant_id, source, stream) do update set read_from = excluded.read_from,"
        " started_at = excluded.started_at, position = excluded.position, done = excluded.done,"
        " total = excluded.total, updated_at = now()",
        {"tenant": tenant_id, **backfill.__dict__, "position": Jsonb(backfill.position)},
    )


def drop_backfill(connection: db.Connection, tenant_id: UUID, source: Source, stream: str) -> None:
    """This stream has nothing unfinished any more."""
    connection.execute(
        "delete from synkro.backfills where tenant_id = %s and source = %s and stream = %s",
        (tenant_id, source, stream),
    )


def record(connection: db.Connection, tenant_id: UUID, run_id: UUID, load: StreamLoad) -> None:
    """Store (or refresh) the row of this run and stream."""
    connection.execute(
        "insert into synkro.stream_loads (tenant_id, run_id, source, stream, status, requests, seen, rejected, loaded,"
        " reasons, error, read_from, read_until, started_at, finished_at)"
        " values (%(tenant)s, %(run)s, %(source)s, %(stream)s, %(status)s, %(requests)s, %(seen)s, %(rejected)s,"
        " %(loaded)s, %(reasons)s, %(error)s, %(read_from)s, %(read_until)s, %(started_at)s, %(finished_at)s)"
        " on conflict (tenant_id, run_id, source, stream) do update set status = excluded.status,"
        " requests = excluded.requests, seen = excluded.seen, rejected = excluded.rejected, loaded = excluded.loaded,"
        " reasons = excluded.reasons, error = excluded.error, read_from = excluded.read_from,"
        " read_until = excluded.read_until, finished_at = excluded.finished_at",
        {"tenant": tenant_id, "run": run_id, **{**load.__dict__, "reasons": Jsonb(load.reasons)}},
    )


def latest_loads(connection: db.Connection, tenant_id: UUID) -> list[StreamLoad]:
    """The newest attempt at each stream, whatever came of it."""
    rows = connection.execute(
        "select distinct on (source, stream) source, stream, status, requests, seen, rejected, loaded, reasons, error,"
        " read_from, read_until, started_at, finished_at from synkro.stream_loads where tenant_id = %s"
        " order by source, stream, started_at desc",
        (tenant_id,),
    )
    return [StreamLoad(**row) for row in rows]


def loads_of(connection: db.Connection, tenant_id: UUID, run_id: UUID) -> list[StreamLoad]:
    rows = connection.execute(
        "select source, stream, status, requests, seen, rejected, loaded, reasons, error, read_from, read_until,"
        " started_at, finished_at from synkro.stream_loads where tenant_id = %s and run_id = %s order by source, stream",
        (tenant_id, run_id),
    )
    return [StreamLoad(**row) for row in rows]
