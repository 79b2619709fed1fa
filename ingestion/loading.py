"""Streams into raw: extracted and loaded by dlt, counted by us, marked only when the count is right.

In flows a list of :class:`Stream`, each a generator of pages of rows; out comes one :class:`SourceResult`.
One dlt pipeline per tenant and source, in a directory of its own that is removed afterwards, with a staging
schema of its own: two tenants that share one lose rows silently. A stream that fails does not stop the
others: what it read is loaded, and its mark stays where it was.

Never used here: ``replace`` and ``refresh``, which empty a table for every tenant.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from ingestion import tables
from ingestion.context import Session, SourceResult
from ingestion.rows import Row, Tally
from synkro import db, watermarks
from synkro.errors import Cancelled, DataError, LeaseLost, SynkroError, TransientError
from synkro.watermarks import Source, StreamLoad

log = logging.getLogger(__name__)

#: streams the report's ``as_of`` waits for; the others are dictionaries
MATTER: dict[Source, set[str]] = {
    "amocrm": {"leads", "contacts", "events", "notes"},
    "radist": {"chats", "messages"},
}

#: dlt's own settings; the directory of a run is an argument of its pipeline
_DLT = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    # its log lines carry rows ("Key (…) already exists"); what matters is raised
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    # every run starts in a fresh directory: windows are arguments and marks are rows of ours
    "RESTORE_FROM_DESTINATION": "false",
    # the default is 20 connections; a Supabase session pool has about as many in all
    "LOAD__WORKERS": "3",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
    # tries of one job, a second apart; everything is read again by the next run anyway
    "LOAD__RAISE_ON_MAX_RETRIES": "3",
    # rows in memory per table before they go to disk: a message may be a megabyte
    "DATA_WRITER__BUFFER_MAX_ITEMS": "500",
}
_UPSERT: Any = {"disposition": "merge", "strategy": "upsert"}
#: the tables are the migrations' business: an unknown column is a mistake of ours and fails the load
_CONTRACT: Any = {"tables": "evolve", "columns": "freeze", "data_type": "freeze"}


@dataclass
class Stream:
    """One stream of one read: the table it fills, how it is read, and its account."""

    name: str
    tally: Tally
    #: pages of raw rows; a :class:`SynkroError` raised here ends this stream alone
    read: Callable[[], Iterator[list[Row]]]
    error: SynkroError | None = None
    #: read to its end; whole is not yet counted
    whole: bool = False
    #: kept with the mark: for the stream's next read
    cursor: dict[str, Any] = field(default_factory=dict)
    #: the mark moves although not everything was read; the rest is remembered in the cursor
    moves_anyway: bool = False

    @property
    def load(self) -> StreamLoad:
        return self.tally.load

    def fail(self, error: SynkroError) -> None:
        self.error = error
        self.load.error = error.message
        self.load.status = "incomplete" if self.tally.kept else "failed"


def run(session: Session, streams: list[Stream]) -> SourceResult:
    """Read, load, count and mark; raises only Cancelled and LeaseLost."""
    ctx, source = session.ctx, session.source
    directory = ctx.work_dir / f"dlt_{source}"
    try:
        load_id = _extract_and_load(session, streams)
        _count(session, streams, load_id)
    except Cancelled:
        record(session, streams)
        raise
    except LeaseLost:
        # the run's rows belong to another worker now
        raise
    except (SynkroError, psycopg.Error) as error:
        for stream in streams:
            stream.moves_anyway = False
            stream.fail(stream.error or _not_written(error))
            stream.load.status = "failed"
    finally:
        # chats lie in there in clear text
        shutil.rmtree(directory, ignore_errors=True)
    record(session, streams)
    _mark(session, streams)
    return result(session, streams)


def result(session: Session, streams: list[Stream], error: SynkroError | None = None) -> SourceResult:
    """What stands now, from the marks in the database."""
    ctx, source = session.ctx, session.source
    needed = MATTER[source]
    with db.as_service("ingestion marks") as connection:
        marks = {
            mark.stream: mark.complete_until
            for mark in watermarks.all_of(connection, ctx.tenant_id)
            if mark.source == source
        }
    error = error or next((stream.error for stream in streams if stream.error), None)
    statuses = {stream.load.status for stream in streams}
    return SourceResult(
        source=source,
        status="complete" if statuses == {"complete"} else "incomplete" if "complete" in statuses else "failed",
        loads=[stream.load for stream in streams],
        complete_until=min(marks[name] for name in needed) if needed <= set(marks) else None,
        error=error,
    )


# --- dlt -----------------------------------------------------------------------------------------------


def _extract_and_load(session: Session, streams: list[Stream]) -> str | None:
    """The id of the load, None if there was nothing to load."""
    os.environ.update(_DLT)
    os.environ.setdefault("DLT_DATA_DIR", str(session.ctx.work_dir / "dlt"))
    import dlt
    from dlt.common.exceptions import DltException
    from dlt.destinations import postgres

    ctx, dataset = session.ctx, f"raw_{session.source}"
    destination = postgres(ctx.database_url, staging_dataset_name_layout=f"%s_stg_{ctx.slug}")
    pipeline = dlt.pipeline(
        f"{ctx.slug}_{session.source}",
        destination=destination,
        dataset_name=dataset,
        pipelines_dir=str(ctx.work_dir / f"dlt_{session.source}"),
    )
    try:
        # one schema name for all tenants: its version is written once, not once a tenant
        resources = [_resource(session, dataset, stream) for stream in streams]
        source = dlt.source(lambda: resources, name=session.source, section=session.source)()
        pipeline.extract(source, loader_file_format="csv")
        pipeline.normalize()
        session.checkpoint()
        with _staging(session, dataset):
            session.checkpoint()
            session.progress(0, None, "Запись в базу", now=True)
            info = pipeline.load()
            return info.loads_ids[0] if info.loads_ids else None
    except (DltException, psycopg.Error, OSError) as error:
        stopped = _stop_of(error)
        if stopped is not None:
            raise stopped from None
        session.stop()
        raise _not_written(error) from None


def _resource(session: Session, dataset: str, stream: Stream) -> Any:
    import dlt

    def pages() -> Iterator[list[Row]]:
        try:
            reading = stream.read()
            while True:
                with session.counting(stream.load):
                    page = next(reading, None)
                if page is None:
                    break
                if page:
                    yield page
            stream.whole = stream.error is None
        except (Cancelled, LeaseLost):
            session.stop()
            raise
        except SynkroError as error:
            stream.fail(error)
        except Exception as error:
            # a shape nobody has seen: the stream ends, the others go on, the trace is in the log
            log.exception("%s %s", session.source, stream.name)
            stream.fail(
                DataError(
                    f"Поток «{stream.name}»: ответ непривычной формы, чтение остановлено. Сообщите об этом.",
                    detail=f"{type(error).__name__}: {error}",
                )
            )
        record(session, [stream])

    return dlt.resource(
        pages,
        name=stream.name,
        columns=tables.columns(dataset, stream.name),
        primary_key=tables.primary_key(dataset, stream.name),
        write_disposition=_UPSERT,
        max_table_nesting=0,
        schema_contract=_CONTRACT,
        parallelized=True,
    )


@contextmanager
def _staging(session: Session, dataset: str) -> Iterator[None]:
    """The tenant's staging schema: copies of the raw tables, made before and dropped after a load.

    Copies, because dlt has no uuid: tables of its own making could not be merged into ours. The lock keeps a
    run that lost its lease from loading into the schema of its successor.
    """
    name = f"{dataset}_stg_{session.ctx.slug}"
    schema = sql.Identifier(name)
    with psycopg.connect(session.ctx.database_url) as holder:
        holder.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
        with psycopg.connect(session.ctx.database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("drop schema if exists {} cascade").format(schema))
            connection.execute(sql.SQL("create schema {}").format(schema))
            for table in (*tables.tables(dataset), "_dlt_version"):
                copy, original = sql.Identifier(name, table), sql.Identifier(dataset, table)
                connection.execute(sql.SQL("create table {} (like {})").format(copy, original))
                connection.execute(sql.SQL("alter table {} enable row level security").format(copy))
            try:
                yield
            finally:
                # a server that is gone leaves it to the next run
                with suppress(psycopg.Error):
                    connection.execute(sql.SQL("drop schema {} cascade").format(schema))


def _stop_of(error: BaseException | None) -> SynkroError | None:
    """The order to stop that dlt has wrapped."""
    while error is not None:
        if isinstance(error, Cancelled | LeaseLost):
            return error
        error = error.__cause__ or error.__context__
    return None


def _not_written(error: BaseException) -> SynkroError:
    """What the operator is told; the detail is the innermost cause, without the rows Postgres quotes."""
    if isinstance(error, SynkroError):
        return error
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).partition("DETAIL:")[0].strip()
    return TransientError(
        "Прочитанное не удалось записать в базу. Проверьте, что Postgres работает и на диске есть место, "
        "и запустите снова: отметки не сдвинуты, ничего не потеряно.",
        detail=f"{type(error).__name__}: {text[:300]}",
    )


# --- counted, recorded, marked ---------------------------------------------------------------------------


def _count(session: Session, streams: list[Stream], load_id: str | None) -> None:
    """Ask the database what arrived: a stream is complete when it was read whole and all of it is there."""
    with psycopg.connect(session.ctx.database_url) as connection:
        for stream in streams:
            load, kept = stream.load, stream.tally.kept
            load.loaded = _rows_of(connection, session, stream.name, load_id) if kept else 0
            if load.loaded != kept:
                stream.moves_anyway = False
                stream.fail(
                    DataError(
                        f"Поток «{stream.name}»: прочитано {kept} строк, в базе {load.loaded}. "
                        "Отметка не сдвинута; запустите снова.",
                        detail=f"load {load_id}",
                    )
                )
            elif stream.whole:
                load.status = "complete"


def _rows_of(connection: psycopg.Connection[Any], session: Session, table: str, load_id: str | None) -> int:
    query = sql.SQL("select count(*) from {} where tenant_id = %s and _dlt_load_id = %s").format(
        sql.Identifier(f"raw_{session.source}", table)
    )
    row = connection.execute(query, (session.ctx.tenant_id, load_id)).fetchone()
    return int(row[0]) if row else 0


def record(session: Session, streams: list[Stream]) -> None:
    """Store the account of these streams as it stands."""
    ctx = session.ctx
    with db.as_service("ingestion record") as connection:
        for stream in streams:
            stream.load.read_until = session.started_at
            stream.load.finished_at = datetime.now(UTC)
            watermarks.record(connection, ctx.tenant_id, ctx.run_id, stream.load)


def _mark(session: Session, streams: list[Stream]) -> None:
    """Move the marks of what is whole, to the moment the reading began."""
    ctx = session.ctx
    with db.as_service("ingestion marks") as connection:
        for stream in streams:
            if stream.load.status == "complete" or stream.moves_anyway:
                watermarks.advance(
                    connection, ctx.tenant_id, session.source, stream.name, session.started_at, stream.cursor
                )
