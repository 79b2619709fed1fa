"""Take a run, or wait for whoever has it: two launches of one window become one execution with one outcome."""

from __future__ import annotations

import time
from uuid import UUID

from orchestration.run.worker import Worker
from synkro.core.errors import DataError, LeaseLost
from synkro.database import db
from synkro.runs import queue, reaper

#: as long as Dagster lets a run go on (max_runtime_seconds)
PATIENCE_SECONDS = 4 * 3600
LOOK_SECONDS = 1.0


def take(run_id: UUID, dagster_run_id: str | None, patience: float = PATIENCE_SECONDS) -> Worker | queue.Run:
    """The worker of the run, or the run as another process ended it well.

    Raises :class:`DataError` with the other's cause when it failed or was stopped, or when it takes too long.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return Worker.claim(run_id, dagster_run_id)
        except LeaseLost:
            with db.as_service("join") as connection:
                # who has it may have died: then it has an end, and a cause
                reaper.reap(connection)
                run = queue.get(connection, run_id)
        if run.status == "success":
            return run
        if not run.is_active:
            raise DataError(run.error or "Этот отчёт остановили до конца. Запустите его ещё раз.")
        if time.monotonic() > deadline:
            raise DataError("Отчёт за это окно строит другой процесс, и он не закончил вовремя. Повторите позже.")
        time.sleep(LOOK_SECONDS)
