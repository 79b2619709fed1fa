"""Two sensors: ``run_queue`` submits waiting rows to Dagster, ``maintenance`` ends what is over and cleans up after it.

They are apart so that each has its own interval and its own ticks: a row waits for nobody's cleanup, and an operator who
pauses one keeps the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dagster import (
    AddDynamicPartitionsRequest,
    DagsterInstance,
    DefaultSensorStatus,
    DeleteDynamicPartitionsRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from orchestration.queue import listener, stale_runs, submission
from orchestration.queue.partitions import TENANTS
from orchestration.run import cleanup
from synkro.database import analysts, db
from synkro.runs import heartbeats, reaper
from synkro.tenancy import tenants

#: seconds between two ticks at least. Dagster looks every five whether it is time: at five, a tick that began a moment late
#: made the next look too early, and the queue was deaf for five seconds more
QUEUE_SECONDS = 3
#: for the same reason a little less than every second look. A lease lasts a minute: ten seconds more are noticed by nobody
MAINTENANCE_SECONDS = 8
ENGINE = "engine"


def build(jobs: Sequence[Any]) -> list[SensorDefinition]:
    """``jobs``: those whose rows the queue holds."""

    @sensor(
        name="run_queue",
        jobs=jobs,
        minimum_interval_seconds=QUEUE_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Новые строки очереди отчётов (job_runs) становятся запусками; разделы следуют за компаниями",
    )
    def run_queue(context: SensorEvaluationContext) -> SensorResult:
        with listener.listening() as ear:
            result = tick(context.instance)
            if not result.run_requests and ear.hears():
                result = tick(context.instance)
        return result

    @sensor(
        name="maintenance",
        minimum_interval_seconds=MAINTENANCE_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Запуски, чья аренда истекла, их процессы и папки, запуски Dagster без строки, просроченные доступы",
    )
    def maintenance(context: SensorEvaluationContext) -> SkipReason:
        return SkipReason(maintain(context.instance).sentence())

    return [run_queue, maintenance]


def tick(instance: DagsterInstance) -> SensorResult:
    """One look at the queue: the engine's heartbeat, the tenants' partitions, the waiting rows, a handful at a time."""
    known = set(instance.get_dynamic_partitions(TENANTS))
    with db.as_service("queue sensor") as connection:
        heartbeats.beat(connection, ENGINE)
    with db.as_service("queue sensor") as connection:
        slugs = {tenant.slug for tenant in tenants.visible(connection) if tenant.status != "disabled"}
        requests = submission.submit(connection, submission.waiting(connection, instance))
    return SensorResult(
        run_requests=requests,
        skip_reason=None if requests else SkipReason("ждущих строк нет"),
        dynamic_partitions_requests=[
            AddDynamicPartitionsRequest(TENANTS, sorted(slugs - known)),
            DeleteDynamicPartitionsRequest(TENANTS, sorted(known - slugs)),
        ],
    )


@dataclass(frozen=True)
class Maintained:
    """What one tick of ``maintenance`` did."""

    expired_runs: int
    overdue_logins: int
    cleaned_folders: int
    stale_runs: int

    def sentence(self) -> str:
        """For the tick in Dagster's UI."""
        done = [
            f"{name}: {count}"
            for name, count in (
                ("запусков с истёкшей арендой закрыто", self.expired_runs),
                ("доступов аналитиков закрыто", self.overdue_logins),
                ("папок запусков убрано", self.cleaned_folders),
                ("запусков Dagster без хозяина закрыто", self.stale_runs),
            )
            if count
        ]
        return "; ".join(done) or "убирать нечего"


def maintain(instance: DagsterInstance) -> Maintained:
    """End what is over: expired runs, overdue logins, processes and folders of ended runs, stale runs of Dagster."""
    with db.as_service("maintenance sensor") as connection:
        expired = reaper.reap(connection)
        overdue = analysts.end_overdue(connection)
    cleaned = cleanup.clear()
    with db.as_service("maintenance sensor") as connection:
        stale = stale_runs.end(instance, connection)
    return Maintained(len(expired), len(overdue), cleaned, len(stale))
