"""Runs on Celery workers: companies of one scheduled time through a real broker, daemon and two workers.

Everything but the database and the broker is each process's own, down to the data directory.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from sandbox.server import Sandbox, start
from synkro.core import clock
from synkro.database import db
from synkro.reporting import reports
from synkro.runs import queue
from tests.chaos.installation import wait_for
from tests.conftest import entry_points_to
from tests.support.celery_cluster import Cluster, all_ended, at_one_time, cluster
from tests.support.e2e import connect

pytestmark = [pytest.mark.slow, pytest.mark.assurance]

COMPANIES = 20
#: seconds: a lease, the patience of orchestration/queue/stale_runs.py, a run and a slow machine
PATIENCE = 300.0


@contextmanager
def outside() -> Iterator[Sandbox]:
    """A small company's last days, its vendors without a limit of requests."""
    now = clock.now()
    with start(
        "small", seed=11, now=clock.now, first_day=(now - timedelta(days=3)).date(), last_day=now.date()
    ) as sandbox:
        for faults in sandbox.faults.values():
            faults.add({"kind": "rate", "per_second": None})
            faults.settle()
        yield sandbox


@contextmanager
def one_worker(
    make_database: Callable[[str | None], str], template: str, folder: Path, *, places: int
) -> Iterator[tuple[Sandbox, Cluster, str]]:
    """The outside, a cluster of one worker, and the address of its Dagster's database."""
    dagster = make_database(None)
    with (
        entry_points_to(make_database(template)) as url,
        outside() as sandbox,
        cluster(folder / "cluster", url, dagster, workers=1, places=places) as made,
    ):
        yield sandbox, made, dagster


def test_companies_of_one_time_are_shared_by_two_workers(
    make_database: Callable[[str | None], str], template: str, tmp_path: Path
) -> None:
    dagster = make_database(None)
    with entry_points_to(make_database(template)) as url, outside() as sandbox:
        ours = [connect(f"fleet_{number}", sandbox.addresses) for number in range(COMPANIES)]
        with cluster(tmp_path / "cluster", url, dagster, workers=2) as made:
            at_one_time(ours)
            found = all_ended(ours, 900)
            taken = [made.taken(number) for number in range(2)]
        with db.as_service("test") as connection:
            versions = [[report.version for report in reports.recent(connection, one)] for one in ours]
    assert [(run.status, run.attempt) for run in found] == [("success", 1)] * COMPANIES, [run.error for run in found]
    assert versions == [[1]] * COMPANIES, "one report each"
    assert sum(taken) == COMPANIES and all(taken), f"both workers take runs: {taken}"
    messages = sum(asked["path"].endswith("/sendMessage") for asked in sandbox.request_logs["telegram"].requests())
    assert messages == COMPANIES, "one message each"
    with psycopg.connect(dagster) as connection:
        assert _statuses(connection) == ["SUCCESS"] * COMPANIES, "Dagster shows every run"
    for number in range(2):
        left = list((tmp_path / "cluster" / f"worker{number}" / "work").iterdir())
        assert left == [], "a run leaves nothing in its worker's directory"


def test_a_busy_worker_holds_no_run_back(
    make_database: Callable[[str | None], str], template: str, tmp_path: Path
) -> None:
    """What a worker has not begun is anybody's, however early it was put into the broker."""
    with one_worker(make_database, template, tmp_path, places=2) as (sandbox, made, dagster):
        sandbox.faults["llm"].add({"kind": "timeout", "times": 1000})
        first, second = connect("busy", sandbox.addresses), connect("waiting", sandbox.addresses)
        at_one_time([first])
        _until(lambda run: run.current_step == "readings", first)
        at_one_time([second])
        with psycopg.connect(dagster, autocommit=True) as connection:
            wait_for("the second run in the broker", lambda: _statuses(connection) == ["STARTED", "STARTING"])
        made.add_worker()
        _until(lambda run: run.started_at is not None, second)
        _until(lambda run: run.current_step == "readings" and run.is_active, first)
        assert [made.taken(number) for number in range(2)] == [1, 1]


def test_a_killed_worker_keeps_neither_its_place_nor_its_company(
    make_database: Callable[[str | None], str], template: str, tmp_path: Path
) -> None:
    """Celery believes a task that has begun until it ends: nobody but us sees that it never will."""
    with one_worker(make_database, template, tmp_path, places=1) as (sandbox, made, dagster):
        # the model never answers: the run is in the middle of its readings
        sandbox.faults["llm"].add({"kind": "timeout", "times": 1000})
        (ours,) = [connect("orphan", sandbox.addresses)]
        at_one_time([ours])
        first = _until(lambda run: run.current_step == "readings", ours)
        os.killpg(made.workers[0].pid, signal.SIGKILL)
        made.workers[0].wait(60)
        sandbox.faults["llm"].clear()
        made.add_worker()
        dead = _until(lambda run: not run.is_active, ours)
        assert (dead.run_id, dead.status) == (first.run_id, "failed"), dead.error

        with db.as_service("test") as connection:
            asked, is_new = queue.request(
                connection, ours, first.window, mode="amocrm_radist", trigger_type="manual", report_type="daily"
            )
        assert is_new, "a person asks again, long before the queue's own next attempt"
        done = _until(lambda run: run.run_id == asked.run_id and not run.is_active, ours)
        assert (done.status, done.attempt) == ("success", 2), done.error
        with db.as_service("test") as connection:
            assert [report.version for report in reports.recent(connection, ours)] == [1]
    with psycopg.connect(dagster) as connection:
        assert _statuses(connection) == ["FAILURE", "SUCCESS"], "Dagster shows how both ended"


def _statuses(connection: psycopg.Connection[Any]) -> list[str]:
    """Of Dagster's runs, sorted."""
    return [status for (status,) in connection.execute("select status from runs order by 1").fetchall()]


def _until(holds: Callable[[queue.Run], bool], tenant_id: UUID) -> queue.Run:
    """The tenant's newest run, once this holds of it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with db.as_service("test") as connection:
            found = queue.recent(connection, tenant_id)
        if found and holds(found[0]):
            return found[0]
        assert time.monotonic() < deadline, [(run.status, run.current_step, run.error) for run in found]
        time.sleep(0.3)
