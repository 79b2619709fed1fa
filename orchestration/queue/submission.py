"""Rows of the queue as Dagster's run requests: the one way a row is submitted, for sensors and schedules.

The row is closed by the run itself. A row that was submitted and not claimed within two minutes is submitted again
under a new key: Dagster remembers a run key for ever, and a reused one silently never runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance, DagsterRunStatus, RunRequest, RunsFilter
from dagster._core.storage.tags import PRIORITY_TAG

from orchestration.queue import concurrency
from orchestration.queue.partitions import RUN_TAG, TENANT_TAG, key_of
from synkro.core.windows import business_date
from synkro.database import db
from synkro.runs import queue
from synkro.tenancy import runtime_config, tenants

#: the jobs' names: everything from the vendors to Telegram, and the look before a delivery
REPORT_JOB, DELIVERY_JOB = "report_job", "delivery_job"
SUBMIT_AGAIN = timedelta(minutes=2)
#: Dagster has the run and none of its steps has begun
ON_THE_WAY = [DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING]
#: Dagster makes some ten runs a second: with more in one tick nobody would be heard meanwhile, nor a person's row submitted
MOST_A_TICK = 50


def submit(connection: db.Connection, waiting: Sequence[queue.Run]) -> list[RunRequest]:
    """A run request for each of the first rows; they are noted as submitted in the caller's transaction."""
    chosen = waiting[:MOST_A_TICK]
    if not chosen:
        return []
    everyone = {tenant.tenant_id: tenant for tenant in tenants.visible(connection)}
    usual = concurrency.usual_seconds(connection, {run.tenant_id for run in chosen})
    requests = []
    for run in chosen:
        config = runtime_config.current(connection, run.tenant_id)
        queue.offer(connection, run.run_id)
        requests.append(request_of(run, everyone[run.tenant_id], config, usual.get(run.tenant_id)))
    return requests


def waiting(connection: db.Connection, instance: DagsterInstance) -> list[queue.Run]:
    """Rows nobody was asked to take, and those that were submitted in vain; people's first.

    In a long queue a row waits in Dagster, or with a broker, for longer than two minutes: it is not submitted twice for that.
    What never starts there is ended by Dagster's own monitor and is free again.
    """
    pending = [run for run in queue.active(connection) if run.status == "pending"]
    late = [run for run in pending if run.picked_at and datetime.now(UTC) - run.picked_at > SUBMIT_AGAIN]
    queued: set[str] = set()
    if late:
        ids = [str(run.run_id) for run in late]
        for found in instance.get_runs(RunsFilter(tags={RUN_TAG: ids}, statuses=ON_THE_WAY)):
            queued.add(found.tags[RUN_TAG])
    for run in late:
        if str(run.run_id) in queued:
            # two minutes from now on: it may be about to start
            queue.offer(connection, run.run_id)
    return [run for run in pending if run.picked_at is None or (run in late and str(run.run_id) not in queued)]


def request_of(
    run: queue.Run, tenant: tenants.Tenant, config: runtime_config.RuntimeConfig, usual: float | None = None
) -> RunRequest:
    """The row as Dagster knows it: partition, tags, priority. ``usual``: seconds a run of the tenant takes."""
    label = business_date(run.window_start, config.business_day_start, config.timezone)
    submitted = int(run.picked_at.timestamp()) if run.picked_at else 0
    return RunRequest(
        job_name=job_of(run),
        run_key=f"{run.run_id}:{run.attempt}:{submitted}",
        partition_key=key_of(tenant.slug, label),
        tags=tags_of(run, tenant, usual),
    )


def job_of(run: queue.Run) -> str:
    return DELIVERY_JOB if run.job_type == "delivery" else REPORT_JOB


def tags_of(run: queue.Run, tenant: tenants.Tenant, usual: float | None = None) -> dict[str, str]:
    return {
        TENANT_TAG: tenant.slug,
        RUN_TAG: str(run.run_id),
        concurrency.LANE_TAG: concurrency.lane(run, usual),
        PRIORITY_TAG: concurrency.priority(run),
    }
