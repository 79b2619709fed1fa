"""Runs that Dagster shows as under way though their row is over: their process died where nobody watched it.

The code server notices when a run's process of its own machine dies. On another machine it dies unseen: Celery's launcher
believes a task that has begun until it ends, so the run of a killed worker would keep its place, and its company's turn,
for the four hours of ``max_runtime_seconds``.
"""

from __future__ import annotations

from datetime import timedelta

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from orchestration.queue.partitions import RUN_TAG
from synkro.database import db

UNDER_WAY = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
#: a living process writes its last events within a few seconds after it has closed its row
PATIENCE = timedelta(seconds=30)


def end(instance: DagsterInstance, connection: db.Connection) -> list[str]:
    """End them in Dagster as failed, or as canceled where somebody asked for that; returns their ids in Dagster."""
    ended = []
    if under_way := instance.get_runs(RunsFilter(statuses=UNDER_WAY)):
        over = _over(connection, [run.tags.get(RUN_TAG) for run in under_way], [run.run_id for run in under_way])
        for run in under_way:
            if run.tags.get(RUN_TAG) in over or run.run_id in over:
                if run.status is DagsterRunStatus.CANCELING:
                    instance.report_run_canceled(run)
                else:
                    instance.report_run_failed(run, "Процесс запуска исчез; чем он кончился, видно в Synkro.")
                ended.append(run.run_id)
    return ended


def _over(connection: db.Connection, run_ids: list[str | None], dagster_run_ids: list[str]) -> set[str]:
    """Ids of both kinds whose row was closed a while ago."""
    rows = connection.execute(
        "select run_id::text, dagster_run_id from synkro.job_runs"
        " where finished_at < now() - %s and status not in ('pending', 'running', 'cancelling')"
        " and (run_id = any (%s::uuid[]) or dagster_run_id = any (%s))",
        (PATIENCE, [run_id for run_id in run_ids if run_id], dagster_run_ids),
    )
    return {name for row in rows for name in row.values() if name}
