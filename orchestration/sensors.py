"""The queue's sensor: every 5 s it ends the dead, queues what is due and offers waiting rows to Dagster.

The row is closed by the run itself. A row that was offered and not claimed within two minutes is offered again
under a new key: Dagster remembers a run key for ever, and a reused one silently never runs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    AddDynamicPartitionsRequest,
    DefaultSensorStatus,
    DeleteDynamicPartitionsRequest,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from orchestration.jobs import REPORT_JOB
from orchestration.partitions import RUN_TAG, TENANT_TAG, TENANTS, key_of
from orchestration.schedules import enqueue_due
from synkro import db, reaper, runs, runtime, services, tenants
from synkro.windows import business_date

OFFER_AGAIN = timedelta(minutes=2)
ENGINE = "engine"


def build() -> Any:
    @sensor(
        name="queue",
        job_name=REPORT_JOB,
        minimum_interval_seconds=5,
        default_status=DefaultSensorStatus.RUNNING,
        description="Очередь отчётов: расписание, зависшие запуски, новые строки job_runs",
    )
    def queue(context: SensorEvaluationContext) -> SensorResult:
        known = set(context.instance.get_dynamic_partitions(TENANTS))
        with db.as_service("queue sensor") as connection:
            services.beat(connection, ENGINE)
            reaper.reap(connection)
            enqueue_due(connection, datetime.now(UTC))
            everyone = {tenant.tenant_id: tenant for tenant in tenants.visible(connection)}
            slugs = {tenant.slug for tenant in everyone.values() if tenant.status != "disabled"}
            requests = []
            for run in runs.active(connection):
                if run.status != "pending" or not _is_to_offer(run):
                    continue
                tenant = everyone[run.tenant_id]
                config = runtime.current(connection, run.tenant_id)
                runs.offer(connection, run.run_id)
                requests.append(request_of(run, tenant, config))
        return SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[
                AddDynamicPartitionsRequest(TENANTS, sorted(slugs - known)),
                DeleteDynamicPartitionsRequest(TENANTS, sorted(known - slugs)),
            ],
        )

    return queue


def _is_to_offer(run: runs.Run) -> bool:
    return run.picked_at is None or datetime.now(UTC) - run.picked_at > OFFER_AGAIN


def request_of(run: runs.Run, tenant: tenants.Tenant, config: runtime.RuntimeConfig) -> RunRequest:
    """The row as Dagster knows it: partition, tags, priority; a person waits before the nightly batch."""
    label = business_date(run.window_start, config.business_day_start, config.timezone)
    offered = int(run.picked_at.timestamp()) if run.picked_at else 0
    return RunRequest(
        run_key=f"{run.run_id}:{run.attempt}:{offered}",
        partition_key=key_of(tenant.slug, label),
        tags=tags_of(run, tenant),
    )


def tags_of(run: runs.Run, tenant: tenants.Tenant) -> dict[str, str]:
    return {
        TENANT_TAG: tenant.slug,
        RUN_TAG: str(run.run_id),
        "dagster/priority": "10" if run.trigger_type == "manual" else "0",
    }
