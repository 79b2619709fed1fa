"""The worker of one run: holds its lease, beats its heart, knows when to stop, tells people where it is.

Liveness is ours, not Dagster's: a heartbeat thread renews the lease every 15 s; losing it (or a person's request
to stop) is noticed at the next :meth:`Worker.checkpoint`, which every long step calls between pages and dialogs.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from orchestration.run import cleanup
from orchestration.run.results import outcome_of
from orchestration.run.state import RunState
from synkro.core.errors import Cancelled, LeaseLost, SynkroError, TransientError
from synkro.core.files import private_folder
from synkro.database import connections, db
from synkro.runs import leases, queue
from synkro.tenancy import runtime_config, tenants

logger = logging.getLogger(__name__)

#: progress is for people: more often than this they cannot read it
PROGRESS_SECONDS = 0.5
#: how soon a person's request to stop is noticed
STOP_CHECK_SECONDS = 2.0
#: how long the end of a run is tried to be written while the database does not answer; a lease lasts 60 s
END_SECONDS = 45.0
#: every so many tries for the tenant's lock it is asked whether its holder still leads a run
LOCK_TRIES = 10


class Worker:
    """Use as a context manager; leaving it always ends the run in the database."""

    def __init__(self, run: queue.Run, tenant: tenants.Tenant, config: runtime_config.RuntimeConfig) -> None:
        self.run = run
        self.tenant = tenant
        self.config = config
        self.work_dir: Path = cleanup.folder_of(run)
        self.state = RunState()
        self._stop_reason: SynkroError | None = None
        self._failure: BaseException | None = None
        self._finished = False
        self._closing = threading.Event()
        self._shown_at = 0.0
        self._step = ""
        self._heart = threading.Thread(target=self._beat, name=f"heartbeat {run.run_id}", daemon=True)
        self._tenant_lock: psycopg.Connection[Any] | None = None

    @classmethod
    def claim(cls, run_id: UUID, dagster_run_id: str | None) -> Worker:
        """Take the run's lease; raises :class:`LeaseLost` when another process has it."""
        db.grow(db.RUN_POOL)
        with db.as_service("worker", idle_seconds=leases.HEARTBEAT_SECONDS) as connection:
            run = leases.claim(connection, run_id, dagster_run_id)
            worker = cls(
                run, tenants.by_id(connection, run.tenant_id), runtime_config.current(connection, run.tenant_id)
            )
        worker._heart.start()
        try:
            private_folder(worker.work_dir.parent)
            private_folder(worker.work_dir)
            cleanup.mark(worker.work_dir)
            cleanup.clear(keep=worker.work_dir)
            worker._lock_tenant()
        except BaseException as error:
            worker.fail(error)
            worker.close()
            raise
        return worker

    def session(self) -> psycopg.Connection[Any] | None:
        """The connection that holds the tenant's lock, to hold further locks on; ``None`` when the server has closed it."""
        try:
            if self._tenant_lock is not None:
                self._tenant_lock.execute("select")
        except psycopg.Error:
            return None
        return self._tenant_lock

    # --- what steps call ---------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Raise :class:`Cancelled` or :class:`LeaseLost` when this run must stop."""
        if self._stop_reason is not None:
            raise self._stop_reason

    def progress(self, step: str, done: int = 0, total: int | None = None, message: str = "") -> None:
        """Show real counts; written at most twice a second, the last one always.

        A package reports its own word for what it does; the step people see is the run's.
        """
        now = time.monotonic()
        if now - self._shown_at < PROGRESS_SECONDS and done != total:
            return
        self._shown_at = now
        with db.as_service("progress", idle_seconds=leases.HEARTBEAT_SECONDS) as connection:
            leases.step(connection, self.run, self._step or step, done, total, message)

    def log(self, step: str, message: str, *, level: str = "info", **metadata: Any) -> None:
        """One line of the run's log, which people read on the page."""
        with db.as_service("run log") as connection:
            queue.log(connection, self.run, step, message, level=level, metadata=metadata)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[None]:
        """A step of the run: shown when it starts and ends, its failure remembered as the run's cause."""
        self.checkpoint()
        started, cpu = time.monotonic(), time.process_time()
        self._step = name
        # where a run is must be seen at once, however soon after the last word of the step before
        self._shown_at = 0.0
        self.progress(name, 0, None, title)
        self.log(name, title)
        try:
            yield
            self.checkpoint()
        except BaseException as error:
            self.fail(error)
            raise
        self.log(
            name,
            f"Готово за {time.monotonic() - started:.1f} с".replace(".", ","),
            seconds=time.monotonic() - started,
            cpu_seconds=time.process_time() - cpu,
        )

    def fail(self, error: BaseException) -> None:
        """Remember the first failure; the run ends with it."""
        if self._failure is None:
            self._failure = error

    def finish(self, connection: db.Connection) -> None:
        """End the run as a success in the caller's transaction."""
        leases.finish(connection, self.run, "success")
        self._finished = True

    # --- the end -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop the heart, write how the run ended, leave nothing on disk."""
        self._closing.set()
        try:
            if not self._finished:
                self._write_end()
        finally:
            if self._tenant_lock is not None:
                self._tenant_lock.close()
            shutil.rmtree(self.work_dir, ignore_errors=True)

    def _write_end(self) -> None:
        """Write the outcome; while the database does not answer, again, as long as the lease may last."""
        deadline = time.monotonic() + END_SECONDS
        while True:
            try:
                self._try_write_end()
                return
            except LeaseLost:
                logger.warning("run %s ended elsewhere", self.run.run_id)
                return
            except (TransientError, psycopg.OperationalError) as error:
                logger.warning("the end of run %s is not written yet: %s", self.run.run_id, error)
                if time.monotonic() > deadline:
                    # the reaper ends it, with a cause of its own
                    return
            time.sleep(STOP_CHECK_SECONDS)

    def _try_write_end(self) -> None:
        status, message, detail = outcome_of(self._failure)
        with db.as_service("worker", idle_seconds=leases.HEARTBEAT_SECONDS) as connection:
            leases.finish(connection, self.run, status, error=message, detail=detail)
            queue.log(
                connection,
                self.run,
                "end",
                message or "Запуск остановлен.",
                level="error" if status == "failed" else "warning",
                metadata={"detail": (detail or "")[:2000]},
            )

    # --- inside ------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        valid_until = time.monotonic() + leases.LEASE_SECONDS
        next_beat = time.monotonic() + leases.HEARTBEAT_SECONDS
        while not self._closing.wait(STOP_CHECK_SECONDS):
            try:
                with db.as_service("heartbeat", idle_seconds=leases.HEARTBEAT_SECONDS) as connection:
                    if time.monotonic() >= next_beat:
                        # a stopping run keeps its lease while the step winds down: people see «останавливается»
                        leases.heartbeat(connection, self.run)
                        next_beat = time.monotonic() + leases.HEARTBEAT_SECONDS
                        valid_until = time.monotonic() + leases.LEASE_SECONDS
                    if leases.is_stopping(connection, self.run):
                        self._stop_reason = self._stop_reason or Cancelled("Запуск остановлен по просьбе человека.")
            except LeaseLost as reason:
                self._lose(reason)
                return
            except (SynkroError, psycopg.Error) as error:
                logger.warning("heartbeat of %s failed: %s", self.run.run_id, error)
                if time.monotonic() > valid_until:
                    self._lose(LeaseLost("Связь с базой данных потеряна дольше минуты: запуск остановлен."))
                    return

    def _lose(self, reason: LeaseLost) -> None:
        """Stop at once: nothing this worker does may be kept. A process that is the run's own ends here and now, also
        in the middle of a statement or hanging outside of Python."""
        self._stop_reason = reason
        if multiprocessing.parent_process() is not None and not self._finished and not self._closing.is_set():
            logger.warning("run %s is led by another worker: this process ends", self.run.run_id)
            os._exit(1)

    def _lock_tenant(self) -> None:
        """One run per tenant at a time, whoever launched it: an advisory lock on a connection of its own."""
        tenant_id = self.run.tenant_id
        self._tenant_lock = connections.connect(
            db.owner_url(), "lock", autocommit=True, application_name=cleanup.session_name(self.run)
        )
        tries = 0
        while True:
            row = self._tenant_lock.execute(
                "select pg_try_advisory_lock(hashtextextended(%s, 0))", (cleanup.lock_name(tenant_id),)
            ).fetchone()
            if row and row[0]:
                return
            if tries == 0:
                self.log("queued", "Ждём, пока закончится другой отчёт этой компании")
                self.progress("queued", 0, None, "Ждём другой отчёт этой компании")
            if tries % LOCK_TRIES == 0:
                with db.as_service("worker") as connection:
                    active = queue.active(connection, tenant_id)
                cleanup.release(self._tenant_lock, tenant_id, active)
            tries += 1
            self.checkpoint()
            time.sleep(0.5)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            self.fail(error)
        self.close()
