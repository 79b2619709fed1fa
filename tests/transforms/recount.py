"""Every column of the period marts, made anew from the rows its registry entry names, by the statement the app runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from synkro.metrics.metric import Metric
from synkro.core.windows import Window
from synkro.metrics import lineage
from synkro.metrics.registry import TABLES

REGISTRIES = TABLES


@dataclass(frozen=True)
class Difference:
    table: str
    key: tuple[Any, ...]
    column: str
    mart: Any
    rows: Any

    def __str__(self) -> str:
        return f"{self.table} {' '.join(map(str, self.key))} {self.column}: mart {self.mart!r}, rows {self.rows!r}"


@dataclass(frozen=True)
class Recount:
    cells: int
    #: columns that had a value other than null and zero somewhere
    alive: set[tuple[str, str]]
    differences: list[Difference]


def columns(connection: psycopg.Connection[Any], table: str) -> list[str]:
    """As the database has them, whatever the registry believes."""
    rows = connection.execute(
        "select attname from pg_catalog.pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        (f"marts.{table}",),
    ).fetchall()
    return [row["attname"] for row in rows]


def recount(connection: psycopg.Connection[Any], tenant_id: UUID, newest: int = 1000) -> Recount:
    """All cells of the newest windows of every table, through whichever entry point ``connection`` is."""
    cells, alive, differences = 0, set(), []
    for table, registry in REGISTRIES.items():
        names = columns(connection, table)
        rows = connection.execute(
            f"select * from marts.{table} where tenant_id = %(tenant)s and (window_start, window_end) in (select window_start,"
            " window_end from marts.period_summary where tenant_id = %(tenant)s order by window_end desc limit %(newest)s)",
            {"tenant": tenant_id, "newest": newest},
        ).fetchall()
        for row in rows:
            for column in names:
                again = _again(connection, registry[column], row)
                cells += 1
                if row[column]:
                    alive.add((table, column))
                if again != row[column]:
                    key = (row["window_start"], row["window_end"], row.get("manager_id") or row.get("channel"))
                    differences.append(Difference(table, key, column, row[column], again))
    return Recount(cells, alive, differences)


def _again(connection: psycopg.Connection[Any], entry: Metric, row: dict[str, Any]) -> Any:
    window = Window(row["window_start"], row["window_end"])
    return lineage.recount(connection, entry, row["tenant_id"], window, row.get("manager_id"), row.get("channel"))
