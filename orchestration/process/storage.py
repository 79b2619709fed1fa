"""Dagster's storage in Postgres over a held connection: one a process, whoever asks for an instance in it.

A run is some 400 one-row writes, a third of them made by the daemon before the run can be queued, and each tick of a sensor
makes an instance anew. Runs, events and schedules are three storages of one database: they share the engine, three idle
connections a process less on a pooler that lends fifteen; a connection that is refused waits. How the engine is held and
what is remembered: :mod:`orchestration.dagster_patches`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import sqlalchemy
from dagster._serdes import ConfigurableClassData
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config

from orchestration import dagster_patches
from orchestration.process import instance
from synkro.database import connections


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "do_connect")
def _patient(dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
    """Every connection of Dagster's in this process waits for its turn, those it makes its tables over too."""
    return connections.waited(lambda: dialect.connect(*arguments, **parameters))


class HeldStorage(DagsterPostgresStorage):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dagster_patches.hold_connections(self, self.postgres_url)
        dagster_patches.remember_catalogue(self)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> HeldStorage:
        return cls(
            inst_data=inst_data,
            postgres_url=address(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
        )


def address(config: Mapping[str, Any]) -> str:
    """What dagster.yaml says, else what this process was told by whoever started it, else what the settings say."""
    if config.get("postgres_url") or config.get("postgres_db"):
        return pg_url_from_config(config)
    return os.environ.get(instance.STORAGE_VARIABLE) or instance.storage_url()
