"""Where a number comes from: the exact rows behind it, counted once more.

The numbers themselves are computed by dbt; this is the way back. The page of a number and the test that recomputes every
column use it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from synkro.core.windows import Window
from synkro.database import db
from synkro.metrics.metric import Metric


def parameters(
    tenant_id: UUID, window: Window, manager_id: str | None = None, part: str | None = None
) -> dict[str, Any]:
    return {"tenant": tenant_id, "start": window.start, "end": window.end, "manager": manager_id, "part": part}


def recount(
    connection: db.Connection,
    metric: Metric,
    tenant_id: UUID,
    window: Window,
    manager_id: str | None = None,
    part: str | None = None,
) -> Any:
    """The number, made anew from the rows as they are now: it equals the mart's unless they changed since it was built."""
    row = connection.execute(metric.value_sql().encode(), parameters(tenant_id, window, manager_id, part)).fetchone()
    return row["value"] if row else None


def literal(sql: str, tenant_id: UUID, window: Window, manager_id: str | None = None, part: str | None = None) -> str:
    """The statement with its parameters written in, for a person to run; ids and moments only, quotes doubled."""
    for name, value in parameters(tenant_id, window, manager_id, part).items():
        text = (value.isoformat() if isinstance(value, datetime) else str(value)).replace("'", "''")
        kind = {"tenant": "uuid", "start": "timestamptz", "end": "timestamptz"}.get(name)
        sql = sql.replace(f"%({name})s", f"'{text}'" + (f"::{kind}" if kind else ""))
    return sql
