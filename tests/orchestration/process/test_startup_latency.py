"""What makes a run begin soon after its row is written: a listening tick, held connections, a warm process."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from dagster import DagsterInstance, build_sensor_context
from dagster_postgres.storage import DagsterPostgresStorage
from psycopg import sql
from sqlalchemy.event import listen

from orchestration import dagster_patches
from orchestration.defs import delivery, sensors
from orchestration.defs.jobs import report_job
from orchestration.process import storage
from orchestration.queue import listener
from synkro.core import clock, windows
from synkro.database import db
from synkro.runs import queue
from synkro.tenancy import runtime_config, tenants

#: what a run imports before its first step; seconds of them in a cold process
HEAVY = (
    "dagster",
    "dagster_postgres",
    "dbt.cli.main",
    "dlt",
    "openai",
    "ingestion.pipelines",
    "analysis.report.dialogs",
)


def ask_for_a_report(tenant_id: UUID) -> None:
    with db.as_service("test") as connection:
        config = runtime_config.current(connection, tenant_id)
        window = windows.last_closed(clock.now(), config.business_day_start, config.timezone)
        queue.request(connection, tenant_id, window, mode=config.mode, trigger_type="manual", report_type="daily")


@pytest.fixture
def tenant_id(database: str) -> UUID:
    with db.as_service("test") as connection:
        made = tenants.add(connection, "Компания", "swift", "Asia/Almaty").tenant_id
        runtime_config.start(connection, made, "Asia/Almaty")
    return made


def test_a_listening_tick_offers_a_row_when_it_is_written(tenant_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    sensor = sensors.build([report_job(), delivery.delivery_job()])[0]
    with DagsterInstance.ephemeral() as instance:
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Connection, "notifies", None)  # type: ignore[arg-type]
            assert not sensor(build_sensor_context(instance=instance)).run_requests, (
                "only the code server waits in a tick"
            )

        monkeypatch.setattr(listener, "_is_enabled", True)
        monkeypatch.setattr(listener, "SECONDS", 600.0)
        asker = threading.Timer(1.0, ask_for_a_report, [tenant_id])
        begun = time.monotonic()
        asker.start()
        requests = sensor(build_sensor_context(instance=instance)).run_requests
        waited = time.monotonic() - begun
        asker.join()
        assert len(requests) == 1 and 1.0 <= waited < 300, "it does not listen to the end"
        # what waits already is offered at once; nothing is offered twice
        begun = time.monotonic()
        monkeypatch.setattr(listener, "SECONDS", 0.5)
        assert not sensor(build_sensor_context(instance=instance)).run_requests, "a tick without rows ends by itself"
        assert time.monotonic() - begun >= 0.5


def test_a_database_that_cannot_be_listened_to_costs_no_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_is_enabled", True)
    monkeypatch.setattr(db, "owner_url", lambda: "postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    with listener.listening() as ear:
        assert ear.hears(30) is False


@pytest.fixture
def dagster_url(empty_database: str) -> Iterator[str]:
    yield empty_database.replace("postgresql://", "postgresql+psycopg2://", 1)
    dagster_patches.let_go_connections()


def backend(made: DagsterPostgresStorage) -> int:
    with made.run_storage.connect() as connection:  # type: ignore[attr-defined]
        return int(connection.exec_driver_sql("select pg_backend_pid()").scalar())


def test_dagsters_connections_are_held_by_the_process(
    dagster_url: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = DagsterPostgresStorage(dagster_url)
    assert backend(plain) != backend(plain), "a control: without us each statement has its own"
    held, again = storage.HeldStorage(dagster_url), storage.HeldStorage(dagster_url)
    first = backend(held)
    assert backend(held) == first == backend(again), "an instance made anew uses what the process has"

    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(sql.SQL("select pg_terminate_backend({})").format(first))
    assert backend(held) not in (0, first), "a server that was restarted is connected to again"

    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert backend(storage.HeldStorage(dagster_url)) != backend(held), "a fork has its own"


def test_a_partition_is_not_looked_for_at_every_turn(dagster_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster asks four times an asset; one that was deleted is not taken to exist."""
    events = storage.HeldStorage(dagster_url).event_log_storage
    statements: list[str] = []
    listen(events._engine, "before_cursor_execute", lambda *call: statements.append(call[2]))  # type: ignore[attr-defined]

    def asked() -> int:
        return sum("FROM dynamic_partitions" in statement for statement in statements)

    assert not events.has_dynamic_partition("tenants", "a")
    events.add_dynamic_partitions("tenants", ["a"])
    statements.clear()
    assert all(events.has_dynamic_partition("tenants", "a") for _ in range(20)) and asked() == 1
    assert not events.has_dynamic_partition("tenants", "b")
    events.delete_dynamic_partition("tenants", "a")
    assert not events.has_dynamic_partition("tenants", "a")

    events.add_dynamic_partitions("tenants", ["c"])
    assert events.has_dynamic_partition("tenants", "c")
    monkeypatch.setattr(dagster_patches, "PARTITION_SECONDS", 0.0)
    statements.clear()
    assert events.has_dynamic_partition("tenants", "c") and asked() == 1, "another process may have deleted it"


def probe(answers: Any) -> None:
    """In the run's place: what is loaded here, and how many threads the parent has."""
    status = Path(f"/proc/{os.getppid()}/status").read_text(encoding="utf-8")
    threads = next(line for line in status.splitlines() if line.startswith("Threads:"))
    missing = [name for name in HEAVY if name not in sys.modules]
    if not missing:
        from dbt_common.clients.jinja import template_cache

        missing += [] if template_cache.file_cache else ["dbt's macros"]
    answers.put((missing, int(threads.split()[1]), os.getpid()))


@pytest.mark.slow
def test_a_run_is_forked_from_a_process_that_has_everything_loaded(template: str) -> None:
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
    from dagster._core.utils import FuturesAwareThreadPoolExecutor

    from orchestration.process.code_server import warm_servicer

    over = threading.Event()
    server = warm_servicer()(
        server_termination_event=over,
        logger=logging.getLogger("test"),
        server_threadpool_executor=FuturesAwareThreadPoolExecutor(max_workers=1),
        loadable_target_origin=LoadableTargetOrigin(module_name="orchestration.definitions"),
        lazy_load_user_code=True,
    )
    context = server._mp_ctx
    assert context.get_start_method() == "forkserver"
    answers = context.Queue()
    pids = set()
    for _ in range(2):
        process = context.Process(target=probe, args=[answers])
        process.start()
        missing, threads, pid = answers.get(timeout=300)
        process.join(120)
        assert process.exitcode == 0
        assert missing == [], "the fork server has not imported what a run needs"
        assert threads == 1, "a process with threads must not fork"
        pids.add(pid)
    assert len(pids) == 2, "each run is a process of its own"
    # its thread would watch over the runs of the next test
    over.set()


def test_the_watch_over_runs_outlives_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster's thread ends with the first error: whoever died with the database would stay in Dagster as running."""
    from dagster._grpc.server import DagsterApiServer

    from orchestration.process.code_server import warm_servicer

    looked: list[bool] = []

    def away(server: DagsterApiServer) -> None:
        looked.append(True)
        if len(looked) == 2:
            server._server_termination_event.set()
        raise ConnectionError("too many retries for DB connection")

    monkeypatch.setattr(DagsterApiServer, "_check_for_orphaned_runs", away)
    monkeypatch.setattr("dagster._grpc.server.CLEANUP_TICK", 0.01)
    server = object.__new__(warm_servicer())
    server._server_termination_event = threading.Event()
    server._cleanup_thread()
    assert len(looked) == 2, "it is asked again after the outage"
