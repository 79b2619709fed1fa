"""The run's worker as a Dagster resource: claimed when the run starts, closed whatever way it ends.

A launch whose window another process builds already waits for it and has no worker: its steps say which run did the work.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from uuid import UUID

from dagster import AssetKey, ConfigurableResource, InitResourceContext, MaterializeResult
from dagster._core.storage.tags import BACKFILL_ID_TAG
from pydantic import PrivateAttr

from orchestration.queue.await_run import take
from orchestration.queue.partitions import RUN_TAG, read_key
from orchestration.run.worker import Worker
from synkro.core import windows
from synkro.core.errors import DataError
from synkro.database import db
from synkro.runs import queue, watermarks
from synkro.tenancy import runtime_config, tenants


class RunWorker(ConfigurableResource):
    """Config: ``run_id`` of the job run, or ``window_from``/``window_to`` (ISO 8601) of a window to build.

    With neither, the window is the business day of the run's partition (a backfill started in the UI).
    """

    run_id: str = ""
    window_from: str = ""
    window_to: str = ""

    _worker: Worker | None = PrivateAttr(default=None)
    _joined: queue.Run | None = PrivateAttr(default=None)

    @property
    def worker(self) -> Worker:
        assert self._worker is not None, "a run that joined another one has no worker"
        return self._worker

    @property
    def is_joined(self) -> bool:
        """The work was done by another process: there is nothing left to do but to say so."""
        return self._joined is not None

    def joined_streams(self) -> frozenset[tuple[str, str]]:
        """``(source, stream)`` of what the other run read."""
        assert self._joined is not None
        with db.as_service("join") as connection:
            loads = watermarks.loads_of(connection, self._joined.tenant_id, self._joined.run_id)
        return frozenset((load.source, load.stream) for load in loads if load.status != "failed")

    def said(self, keys: Iterable[AssetKey]) -> Iterator[MaterializeResult]:
        """What the steps of a joined run materialize: the other one's work."""
        assert self._joined is not None
        for key in keys:
            yield MaterializeResult(asset_key=key, metadata={"built_by_run": str(self._joined.run_id)})

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Generator[RunWorker, None, None]:
        tags = context.run.tags if context.run is not None else {}
        run_id = self.run_id or tags.get(RUN_TAG, "")
        if not run_id:
            run_id = str(self._queue(read_key(tags), launched_at(context, tags)))
        taken = take(UUID(run_id), context.run_id)
        if isinstance(taken, queue.Run):
            self._joined = taken
            yield self
            return
        self._worker = taken
        with taken:
            yield self

    def _queue(self, key: tuple[str, date] | None, since: datetime | None) -> UUID:
        """The job run that a launch from the Dagster UI stands for: a new one, the one under way, or, for a backfill
        launched at ``since``, the one that has built the window meanwhile."""
        if key is None:
            raise DataError("Выберите раздел «tenant × day» или передайте run_id: без них неизвестно, чей это отчёт.")
        slug, label = key
        with db.as_service("backfill") as connection:
            tenant = tenants.by_slug(connection, slug)
            config = runtime_config.current(connection, tenant.tenant_id)
            if self.window_from and self.window_to:
                window = windows.parse_window(self.window_from, self.window_to, config.timezone)
                report_type = "forced"
            else:
                window = windows.business_day_window(label, config.business_day_start, config.timezone)
                report_type = "daily"
            tenants.ensure_active(tenant)
            last = next(iter(queue.of_window(connection, tenant.tenant_id, window)), None)
            if since and last and last.status == "success" and last.started_at and last.started_at >= since:
                return last.run_id
            run, _ = queue.request(
                connection,
                tenant.tenant_id,
                window,
                mode=config.mode,
                trigger_type="system",
                report_type=report_type,
                job_type="rebuild",
            )
            # so that the queue's sensor does not hand it to a second launch
            queue.offer(connection, run.run_id)
        return run.run_id


def launched_at(context: InitResourceContext, tags: Mapping[str, str]) -> datetime | None:
    """When the backfill of this run was launched; None for any other run."""
    backfill = tags.get(BACKFILL_ID_TAG)
    found = context.instance.get_backfill(backfill) if backfill and context.instance is not None else None
    return datetime.fromtimestamp(found.backfill_timestamp, UTC) if found is not None else None
