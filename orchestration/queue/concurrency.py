"""Who runs beside whom: people before the nightly batch, and the heavy on a lane of their own.

``dagster.yaml`` lets six runs go at once, two of them at most on the side lane. So the ordinary reports always have
four places, however long a company's history or an operator's backfill takes.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from synkro.database import db
from synkro.runs import queue

LANE_TAG = "synkro/lane"
MAIN, SIDE = "main", "side"

#: Dagster takes the higher first, equal ones in the order they came
_PRIORITY = {"manual": "10", "scheduled": "0", "system": "-1"}
BULK_PRIORITY = "-10"
#: somebody waits for the message at a named time; it takes seconds
DELIVERY_PRIORITY = "5"

#: seconds; a run expected to take longer would hold up a batch of ordinary ones, which take about one minute
HEAVY_SECONDS = 600

_USUAL = """
select tenant_id, percentile_cont(0.5) within group (order by seconds) as seconds
from (
  select tenant_id, extract(epoch from finished_at - started_at) as seconds,
         row_number() over (partition by tenant_id order by finished_at desc) as place
  from synkro.job_runs
  where tenant_id = any (%s) and status = 'success' and history_from is null and started_at is not null
    and job_type <> 'delivery'
) as latest
where place <= 5
group by tenant_id
"""


def usual_seconds(connection: db.Connection, tenant_ids: Collection[UUID]) -> dict[UUID, float]:
    """The median length of a tenant's last five good runs; a tenant without one is left out."""
    if not tenant_ids:
        return {}
    rows = connection.execute(_USUAL, (list(tenant_ids),))
    return {row["tenant_id"]: float(row["seconds"]) for row in rows}


def lane(run: queue.Run, usual: float | None) -> str:
    """``usual``: seconds a run of the tenant takes, None when nobody knows yet."""
    is_heavy = run.history_from is not None or (usual is not None and usual > HEAVY_SECONDS)
    return SIDE if is_heavy or run.job_type == "rebuild" else MAIN


def priority(run: queue.Run) -> str:
    if run.job_type == "delivery":
        return DELIVERY_PRIORITY
    return BULK_PRIORITY if run.job_type == "rebuild" else _PRIORITY[run.trigger_type]
