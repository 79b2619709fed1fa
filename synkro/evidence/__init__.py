"""Where every number comes from: for each column of ``marts.period_summary`` and ``marts.period_managers`` its definition,
the exact rows behind it and the aggregate that makes it.

The numbers themselves are computed by dbt; this is the way back. The page of a number (``services/reports/rows.py``), the table
in docs/metrics.md (``python -m synkro.evidence``) and the test that recomputes every column read this registry.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from synkro.core.windows import Window
from synkro.database import db
from synkro.evidence.entry import Entry, Unit
from synkro.evidence.managers import MANAGERS
from synkro.evidence.summary import SUMMARY

__all__ = ["MANAGERS", "NUMBERS", "SUMMARY", "Entry", "Unit", "literal", "parameters", "recount"]

#: the columns of ``period_summary`` that are numbers, in the order the app lists them
NUMBERS = tuple(entry.column for entry in SUMMARY.values() if entry.is_number)


def parameters(tenant_id: UUID, window: Window, manager_id: str | None = None) -> dict[str, Any]:
    return {"tenant": tenant_id, "start": window.start, "end": window.end, "manager": manager_id}


def recount(
    connection: db.Connection, entry: Entry, tenant_id: UUID, window: Window, manager_id: str | None = None
) -> Any:
    """The number, made anew from the rows as they are now: it equals the mart's unless they changed since it was built."""
    row = connection.execute(entry.value_sql().encode(), parameters(tenant_id, window, manager_id)).fetchone()
    return row["value"] if row else None


def literal(sql: str, tenant_id: UUID, window: Window, manager_id: str | None = None) -> str:
    """The statement with its parameters written in, for a person to run; ids and moments only, quotes doubled."""
    for name, value in parameters(tenant_id, window, manager_id).items():
        text = (value.isoformat() if isinstance(value, datetime) else str(value)).replace("'", "''")
        kind = {"tenant": "uuid", "start": "timestamptz", "end": "timestamptz"}.get(name)
        sql = sql.replace(f"%({name})s", f"'{text}'" + (f"::{kind}" if kind else ""))
    return sql
