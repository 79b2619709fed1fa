"""Streams into raw, batch by batch: extracted, loaded, counted; the watermark moves only when the count is right.

In flows a list of :class:`Stream`, each a generator of pages of rows; out comes one :class:`SourceResult`. Each
part is loaded by one dlt pipeline per tenant and source, in a directory of its own that is removed afterwards,
through a staging schema of its own: two tenants that share one lose rows silently. After each part the account of
every stream and the place where it stands are stored in one transaction, so a read that is cut, however, goes on
from its last part. A stream that fails does not stop the others: what it read is loaded, and its watermark stays.
"""

from __future__ import annotations

import shutil
from typing import Any

import psycopg
from psycopg import sql

from ingestion.extract.context import Session, SourceResult
from ingestion.load.batches import Batch, Extraction, Stream
from ingestion.load.staging import Landing, not_written
from synkro.core import clock
from synkro.core.errors import Cancelled, DataError, LeaseLost, SynkroError
from synkro.database import connections, db
from synkro.reporting.reconciliation import whole_until
from synkro.runs import watermarks
from synkro.runs.watermarks import Backfill


def run(session: Session, streams: list[Stream]) -> SourceResult:
    """Read, load, count and move the watermark; raises only Cancelled and LeaseLost."""
    folder = session.ctx.work_dir / f"dlt_{session.source}"
    try:
        with Extraction(session, streams, folder / "rows") as extraction:
            landing = Landing(session)
            for batches in extraction.batches():
                _land(session, landing, batches)
    except Cancelled:
        record(session, streams)
        raise
    except LeaseLost:
        # the run's rows belong to another worker now
        raise
    except (SynkroError, psycopg.Error, OSError) as error:
        for stream in streams:
            if stream.load.status != "complete":
                stream.fail(stream.error or not_written(error))
                stream.load.status = "incomplete" if stream.load.loaded else "failed"
        record(session, streams)
    finally:
        # chats lie in there in clear text
        shutil.rmtree(folder, ignore_errors=True)
    return result(session, streams)


def result(session: Session, streams: list[Stream], error: SynkroError | None = None) -> SourceResult:
    """What stands now, from the marks in the database."""
    ctx, source = session.ctx, session.source
    with db.as_service("ingestion marks") as connection:
        marks = watermarks.all_of(connection, ctx.tenant_id)
    error = error or next((stream.error for stream in streams if stream.error), None)
    statuses = {stream.load.status for stream in streams}
    return SourceResult(
        source=source,
        status="complete" if statuses == {"complete"} else "incomplete" if "complete" in statuses else "failed",
        loads=[stream.load for stream in streams],
        complete_until=whole_until(marks, source),
        error=error,
    )


def record(session: Session, streams: list[Stream]) -> None:
    """Store the account of these streams as it stands."""
    with db.as_service("ingestion record") as connection:
        for stream in streams:
            _record(connection, session, stream)


# --- one part --------------------------------------------------------------------------------------------


def _land(session: Session, landing: Landing, batches: list[Batch]) -> None:
    files = [batch.file for batch in batches if batch.file]
    if files:
        rows = sum(file.rows for file in files)
        session.progress(rows, None, f"Запись в базу, строк: {rows}", now=True)
        for batch in batches:
            if batch.file:
                batch.stream.before_load()
        load_id = landing.load(files)
        _count(session, batches, load_id)
    _settle(session, batches)


def _count(session: Session, batches: list[Batch], load_id: str) -> None:
    """Ask the database what arrived of this part; a stream whose rows are not all there ends here."""
    with connections.connect(session.ctx.database_url, "load") as connection:
        for stream, kept in ((batch.stream, batch.rows) for batch in batches if batch.file):
            arrived = _rows_of(connection, session, stream.name, load_id)
            stream.load.loaded += arrived
            if arrived != kept:
                stream.lost = True
                stream.fail(
                    DataError(
                        f"Поток «{stream.name}»: прочитано {kept} строк, в базе {arrived}. "
                        "Отметка не сдвинута; запустите снова.",
                        detail=f"load {load_id}",
                    )
                )


def _rows_of(connection: psycopg.Connection[Any], session: Session, table: str, load_id: str) -> int:
    query = sql.SQL("select count(*) from {} where tenant_id = %s and _dlt_load_id = %s").format(
        sql.Identifier(f"raw_{session.source}", table)
    )
    row = connection.execute(query, (session.ctx.tenant_id, load_id)).fetchone()
    return int(row[0]) if row else 0


def _settle(session: Session, batches: list[Batch]) -> None:
    """Account, marks and places of a part, in one transaction.

    A stream that is whole moves its watermark to the moment this reading began and leaves no checkpoint. One that is not
    leaves the place where it stands; one that lost rows leaves the place it had before this part.
    """
    with db.as_service("ingestion part") as connection:
        for batch in batches:
            stream, tenant = batch.stream, session.ctx.tenant_id
            if batch.ended and stream.whole and not stream.lost:
                stream.load.status = "complete"
            if stream.is_aside:
                _record(connection, session, stream)
                continue
            moves = batch.ended and not stream.lost and (stream.load.status == "complete" or stream.moves_anyway)
            if moves:
                watermarks.advance(connection, tenant, session.source, stream.name, session.started_at, stream.cursor)
            if moves or (batch.point is None and not stream.lost):
                watermarks.drop_backfill(connection, tenant, session.source, stream.name)
            elif batch.point is not None and not stream.lost:
                watermarks.keep_backfill(connection, tenant, _backfill(session, stream, batch))
            _record(connection, session, stream)


def _backfill(session: Session, stream: Stream, batch: Batch) -> Backfill:
    point = batch.point
    assert point is not None
    return Backfill(
        session.source,
        stream.name,
        stream.load.read_from,
        stream.begun or session.started_at,
        point.position,
        point.done,
        point.total,
    )


def _record(connection: db.Connection, session: Session, stream: Stream) -> None:
    stream.load.read_until = session.started_at
    stream.load.finished_at = clock.now()
    watermarks.record(connection, session.ctx.tenant_id, session.ctx.run_id, stream.load)
