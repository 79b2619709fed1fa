"""How long Dagster remembers: what a run told on its way for a month, runs as long as their days are partitions.

Dagster purges the ticks of its sensors itself (``retention`` in dagster.yaml) and keeps everything else for ever: a report is
some 330 rows, half a megabyte, and three quarters of them only say that something was planned or handed on. After a
month these go: the assets, their partitions and checks look as before, and a run's page tells when its steps began and
ended. The truth about a report is in ``synkro``; nothing there is touched.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    DagsterEventType,
    DagsterInstance,
    DefaultSensorStatus,
    RunsFilter,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from orchestration import dagster_patches
from orchestration.queue.partitions import DAYS

DETAIL_DAYS = 30
#: an evaluation stays in Dagster's table of checks
DETAILS = (
    DagsterEventType.STEP_OUTPUT,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    DagsterEventType.ASSET_CHECK_EVALUATION,
)
#: of one look: in a day's looks twice what a thousand companies write in a day
MOST_ROWS = 8_000
MOST_RUNS = 100


def build() -> Any:
    @sensor(
        name="retention",
        minimum_interval_seconds=3600,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Подробности запусков старше {DETAIL_DAYS} дней и сами запуски старше {DAYS} дней",
    )
    def retention(context: SensorEvaluationContext) -> SkipReason:
        details, gone = forget(context.instance, datetime.now(UTC))
        return SkipReason(f"удалено строк подробностей: {details}, запусков: {gone}")

    return retention


def forget(instance: DagsterInstance, now: datetime) -> tuple[int, int]:
    """Delete a handful of what is too old, oldest first; returns ``(rows of details, runs)``."""
    # the runs first: their own details go with them
    gone = _runs(instance, now - timedelta(days=DAYS))
    before = now - timedelta(days=DETAIL_DAYS)
    return sum(dagster_patches.delete_details(instance, kind, before, MOST_ROWS) for kind in DETAILS), gone


def _runs(instance: DagsterInstance, before: datetime) -> int:
    old = instance.get_runs(
        RunsFilter(statuses=FINISHED_STATUSES, created_before=before), limit=MOST_RUNS, ascending=True
    )
    for run in old:
        instance.delete_run(run.run_id)
    return len(old)
