"""Dagster's storage in Postgres over a held connection: one a process, whoever asks for an instance in it.

Dagster opens a connection for every statement unless its web page asks; a run is some 400 one-row writes, a third of them
made by the daemon before the run can be queued, and each tick of a sensor makes an instance anew. The engine is kept
by process, so that a fork never uses its parent's sockets, and looks whether a connection lives before it uses it: the
database may have been restarted meanwhile. Runs, events and schedules are three storages of one database: they share the
engine, three idle connections a process less on a pooler that lends fifteen; a connection that is refused waits. Before it writes that an asset was made Dagster also asks the catalogue which
columns and tables it has itself: once a process is enough. And it asks four times an asset whether the run's partition
exists: what existed a few seconds ago is taken to exist still.
"""

from __future__ import annotations

import os
import time
from typing import Any

import sqlalchemy
from dagster._serdes import ConfigurableClassData
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config

from synkro.database import connections

STATEMENT_TIMEOUT_MS = 60_000
RECYCLE_SECONDS = 3600
PARTITION_SECONDS = 5.0
#: connections beside the held one while many threads write; a thread that finds none waits, half a minute at most
OVERFLOW = 4

#: by process and address
_engines: dict[tuple[int, str], Any] = {}


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "do_connect")
def _patient(dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
    """Every connection of Dagster's in this process waits for its turn, those it makes its tables over too."""
    return connections.waited(lambda: dialect.connect(*arguments, **parameters))


class HeldStorage(DagsterPostgresStorage):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for part in (self._run_storage, self._event_log_storage, self._schedule_storage):
            _hold(part, self.postgres_url)
        _remember(self._event_log_storage)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> HeldStorage:
        return cls(
            inst_data=inst_data,
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
        )


def _hold(part: Any, url: str) -> None:
    """Give a storage the engine this process holds."""
    key = (os.getpid(), url)
    if key not in _engines:
        part.optimize_for_webserver(STATEMENT_TIMEOUT_MS, RECYCLE_SECONDS, OVERFLOW)
        part._engine.pool._pre_ping = True
        _engines[key] = part._engine
    part._engine = _engines[key]


def _remember(events: Any) -> None:
    """Let the storage of events ask for each of its tables and columns once, and for a partition not at every turn."""
    has_partition, delete_partition = events.has_dynamic_partition, events.delete_dynamic_partition
    seen: dict[tuple[str, str], float] = {}

    def remembered_partition(partitions_def_name: str, partition_key: str) -> bool:
        key = (partitions_def_name, partition_key)
        if time.monotonic() - seen.get(key, float("-inf")) < PARTITION_SECONDS:
            return True
        seen.pop(key, None)
        if exists := has_partition(partitions_def_name, partition_key):
            seen[key] = time.monotonic()
        return bool(exists)

    def forgotten_partition(partitions_def_name: str, partition_key: str) -> None:
        delete_partition(partitions_def_name, partition_key)
        seen.pop((partitions_def_name, partition_key), None)

    events.has_dynamic_partition = remembered_partition
    events.delete_dynamic_partition = forgotten_partition
    has_table, has_column = events.has_table, events._has_asset_key_col_on_connection
    tables: dict[str, bool] = {}
    columns: dict[str, bool] = {}

    def remembered_table(name: str) -> bool:
        if name not in tables:
            tables[name] = has_table(name)
        return tables[name]

    def remembered_column(connection: Any, name: str) -> bool:
        if name not in columns:
            columns[name] = has_column(connection, name)
        return columns[name]

    events.has_table = remembered_table
    events._has_asset_key_col_on_connection = remembered_column
