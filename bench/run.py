"""From the click to the report: a busy company's day through a real ``synkro serve``, and what one run costs.

    python -m bench.run                     # three days of some 2,000 messages each, about five minutes
    python -m bench.run --days 1 --clients 40

The vendors and the model answer at once. The history is read first, in this process; then every day is asked for by a row
of ``job_runs``, as the page does, and everything else is the stack's: sensor, Dagster's queue, run, report. Printed for each
day: seconds from the row to its offer, its claim and its first step, wall and processor seconds of every step (of the
run's process) and of the database server, the largest memory of the run's process, its database connections, the rows
it left in Dagster's storage.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from unittest import mock
from uuid import UUID

import httpx
import psycopg

from bench.support.environment import installation
from bench.support.processes import Processes, Watch, server_pid
from orchestration.process.code_server import WARM_UP_AFTER
from sandbox.company.builder import SIZES
from sandbox.server import Sandbox, start
from synkro.core.settings import settings
from synkro.core.windows import Window, last_closed
from synkro.database import db
from synkro.reporting import reports
from synkro.runs import dagster_ui, queue
from synkro.tenancy import runtime_config
from tests.support.e2e import connect

LONGEST = 300.0
FRIDAY = 4
#: seconds the fork server is given for its imports
IMPORTS = 12.0
#: Dagster's events on the way to the first step
PATH = {
    "PIPELINE_ENQUEUED": "queued",
    "PIPELINE_DEQUEUED": "dequeued",
    "PIPELINE_STARTING": "launched",
    "PIPELINE_START": "process at work",
    "RESOURCE_INIT_STARTED": "plan made",
}


@dataclass
class Day:
    """One measured run; seconds."""

    messages: int
    dialogs: int
    offered: float
    claimed: float
    first_step: float
    whole: float
    steps: dict[str, tuple[float, float]]
    server_cpu: float
    resident_mb: float
    own_mb: float
    connections: int
    dagster_rows: int
    #: seconds from the row to Dagster's events before the first step
    path: dict[str, float]

    def __str__(self) -> str:
        steps = ", ".join(f"{name} {wall:.1f} s ({cpu:.1f} cpu)" for name, (wall, cpu) in self.steps.items())
        path = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.path.items())
        return (
            f"{self.messages:,} messages, {self.dialogs} dialogs: report after {self.whole:.1f} s; row → offer"
            f" {self.offered:.1f}, → claim {self.claimed:.1f}, → first step {self.first_step:.1f} s ({path})\n    {steps};"
            f" database server {self.server_cpu:.1f} cpu; {self.resident_mb:.0f} MB resident, {self.own_mb:.0f} its own;"
            f" {self.connections} connections at most; {self.dagster_rows} rows in Dagster's storage"
        )


@contextmanager
def served(url: str) -> Iterator[int]:
    """A living ``synkro serve``; its pid."""
    app, dagster = _free_ports()
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(app), "--dagster-port", str(dagster)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 180
        while not _is_up(f"http://127.0.0.1:{app}/api/health", f"http://127.0.0.1:{dagster}{dagster_ui.IS_UP}", url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"synkro serve did not start: see {settings().data_dir / 'logs'}")
            time.sleep(0.5)
        # the code server's fork server imports what runs need; a click before that pays for the imports itself
        time.sleep(WARM_UP_AFTER + IMPORTS)
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def _free_ports() -> tuple[int, int]:
    import socket

    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _is_up(*addresses: str) -> bool:
    """The pages answer and the sensor has ticked."""
    from synkro.runs import heartbeats

    with suppress(httpx.HTTPError), db.as_service("bench") as connection:
        for address in addresses[:2]:
            httpx.get(address, timeout=2).raise_for_status()
        return heartbeats.is_alive(connection, "engine")
    return False


def ask(url: str, tenant_id: UUID, window: Window) -> Day:
    """Click, wait for the report, tell what it took."""
    server = server_pid(url)
    before, rows = Processes.spent(Processes.family(server)), _dagster_rows(url)
    with db.as_service("bench") as connection:
        run, _ = queue.request(
            connection, tenant_id, window, mode="amocrm_radist", trigger_type="manual", report_type="daily"
        )
    with Watch(url) as watch:
        deadline = time.monotonic() + LONGEST
        while run.is_active and time.monotonic() < deadline:
            time.sleep(0.1)
            with db.as_service("bench") as connection:
                run = queue.get(connection, run.run_id)
    if run.status != "success":
        raise SystemExit(f"the run ended as {run.status}: {run.error} {run.error_detail}")
    with db.as_service("bench") as connection:
        row = connection.execute(
            "select count(*) as messages from marts.fct_messages where tenant_id = %s and sent_at >= %s and sent_at < %s",
            (tenant_id, window.start, window.end),
        ).fetchone()
        report = reports.current(connection, tenant_id, window)
        events = queue.events(connection, tenant_id, run.run_id)
    assert report is not None and report.run_id == run.run_id
    assert run.started_at is not None and run.finished_at is not None and run.picked_at is not None
    first = next(event for event in events if event.step == "sources")
    return Day(
        messages=row["messages"] if row else 0,
        dialogs=report.coverage["total"],
        offered=(run.picked_at - run.created_at).total_seconds(),
        claimed=(run.started_at - run.created_at).total_seconds(),
        first_step=(first.created_at - run.created_at).total_seconds(),
        whole=(run.finished_at - run.created_at).total_seconds(),
        steps={
            event.step: (event.metadata["seconds"], event.metadata.get("cpu_seconds", 0.0))
            for event in events
            if "seconds" in event.metadata
        },
        server_cpu=Processes.spent(Processes.family(server)) - before,
        resident_mb=watch.resident / 1024,
        own_mb=watch.own / 1024,
        connections=watch.connections,
        dagster_rows=_dagster_rows(url) - rows,
        path=_path(url, run),
    )


def _dagster_rows(url: str) -> int:
    with psycopg.connect(db.with_database(url, "dagster"), autocommit=True) as connection:
        row = connection.execute("select count(*) from event_logs").fetchone() if _has_events(connection) else (0,)
    assert row is not None
    return int(row[0])


def _path(url: str, run: queue.Run) -> dict[str, float]:
    with psycopg.connect(db.with_database(url, "dagster"), autocommit=True) as connection:
        rows = connection.execute(
            "select dagster_event_type, min(timestamp) from event_logs where run_id = %s and dagster_event_type = any (%s)"
            " group by 1 order by 2",
            (run.dagster_run_id, list(PATH)),
        ).fetchall()
    begun = run.created_at.replace(tzinfo=None)
    return {PATH[kind]: (moment - begun).total_seconds() for kind, moment in rows}


def _has_events(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute("select to_regclass('event_logs') is not null").fetchone() == (True,)


def history(sandbox: Sandbox, slug: str, until: datetime) -> UUID:
    """A tenant whose past is read and built up to ``until``."""
    from orchestration.process.launch import execute

    for faults in sandbox.faults.values():
        faults.add({"kind": "rate", "per_second": None})
        faults.settle()
    tenant_id = connect(slug, sandbox.addresses)
    with db.as_service("bench") as connection:
        config = runtime_config.current(connection, tenant_id)
        window = last_closed(until, config.business_day_start, config.timezone)
        run, _ = queue.request(
            connection, tenant_id, window, mode="amocrm_radist", trigger_type="manual", report_type="daily"
        )
    ended = execute(run.run_id)
    if ended.status != "success":
        raise SystemExit(f"the history was not read: {ended.error} {ended.error_detail}")
    return tenant_id


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=3, help="days asked for one after another")
    parser.add_argument("--clients", type=float, default=125, help="new clients a workday of the simulated company")
    parser.add_argument("--past", type=int, default=13, help="days of history read before")
    asked = parser.parse_args(arguments)
    # workdays: a weekend has half the messages
    now = datetime.now(UTC)
    now -= timedelta(days=(now.weekday() - FRIDAY) % 7)
    moment = [now - timedelta(days=asked.days)]
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
    with (
        installation(with_marts=True) as url,
        mock.patch.dict(SIZES, {"busy": replace(SIZES["large"], per_day=asked.clients)}),
        start(
            "busy",
            now=lambda: moment[0],
            first_day=(now - timedelta(days=asked.days + asked.past)).date(),
            last_day=now.date(),
        ) as sandbox,
    ):
        # the company is a million objects of this process: looking through them would make the vendors answer late
        gc.freeze()
        tenant_id = history(sandbox, "bench", moment[0])
        with db.as_service("bench") as connection:
            config = runtime_config.current(connection, tenant_id)
        days = []
        with served(url):
            for back in range(asked.days - 1, -1, -1):
                moment[0] = now - timedelta(days=back)
                window = last_closed(moment[0], config.business_day_start, config.timezone)
                days.append(ask(url, tenant_id, window))
                print(days[-1], flush=True)
                time.sleep(3.3)  # the next row falls at another moment of the sensor's five seconds
    print(
        f"click → report, median: {median(day.whole for day in days):.1f} s,"
        f" of it queue → first step {median(day.first_step for day in days):.1f} s"
    )
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
