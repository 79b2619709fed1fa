"""How far each stream of each tenant is known to be complete, and what each run read to get there.

A watermark is moved only after the loaded rows were counted against the vendor's answer, never beyond now,
and never backwards: a row dated 2100 hides nothing, and a forced old window undoes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro import db

Source = Literal["amocrm", "radist"]


@dataclass(frozen=True)
class Watermark:
    source: Source
    stream: str
    complete_until: datetime
    cursor: dict[str, Any] = field(default_factory=dict)
    updated_at: datetime | None = None


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
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    finished_at: datetime | None = None


def find(connection: db.Connection, tenant_id: UUID, source: Source, stream: str) -> Watermark | None:
    row = connection.execute(
        "select source, stream, complete_until, cursor, updated_at from synkro.watermarks"
        " where tenant_id = %s and source = %s and stream = %s",
        (tenant_id, source, stream),
    ).fetchone()
    return Watermark(**row) if row else None


def all_of(connection: db.Connection, tenant_id: UUID) -> list[Watermark]:
    rows = connection.execute(
        "select source, stream, complete_until, cursor, updated_at from synkro.watermarks where tenant_id = %s"
        " order by source, stream",
        (tenant_id,),
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
        "insert into synkro.watermarks (tenant_id, source, stream, complete_until, cursor)"
        " values (%(tenant)s, %(source)s, %(stream)s, least(%(until)s, now()), %(cursor)s)"
        " on conflict (tenant_id, source, stream) do update"
        " set complete_until = greatest(synkro.watermarks.complete_until, excluded.complete_until),"
        " cursor = excluded.cursor, updated_at = now()",
        {
            "tenant": tenant_id,
            "source": source,
            "stream": stream,
            "until": complete_until,
            "cursor": Jsonb(cursor or {}),
        },
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


def loads_of(connection: db.Connection, tenant_id: UUID, run_id: UUID) -> list[StreamLoad]:
    rows = connection.execute(
        "select source, stream, status, requests, seen, rejected, loaded, reasons, error, read_from, read_until,"
        " started_at, finished_at from synkro.stream_loads where tenant_id = %s and run_id = %s order by source, stream",
        (tenant_id, run_id),
    )
    return [StreamLoad(**row) for row in rows]
