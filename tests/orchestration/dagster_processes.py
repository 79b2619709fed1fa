"""Dagster as it is in production, on loopback: code server, daemon and webserver, started by ``synkro serve --only``."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from synkro.core.settings import settings
from synkro.runs import dagster_ui
from tests.support.sockets import NO_CERTIFICATES, free_port

REPOSITORY = {"repositoryLocationName": "synkro", "repositoryName": "__repository__"}

LAUNCH = """
mutation launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
    ... on PartitionKeysNotFoundError { message }
  }
}
"""
BACKFILL = """
query backfill($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    __typename
    ... on PartitionBackfill { status numPartitions runs(limit: 50) { id status tags { key value } } error { message } }
  }
}
"""


@dataclass
class Plant:
    port: int
    pids: list[int]

    def processor_seconds(self) -> float:
        """What its processes have used so far: on a busy machine this can be compared, the wall clock cannot."""
        total = 0.0
        for pid in self.pids:
            for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    used = process.cpu_times()
                    total += used.user + used.system
        return total

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """One GraphQL call, the way the UI makes it; errors are raised."""
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}{dagster_ui.GRAPHQL}",
            headers={dagster_ui.KEY_HEADER: dagster_ui.key()},
            json={"query": query, "variables": variables},
            timeout=60,
            verify=NO_CERTIFICATES,
        ).json()
        assert "errors" not in answer, answer["errors"]
        return dict(answer["data"])

    def launch_backfill(self, job: str, keys: Sequence[str]) -> str:
        """What the button «Launch backfill» of a job's partitions page sends."""
        params = {
            "selector": {"repositorySelector": REPOSITORY, "partitionSetName": f"{job}_partition_set"},
            "partitionNames": list(keys),
            "fromFailure": False,
            "tags": [],
        }
        made = self.ask(LAUNCH, params=params)["launchPartitionBackfill"]
        assert made["__typename"] == "LaunchBackfillSuccess", made
        return str(made["backfillId"])

    def backfill(self, backfill_id: str) -> dict[str, Any]:
        return dict(self.ask(BACKFILL, id=backfill_id)["partitionBackfillOrError"])


@contextmanager
def start(processes: Sequence[str] = ("code-server", "webserver", "daemon")) -> Iterator[Plant]:
    """Needs the entry points open (their addresses are in the environment the children inherit)."""
    web, code = free_port(), free_port()
    logs = settings().data_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "SYNKRO_CODE_SERVER": f"127.0.0.1:{code}",
        "SYNKRO_DAGSTER_PORT": str(web),
        "SYNKRO_HOST": "127.0.0.1",
    }
    children = []
    try:
        for name in processes:
            with (logs / f"plant-{name}.log").open("ab") as log:
                command = [sys.executable, "-m", "cli.main", "serve", "--only", name]
                children.append(
                    subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
                )
            if name == "code-server":
                # the others would fail their first look at it and wait a minute for the second
                wait_for_port(code, logs / f"plant-{name}.log")
        if "webserver" in processes:
            wait_for_port(web, logs / "plant-webserver.log")
        yield Plant(web, [child.pid for child in children])
    finally:
        for child in reversed(children):
            child.terminate()
        for child in children:
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(timeout=10)


def wait_for_port(port: int, log: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"nothing listens on {port}: {log.read_text(errors='replace')[-2000:]}")
