"""A run whose process is killed in the middle: it is told of with a cause, and a retry gives the same numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from synkro.database import db
from synkro.reporting import reports
from synkro.runs import queue
from tests.support.e2e import Environment, open_environment


@pytest.fixture
def e2e(database: str) -> Iterator[Environment]:
    with open_environment("town", with_ai=False) as made:
        yield made


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *words]


def numbers(e2e: Environment) -> dict[str, Any]:
    with db.as_service("test") as connection:
        found = reports.current(connection, e2e.tenant_id)
    assert found is not None and found.is_complete
    return {key: value for key, value in found.numbers.items() if key not in ("as_of", "built_at")}


@pytest.mark.slow
@pytest.mark.assurance
@pytest.mark.parametrize("step", ["sources", "marts"])
def test_killed_told_and_retried(e2e: Environment, step: str) -> None:
    e2e.fault("radist", kind="timeout", seconds=3, times=2, path="messages")
    child = subprocess.Popen(
        command("report", "run", e2e.slug, "--wait", "--json"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        run = wait_for_step(e2e, step)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(timeout=120)
    e2e.mend()
    with db.as_service("test") as connection:
        alive = queue.get(connection, run.run_id)
        assert alive.status == "running" and alive.lease_until is not None
        # a minute later, without the minute
        connection.execute(
            "update synkro.job_runs set lease_until = now() - interval '1 s' where run_id = %s", (run.run_id,)
        )
    shown = subprocess.run(
        command("run", "show", str(run.run_id), "--json"), capture_output=True, text=True, check=True
    )
    told = json.loads(shown.stdout)
    assert told["status"] == "failed" and "перестал отвечать" in told["error"]
    retried = subprocess.run(
        command("run", "retry", str(run.run_id), "--json"), capture_output=True, text=True, check=False, timeout=300
    )
    assert retried.returncode == 0, retried.stderr
    assert json.loads(retried.stdout)["attempt"] == 2
    after_the_kill = numbers(e2e)
    assert e2e.build().status == "success"
    assert numbers(e2e) == after_the_kill


def wait_for_step(e2e: Environment, step: str) -> queue.Run:
    for _ in range(6000):
        with db.as_service("test") as connection:
            for run in queue.active(connection, e2e.tenant_id):
                if run.status == "running" and run.current_step == step:
                    return run
        time.sleep(0.05)
    raise AssertionError(f"the run never came to the step {step}")
