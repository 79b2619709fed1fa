"""Locks of the engine between two real connections; ``tests/synkro/database/test_locks.py`` has the list of all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from orchestration.dbt import project
from orchestration.run import cleanup
from orchestration.run.worker import Worker
from synkro.core.settings import settings
from synkro.core.windows import Window
from synkro.database import db
from synkro.runs import leases, queue
from synkro.tenancy import runtime_config, tenants
from tests.support.locks import ADVISORY, PATIENCE, company, meanwhile, until_it_waits

WINDOW = Window(datetime(2026, 3, 1, 17, 1, tzinfo=UTC), datetime(2026, 3, 2, 17, 1, tzinfo=UTC))


def worker_of(tenant_id: UUID, day: int) -> Worker:
    """A worker whose run is led, without its heart and without the lock."""
    window = Window(WINDOW.start + timedelta(days=day), WINDOW.end + timedelta(days=day))
    with db.as_service("test") as connection:
        run, _ = queue.request(
            connection, tenant_id, window, mode="radist_only", trigger_type="system", report_type="daily"
        )
        run = leases.claim(connection, run.run_id)
        return Worker(run, tenants.by_id(connection, tenant_id), runtime_config.current(connection, tenant_id))


def said(worker: Worker) -> list[str]:
    with db.as_service("test") as connection:
        return [event.message for event in queue.events(connection, worker.run.tenant_id, worker.run.run_id)]


def until_it_is_refused(second: Any, worker: Worker) -> None:
    """The company's lock is tried for, not waited for: the run's log says that it was refused."""
    pause, spent = threading.Event(), 0.0
    while "Ждём, пока закончится другой отчёт этой компании" not in said(worker):
        assert not second.done(), "it did not wait"
        assert spent < PATIENCE
        pause.wait(0.05)
        spent += 0.05


def test_a_company_has_one_run_at_a_time(shared_database: str) -> None:
    tenant = company()
    first, second, neighbour = worker_of(tenant, 0), worker_of(tenant, 1), worker_of(company(), 0)
    first._lock_tenant()
    # another company is not held up
    neighbour._lock_tenant()
    with meanwhile(second._lock_tenant) as waiting:
        until_it_is_refused(waiting, second)
        assert not waiting.done()
        first.close()
        waiting.result(timeout=PATIENCE)
    for worker in (second, neighbour):
        worker.close()


def test_only_the_session_of_a_run_that_is_over_loses_the_lock(shared_database: str) -> None:
    tenant = company()
    first = worker_of(tenant, 0)
    first._lock_tenant()
    neighbour = worker_of(company(), 0)
    neighbour._lock_tenant()
    with psycopg.connect(shared_database, autocommit=True) as lock:
        assert cleanup.release(lock, tenant, [first.run]) == 0, "its run is led"
        assert cleanup.release(lock, tenant, []) == 1
        tried = "select pg_try_advisory_lock(hashtextextended(%s, 0))"

        def free(of: UUID) -> bool:
            return lock.execute(tried, (cleanup.lock_name(of),)).fetchone() == (True,)

        pause, spent = threading.Event(), 0.0
        while not free(tenant) and spent < PATIENCE:
            pause.wait(0.05)
            spent += 0.05
        assert spent < PATIENCE
        assert not free(neighbour.run.tenant_id), "another company's session lives"
    for worker in (first, neighbour):
        worker.close()


@pytest.mark.parametrize("deployer", ["deploy", "full_refresh"])
def test_deployers_of_the_marts_take_turns(
    shared_database: str, deployer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(project, "run", lambda url, data_dir, arguments, *_: ran.append(arguments) or [])
    with psycopg.connect(shared_database, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", (project._LOCK_KEY,))
        with meanwhile(lambda: getattr(project, deployer)(shared_database, settings().data_dir)) as second:
            try:
                until_it_waits(second, ADVISORY)
                assert ran == []
            finally:
                other.execute("select pg_advisory_unlock(%s)", (project._LOCK_KEY,))
            second.result(timeout=PATIENCE)
    # the template is deployed already; a full refresh builds whatever stands
    assert len(ran) == (1 if deployer == "full_refresh" else 0)


class Stopped(Exception):
    """Whoever waits was told to give up."""


def test_builds_share_and_a_full_refresh_is_alone(
    shared_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build goes on beside another one; a full refresh waits for both, and a build that comes then waits for it."""
    monkeypatch.setattr(project, "run", lambda *_: [])
    inside, go_on = threading.Event(), threading.Event()

    def check(*_: Any) -> None:
        inside.set()
        assert go_on.wait(PATIENCE)
        raise Stopped

    monkeypatch.setattr(project, "_check_inputs", check)

    def build(on_wait: Callable[[], None] = lambda: None) -> None:
        project.build_tenant(
            shared_database, tmp_path, tenant_id=uuid4(), window_start=WINDOW.start, window_end=WINDOW.end,
            work_dir=tmp_path, on_wait=on_wait,
        )  # fmt: skip

    def give_up() -> None:
        raise Stopped

    keys = SimpleNamespace(builds=project._BUILDS_KEY)
    with meanwhile(build) as first:
        assert inside.wait(PATIENCE)
        with psycopg.connect(shared_database, autocommit=True) as neighbour:
            shared = neighbour.execute("select pg_try_advisory_lock_shared(%s)", (keys.builds,)).fetchone()
            assert shared == (True,), "two builds go on beside each other"
        with meanwhile(lambda: project.full_refresh(shared_database, settings().data_dir)) as refresh:
            try:
                until_it_waits(refresh, ADVISORY)
            finally:
                go_on.set()
            assert isinstance(first.exception(timeout=PATIENCE), Stopped)
            refresh.result(timeout=PATIENCE)
    with psycopg.connect(shared_database, autocommit=True) as alone:
        project._alone(alone)
        with pytest.raises(Stopped):
            build(give_up)
