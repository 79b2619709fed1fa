"""One part into raw: our own csv files in, one merge per table by dlt, the load's id out.

Rows are written once, as they are extracted, into the very file that Postgres' COPY takes: dlt imports it as it is
(``dlt.mark.with_file_import``) and neither infers nor normalises anything, which is four fifths of the time of a
load of dicts. dlt stays the loader: its package, its copy into the tenant's staging schema, its merge with upsert,
its ``_dlt_loads``. What dlt's normaliser would have added to each row are defaults of the staging tables.

Never used here: ``replace`` and ``refresh``, which empty a table for every tenant.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import psycopg
from dlt.common.json import json
from psycopg import sql

from ingestion.extract.context import Session
from ingestion.extract.rows import Row
from ingestion.load import tables
from synkro.core.disk import no_space
from synkro.core.errors import Cancelled, LeaseLost, SynkroError, TransientError
from synkro.database import connections

#: dlt's own settings; the directory of a run is an argument of its pipeline
_DLT = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    # its log lines carry rows ("Key (…) already exists"); what matters is raised
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    # every run starts in a fresh directory: windows are arguments and marks are rows of ours
    "RESTORE_FROM_DESTINATION": "false",
    # a connection each, and one of dlt's own beside them. The default is 20: more than a Supabase session pool lends to all
    "LOAD__WORKERS": "1",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
    # tries of one job, a second apart; everything is read again by the next run anyway
    "LOAD__RAISE_ON_MAX_RETRIES": "3",
}
#: the sources of a run are read beside each other and loaded one after the other: a load takes up to three connections
_one_load = threading.Lock()
_UPSERT: Any = {"disposition": "merge", "strategy": "upsert"}
#: the tables are the migrations' business: an unknown column is a mistake of ours and fails the load
_CONTRACT: Any = {"tables": "evolve", "columns": "freeze", "data_type": "freeze"}
#: filled by the staging tables: the load's id, and dlt's row key, which a merge without child tables never reads
_DLT_COLUMNS: Any = {name: {"data_type": "text", "nullable": False} for name in ("_dlt_load_id", "_dlt_id")}


def _quoted(value: Any) -> bytes:
    return b'"' + str(value).encode().replace(b'"', b'""') + b'"'


#: dlt's type → the bytes of a value in the file; None is nothing at all, an empty text is ``""``
_WRITE: dict[str, Callable[[Any], bytes]] = {
    "text": _quoted,
    "bigint": lambda value: b"%d" % value,
    # in its quotes, as JSON has it: four times as fast as the text of a datetime
    "timestamp": json.dumpb,
    "json": lambda value: b'"' + json.dumpb(value).replace(b'"', b'""') + b'"',
}


class RowFile:
    """The rows of one table of one part, as csv for COPY. ``rows`` and ``size`` (bytes) grow while it is written."""

    def __init__(self, dataset: str, table: str, path: Path) -> None:
        self.table, self.path, self.rows, self.size = table, path, 0, 0
        columns = tables.columns(dataset, table)
        self._fields = [(name, _WRITE[column["data_type"]]) for name, column in columns.items()]
        self._file = path.open("wb")
        self._file.write(",".join(columns).encode() + b"\n")

    def write(self, rows: list[Row]) -> None:
        """Add rows: every column of the table has its key. Raises OSError when the disk is full."""
        fields = self._fields
        lines = [
            b",".join([b"" if (value := row[name]) is None else write(value) for name, write in fields]) for row in rows
        ]
        lines.append(b"")
        block = b"\n".join(lines)
        self._file.write(block)
        self.rows += len(rows)
        self.size += len(block)

    def close(self) -> None:
        self._file.close()


class Landing:
    """The dlt pipeline of one read: ``load`` is called once a part."""

    def __init__(self, session: Session) -> None:
        os.environ.update(_DLT)
        os.environ.setdefault("DLT_DATA_DIR", str(session.ctx.work_dir / "dlt"))
        import dlt

        from ingestion.load.destination import Postgres

        ctx = session.ctx
        self._session, self._dataset = session, f"raw_{session.source}"
        self._staging_name = f"{self._dataset}_stg_{ctx.slug}"
        self._pipeline = dlt.pipeline(
            f"{ctx.slug}_{session.source}",
            destination=Postgres(ctx.database_url, staging_dataset_name_layout=f"%s_stg_{ctx.slug}"),
            dataset_name=self._dataset,
            pipelines_dir=str(ctx.work_dir / f"dlt_{session.source}"),
        )
        # one schema, whole from the beginning: its version is written once, not once a tenant or a part
        self._schema = dlt.Schema(session.source)
        for table in tables.tables(self._dataset):
            hints: Any = self._resource(table, None).compute_table_schema()
            self._schema.update_table({**hints, "x-normalizer": {"max_nesting": 0, "seen-data": True}})

    def load(self, files: list[RowFile]) -> str:
        """Merge these files into raw and return the id of the load. The files are gone afterwards.

        Raises Cancelled or LeaseLost when the run must stop, TransientError when the database refused.
        """
        from dlt.common.exceptions import DltException
        from dlt.sources import DltSource

        try:
            resources = [self._resource(file.table, file) for file in files]
            # not through dlt.source(): it would forget which tables have seen data
            source = DltSource(self._schema, self._session.source, resources)
            self._pipeline.extract(source, loader_file_format="csv")
            for file in files:
                file.path.unlink()
            self._pipeline.normalize()
            (load_id,) = self._pipeline.list_normalized_load_packages()
            with self._alone(), self._staging(load_id):
                self._session.checkpoint()
                self._pipeline.load()
            return load_id
        except (DltException, psycopg.Error, OSError) as error:
            raise stop_of(error) or not_written(error) from None

    def _resource(self, table: str, file: RowFile | None) -> Any:
        import dlt

        def imported() -> Iterator[Any]:
            if file is not None:
                yield dlt.mark.with_file_import(str(file.path), "csv", file.rows)

        return dlt.resource(
            imported,
            name=table,
            columns={**tables.columns(self._dataset, table), **_DLT_COLUMNS},
            primary_key=tables.primary_key(self._dataset, table),
            write_disposition=_UPSERT,
            file_format="csv",
            max_table_nesting=0,
            schema_contract=_CONTRACT,
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other source of this process is being loaded; an order to stop is heard meanwhile."""
        self._session.checkpoint()
        while not _one_load.acquire(timeout=1):
            self._session.checkpoint()
        try:
            yield
        finally:
            _one_load.release()

    @contextmanager
    def _lock(self, name: str) -> Iterator[psycopg.Connection[Any]]:
        """The connection that holds the lock of this name."""
        ctx = self._session.ctx
        url, held = ctx.database_url, ctx.lock_session() if ctx.lock_session else None
        with nullcontext(held) if held else connections.connect(url, "load", autocommit=True) as connection:
            connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))
            try:
                yield connection
            finally:
                # a server that is gone holds no lock
                with suppress(psycopg.Error):
                    connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (name,))

    @contextmanager
    def _staging(self, load_id: str) -> Iterator[None]:
        """The tenant's staging schema: copies of the raw tables, made before and dropped after a load.

        Copies, because dlt has no uuid: tables of its own making could not be merged into ours. Unlogged, because
        nobody needs them after a crash. The lock keeps a run that lost its lease from loading into the schema of
        its successor.
        """
        name = self._staging_name
        schema = sql.Identifier(name)
        with self._lock(name) as connection:
            connection.execute(sql.SQL("drop schema if exists {} cascade").format(schema))
            connection.execute(sql.SQL("create schema {}").format(schema))
            for table in (*tables.tables(self._dataset), "_dlt_version"):
                copy, original = sql.Identifier(name, table), sql.Identifier(self._dataset, table)
                connection.execute(sql.SQL("create unlogged table {} (like {})").format(copy, original))
                connection.execute(sql.SQL("alter table {} enable row level security").format(copy))
                if not table.startswith("_dlt"):
                    defaults = "alter table {} alter _dlt_load_id set default {}, alter _dlt_id set default ''"
                    connection.execute(sql.SQL(defaults).format(copy, sql.Literal(load_id)))
            try:
                yield
            finally:
                # a server that is gone leaves it to the next run
                with suppress(psycopg.Error):
                    connection.execute(sql.SQL("drop schema {} cascade").format(schema))


def stop_of(error: BaseException | None) -> SynkroError | None:
    """The order to stop that dlt has wrapped."""
    while error is not None:
        if isinstance(error, Cancelled | LeaseLost):
            return error
        error = error.__cause__ or error.__context__
    return None


def not_written(error: BaseException) -> SynkroError:
    """What the operator is told; the detail is the innermost cause, without the rows Postgres quotes."""
    if isinstance(error, SynkroError):
        return error
    if (full := no_space(error)) is not None:
        return full
    while error.__cause__ is not None:
        error = error.__cause__
        if isinstance(error, TransientError):
            return error
    if connections.is_busy(str(error)):
        return connections.busy(str(error))
    text = str(error).partition("DETAIL:")[0].strip()
    return TransientError(
        "Прочитанное не удалось записать в базу. Проверьте, что Postgres работает и на диске есть место, "
        "и запустите снова: отметки не сдвинуты, ничего не потеряно.",
        detail=f"{type(error).__name__}: {text[:300]}",
    )
