"""The queue's sensor: every 5 s it ends the dead, queues what is due and offers waiting rows to Dagster.

The row is closed by the run itself. A row that was offered and not claimed within two minutes is offered again
under a new key: Dagster remembers a run key for ever, and a reused one silently never runs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    AddDynamicPartitionsRequest,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    DeleteDynamicPartitionsRequest,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)
from dagster._core.storage.tags import PRIORITY_TAG

from orchestration.defs.jobs import REPORT_JOB
from orchestration.defs.schedules import enqueue_due
from orchestration.queue import concurrency, listener, stale_runs
from orchestration.queue.partitions import RUN_TAG, TENANT_TAG, TENANTS, key_of
from orchestration.run import cleanup
from synkro.core import clock
from synkro.core.windows import business_date
from synkro.database import analysts, db
from synkro.reporting import revisions
from synkro.runs import heartbeats, reaper
from synkro.runs import queue as runs
from synkro.tenancy import runtime_config, tenants

OFFER_AGAIN = timedelta(minutes=2)
#: Dagster has the run and none of its steps has begun
ON_THE_WAY = [DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING]
#: Dagster makes some ten runs a second: with more in one tick nobody would be heard meanwhile, nor a person's row offered
MOST_A_TICK = 50
#: seconds between two ticks at least. Dagster looks every five whether it is time: at five, a tick that began a moment late
#: made the next look too early, and the queue was deaf for five seconds more
PAUSE = 3
ENGINE = "engine"


def build() -> Any:
    @sensor(
        name="queue",
        job_name=REPORT_JOB,
        minimum_interval_seconds=PAUSE,
        default_status=DefaultSensorStatus.RUNNING,
        description="Очередь отчётов: расписание, зависшие запуски, новые строки job_runs",
    )
    def queue(context: SensorEvaluationContext) -> SensorResult:
        with listener.listening() as ear:
            result = tick(context.instance)
            if not result.run_requests and ear.hears():
                result = tick(context.instance)
        return result

    return queue


def tick(instance: DagsterInstance) -> SensorResult:
    """One look at the queue: end the dead and what is left of them, queue what is due, offer what waits, a handful at a time."""
    known = set(instance.get_dynamic_partitions(TENANTS))
    with db.as_service("queue sensor") as connection:
        heartbeats.beat(connection, ENGINE)
        reaper.reap(connection)
        analysts.end_overdue(connection)
    cleanup.clear()
    with db.as_service("queue sensor") as connection:
        stale_runs.end(instance, connection)
        now = clock.now()
        enqueue_due(connection, now)
        revisions.enqueue_due(connection, now)
        everyone = {tenant.tenant_id: tenant for tenant in tenants.visible(connection)}
        slugs = {tenant.slug for tenant in everyone.values() if tenant.status != "disabled"}
        requests = []
        offered = _to_offer(connection, instance)[:MOST_A_TICK]
        usual = concurrency.usual_seconds(connection, {run.tenant_id for run in offered})
        for run in offered:
            tenant = everyone[run.tenant_id]
            config = runtime_config.current(connection, run.tenant_id)
            runs.offer(connection, run.run_id)
            requests.append(request_of(run, tenant, config, usual.get(run.tenant_id)))
    return SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[
            AddDynamicPartitionsRequest(TENANTS, sorted(slugs - known)),
            DeleteDynamicPartitionsRequest(TENANTS, sorted(known - slugs)),
        ],
    )


def _to_offer(connection: db.Connection, instance: DagsterInstance) -> list[runs.Run]:
    """Rows nobody was asked to take, and those that were offered in vain; people's first.

    In a long queue a row waits in Dagster, or with a broker, for longer than two minutes: it is not offered twice for that.
    What never starts there is ended by Dagster's own monitor and is free again.
    """
    waiting = [run for run in runs.active(connection) if run.status == "pending"]
    late = [run for run in waiting if run.picked_at and datetime.now(UTC) - run.picked_at > OFFER_AGAIN]
    queued: set[str] = set()
    if late:
        ids = [str(run.run_id) for run in late]
        for found in instance.get_runs(RunsFilter(tags={RUN_TAG: ids}, statuses=ON_THE_WAY)):
            queued.add(found.tags[RUN_TAG])
    for run in late:
        if str(run.run_id) in queued:
            # two minutes from now on: it may be about to start
            runs.offer(connection, run.run_id)
    return [run for run in waiting if run.picked_at is None or (run in late and str(run.run_id) not in queued)]


def request_of(
    run: runs.Run, tenant: tenants.Tenant, config: runtime_config.RuntimeConfig, usual: float | None = None
) -> RunRequest:
    """The row as Dagster knows it: partition, tags, priority. ``usual``: seconds a run of the tenant takes."""
    label = business_date(run.window_start, config.business_day_start, config.timezone)
    offered = int(run.picked_at.timestamp()) if run.picked_at else 0
    return RunRequest(
        run_key=f"{run.run_id}:{run.attempt}:{offered}",
        partition_key=key_of(tenant.slug, label),
        tags=tags_of(run, tenant, usual),
    )


def tags_of(run: runs.Run, tenant: tenants.Tenant, usual: float | None = None) -> dict[str, str]:
    return {
        TENANT_TAG: tenant.slug,
        RUN_TAG: str(run.run_id),
        concurrency.LANE_TAG: concurrency.lane(run, usual),
        PRIORITY_TAG: concurrency.priority(run),
    }
