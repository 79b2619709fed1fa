"""The run's worker as a Dagster resource: claimed when the run starts, closed whatever way it ends."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from uuid import UUID

from dagster import ConfigurableResource, InitResourceContext
from pydantic import PrivateAttr

from orchestration.partitions import RUN_TAG, read_key
from orchestration.worker import Worker
from synkro import db, runs, runtime, tenants, windows
from synkro.errors import DataError


class RunWorker(ConfigurableResource):
    """Config: ``run_id`` of the job run, or ``window_from``/``window_to`` (ISO 8601) of a window to build.

    With neither, the window is the business day of the run's partition (a backfill started in the UI).
    """

    run_id: str = ""
    window_from: str = ""
    window_to: str = ""

    _worker: Worker = PrivateAttr()

    @property
    def worker(self) -> Worker:
        return self._worker

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Generator[RunWorker, None, None]:
        if context.instance is not None:
            # Dagster opens a connection for each of a run's hundreds of one-row writes unless told to hold one
            context.instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=10)
        tags = context.run.tags if context.run is not None else {}
        run_id = self.run_id or tags.get(RUN_TAG, "")
        if not run_id:
            run_id = str(self._queue(read_key(tags)))
        worker = Worker.claim(UUID(run_id), context.run_id)
        self._worker = worker
        with worker:
            yield self

    def _queue(self, key: tuple[str, date] | None) -> UUID:
        """Make the job run that a launch from the Dagster UI stands for."""
        if key is None:
            raise DataError("Выберите раздел «tenant × day» или передайте run_id: без них неизвестно, чей это отчёт.")
        slug, label = key
        with db.as_service("backfill") as connection:
            tenant = tenants.by_slug(connection, slug)
            config = runtime.current(connection, tenant.tenant_id)
            if self.window_from and self.window_to:
                window = windows.parse_window(self.window_from, self.window_to, config.timezone)
                report_type = "forced"
            else:
                window = windows.business_day_window(label, config.business_day_start, config.timezone)
                report_type = "daily"
            run, was_made = runs.request(
                connection,
                tenant.tenant_id,
                window,
                mode=config.mode,
                trigger_type="system",
                report_type=report_type,
            )
        if not was_made and run.status != "pending":
            raise DataError("Отчёт за это окно уже строится: дождитесь его окончания.")
        return run.run_id
