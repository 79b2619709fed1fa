"""The parts of an installation of several machines, each with a data directory of its own: a broker, Dagster's code server
and daemon, workers. They share the database and the broker, nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import yaml

from synkro.core.settings import ROOT
from synkro.database import db
from synkro.runs import queue
from synkro.tenancy import runtime_config
from tests.support.sockets import free_port

PATIENCE = 120.0
SERVE = [sys.executable, "-m", "cli.main", "serve", "--only"]


@dataclass
class Cluster:
    folder: Path
    workers: list[subprocess.Popen[bytes]]
    others: list[subprocess.Popen[bytes]]
    begin: Callable[[str, list[str]], subprocess.Popen[bytes]]

    def add_worker(self) -> None:
        number = len(self.workers)
        self.workers.append(self.begin(f"worker{number}", [*SERVE, "worker"]))

    def await_workers(self) -> None:
        """Until each worker is ready to take a run."""
        deadline = time.monotonic() + PATIENCE
        while not all(" ready." in self.log(f"worker{number}") for number in range(len(self.workers))):
            assert time.monotonic() < deadline, self.log("worker0")[-2000:]
            assert all(process.poll() is None for process in self.workers), self.log("worker0")[-2000:]
            time.sleep(0.3)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def taken(self, number: int) -> int:
        """Runs the worker has taken."""
        return len(re.findall(r"Task execute_job\[\S+\] received", self.log(f"worker{number}")))


def overlay(folder: Path, places: int) -> Path:
    """``deploy/celery``'s, with the places of these workers."""
    keys = yaml.safe_load((ROOT / "deploy" / "celery" / "dagster.yaml").read_text(encoding="utf-8"))
    keys["concurrency"]["runs"]["max_concurrent_runs"] = places
    made = folder / "dagster.yaml"
    made.write_text(yaml.safe_dump(keys), encoding="utf-8")
    return made


@contextmanager
def cluster(
    folder: Path, database_url: str, dagster_url: str, *, workers: int, places: int | None = None
) -> Iterator[Cluster]:
    """Everything is up and waits for rows; ended with the context. ``places``: of runs at once, else one a worker."""
    broker, code = free_port(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "SYNKRO_DATABASE_URL": database_url,
        "SYNKRO_DAGSTER_DATABASE_URL": dagster_url,
        "SYNKRO_DAGSTER_OVERLAY": str(overlay(folder, places or workers)),
        "SYNKRO_BROKER_URL": f"redis://127.0.0.1:{broker}/0",
        "SYNKRO_CODE_SERVER": f"127.0.0.1:{code}",
    }

    def begin(name: str, command: list[str]) -> subprocess.Popen[bytes]:
        home = folder / name
        home.mkdir(parents=True)
        with (folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environment, "SYNKRO_DATA_DIR": str(home)},
                start_new_session=True,
            )

    made = Cluster(folder, [], [], begin)
    redis = shutil.which("redis-server")
    assert redis is not None, "no redis-server: python -m tests.support.needs installs it"
    try:
        made.others.append(
            begin("redis", [redis, "--port", str(broker), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        )
        for _ in range(workers):
            made.add_worker()
        made.others.append(begin("code", [*SERVE, "code-server"]))
        made.others.append(begin("daemon", [*SERVE, "daemon"]))
        made.await_workers()
        yield made
    finally:
        # the workers end their runs first: they still need the broker
        for group in (made.workers, made.others[::-1]):
            for process in group:
                process.terminate()
            for process in group:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(5)


def at_one_time(tenant_ids: Sequence[UUID]) -> None:
    """The schedule of every tenant is switched on in one transaction: all owe the day that closed last."""
    with db.as_service("test") as connection:
        for tenant_id in tenant_ids:
            runtime_config.change(connection, tenant_id, {"is_schedule_enabled": True})


def all_ended(tenant_ids: Sequence[UUID], seconds: float) -> list[queue.Run]:
    """Every run of these tenants, once each tenant has one and all are over; gives up after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        with db.as_service("test") as connection:
            found = [run for tenant_id in tenant_ids for run in queue.recent(connection, tenant_id)]
        if {run.tenant_id for run in found} == set(tenant_ids) and not any(run.is_active for run in found):
            return found
        assert time.monotonic() < deadline, [(run.status, run.current_step, run.error) for run in found]
        time.sleep(0.3)
