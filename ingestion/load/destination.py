"""dlt's Postgres, opened the way every connection of the owner is: it waits for its turn and its limits are a load's.

The search path is set by SQL: dlt gives it as an option of the start-up packet, which poolers drop or refuse. Whatever
resets the connection resets both, so both are set there.
"""

from __future__ import annotations

from typing import Any

import psycopg2
from dlt.destinations import postgres
from dlt.destinations.impl.postgres.postgres import PostgresClient
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

from synkro.database import connections


class _SqlClient(Psycopg2SqlClient):
    def open_connection(self) -> Any:
        def attempt() -> Any:
            return psycopg2.connect(
                self.credentials.to_native_representation(),
                connect_timeout=connections.CONNECT_SECONDS,
                application_name="synkro load",
            )

        self._conn = connections.waited(attempt)
        self._reset_connection()
        return self._conn

    def _reset_connection(self) -> None:
        super()._reset_connection()
        with self._conn.cursor() as cursor:
            cursor.execute(connections.limit("load"))
            cursor.execute(f"set search_path to {self.fully_qualified_dataset_name()}, public")


class _Client(PostgresClient):
    def __init__(self, schema: Any, config: Any, capabilities: Any) -> None:
        super().__init__(schema, config, capabilities)
        made = self.sql_client
        self.sql_client = _SqlClient(made.dataset_name, made.staging_dataset_name, config.credentials, capabilities)


class Postgres(postgres):
    def capabilities(self, config: Any = None, naming: Any = None) -> Any:
        """Those of any Postgres: without a configuration dlt resolves one of them twenty times a load, a quarter of its time."""
        return super().capabilities(config or self.spec(), naming)

    @property
    def client_class(self) -> type[PostgresClient]:
        return _Client
