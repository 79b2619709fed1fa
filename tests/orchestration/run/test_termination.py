"""A run ends, once, when its process sleeps, hangs, or has no room to write; and whoever comes back late commits nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from orchestration.process.launch import execute
from orchestration.run import cleanup
from synkro.core.settings import settings
from synkro.database import db
from synkro.reporting import reports
from synkro.runs import queue, reaper
from tests.support.e2e import Environment
from tests.support.sockets import NO_CERTIFICATES

#: everything a run writes; a line that is written again has another xmin
WRITTEN = (
    "raw_radist.chats", "raw_radist.messages", "raw_amocrm.leads", "raw_amocrm.contacts", "marts.fct_messages",
    "marts.fct_waits", "marts.period_summary", "synkro.reports", "synkro.outbox", "synkro.job_runs", "synkro.watermarks",
)  # fmt: skip


STANDS_BEFORE_US = "select from pg_locks where not granted and pg_backend_pid() = any (pg_blocking_pids(pid))"


@pytest.fixture(scope="module")
def built(e2e: Environment) -> Environment:
    """The history is read: what follows is increments."""
    e2e.mend()
    first = e2e.build()
    assert first.status == "success", (first.error, first.error_detail)
    return e2e


def state() -> dict[str, Any]:
    with db.as_service("test") as connection:
        return {
            table: connection.execute(
                f"select count(*) as n, sum(hashtextextended(t.xmin::text || t::text, 0)) as sum from {table} as t"
            ).fetchone()
            for table in WRITTEN
        }


def until(what: str, look: Callable[[], Any], seconds: float = 180) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{seconds:.0f} s and still not: {what}")


def now(run: queue.Run) -> queue.Run:
    with db.as_service("test") as connection:
        return queue.get(connection, run.run_id)


def make(run: queue.Run, what: str) -> None:
    with db.as_service("test") as connection:
        connection.execute(f"update synkro.job_runs set {what} where run_id = %s", (run.run_id,))


@contextmanager
def standing(e2e: Environment) -> Iterator[tuple[subprocess.Popen[bytes], queue.Run]]:
    """A process of its own that leads a run and waits for a page of Radist; killed and mended in the end."""
    e2e.fault("radist", kind="timeout", seconds=8, times=1)
    run = e2e.request()
    child = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "run", "retry", str(run.run_id), "--json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until("a page is waited for", lambda: _fired(e2e, "radist"))
        yield child, now(run)
    finally:
        # the whole group: what it started sleeps beside it
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait(timeout=60)
        e2e.mend()


def _fired(e2e: Environment, vendor: str) -> bool:
    said = httpx.get(f"http://127.0.0.1:{e2e.sandbox.ports[vendor]}/_faults", verify=NO_CERTIFICATES).json()
    return any(fault["fired"] for fault in said["active"])


@pytest.mark.assurance
def test_a_zombie_of_another_machine_commits_nothing(built: Environment) -> None:
    """It holds the company's lock in its sleep; the heir gets it all the same, and the sleeper wakes to nothing."""
    with standing(built) as (child, run):
        os.killpg(child.pid, signal.SIGSTOP)
        mark = cleanup.folder_of(run) / "process.json"
        mark.write_text(json.dumps({**json.loads(mark.read_text()), "host": "elsewhere"}))
        make(run, "lease_until = now() - interval '1 s'")
        heir = execute(run.run_id)
        assert heir.status == "success" and heir.lease_token > run.lease_token, (heir.error, heir.error_detail)
        before = state()
        os.killpg(child.pid, signal.SIGCONT)
        child.wait(timeout=180)
        assert state() == before
        assert now(run) == heir


def test_a_zombie_of_this_machine_is_ended(built: Environment) -> None:
    with standing(built) as (child, run):
        os.killpg(child.pid, signal.SIGSTOP)
        cleanup.clear()
        assert cleanup.process_of(cleanup.folder_of(run)) == child.pid, "its lease is good: it may wake"
        make(run, "lease_until = now() - interval '1 s'")
        with db.as_service("test") as connection:
            assert [ended.status for ended in reaper.reap(connection)] == ["failed"]
        cleanup.clear()
        assert child.wait(timeout=60) == -signal.SIGKILL
        assert not cleanup.folder_of(run).exists()
    assert built.build().status == "success"


def test_a_run_that_does_not_stop_is_stopped(built: Environment) -> None:
    """Its heart beats, its lease is good, its hands hang outside of Python: after a minute it is over without it."""
    with standing(built) as (child, run):
        os.killpg(child.pid, signal.SIGSTOP)
        with db.as_service("test") as connection:
            assert queue.request_stop(connection, run.tenant_id, run.run_id).status == "cancelling"
        make(run, "lease_until = now() + interval '1 hour'")
        with db.as_service("test") as connection:
            assert reaper.reap(connection) == [], "a minute to stop by itself"
        make(run, f"cancel_requested_at = now() - interval '{reaper.STOP_SECONDS + 1} s'")
        with db.as_service("test") as connection:
            assert [ended.status for ended in reaper.reap(connection)] == ["cancelled"]
        cleanup.clear()
        assert child.wait(timeout=60) == -signal.SIGKILL
        assert now(run).lease_token == run.lease_token + 1 and now(run).report_id is None


@pytest.mark.parametrize("step", ["readings", pytest.param("marts", marks=pytest.mark.assurance)])
def test_a_person_stops_a_run_in_a_call_of_the_model_and_in_dbt(built: Environment, step: str) -> None:
    before = len(built.sent())
    with db.as_service("test") as connection:
        connection.execute("delete from synkro.dialog_readings")
    built.fault("llm", kind="timeout", seconds=5)
    run = built.request()
    stopped_at = []
    held = threading.Event()

    def stop() -> None:
        with psycopg.connect(db.owner_url()) as holder:
            if step == "marts":
                # dbt stands before this table until the person has pressed
                holder.execute("lock table marts.period_summary in share mode")
            held.set()
            until(f"the step {step}", lambda: now(run).current_step == step)
            if step == "marts":
                until("dbt before the table", lambda: holder.execute(STANDS_BEFORE_US).fetchone() is not None)
            else:
                until("a call of the model", lambda: _fired(built, "llm"))
            with db.as_service("test") as connection:
                queue.request_stop(connection, run.tenant_id, run.run_id)
            stopped_at.append(time.monotonic())

    person = threading.Thread(target=stop)
    person.start()
    assert held.wait(60)
    ended = execute(run.run_id)
    person.join()
    built.mend()
    assert ended.status == "cancelled" and ended.report_id is None
    assert time.monotonic() - stopped_at[0] < reaper.STOP_SECONDS
    assert len(built.sent()) == before


# --- a full disk --------------------------------------------------------------------------------------------


@contextmanager
def small(folder: Path, size: str, owner: int = 0) -> Iterator[Path]:
    """A disk of this size at the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disk this test fills")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},uid={owner}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this root may not mount (a container without CAP_SYS_ADMIN): {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def marts() -> dict[str, Any]:
    return {table: found for table, found in state().items() if table.startswith(("marts", "synkro.reports"))}


def test_a_full_disk_of_ours_is_named_and_leaves_the_marts(built: Environment) -> None:
    before, figures = marts(), _figures(built)
    with small(settings().data_dir / "work", "64k"):
        ended = built.build()
        assert ended.status == "failed" and ended.error is not None
        assert ended.error.startswith("На диске нет места"), (ended.error, ended.error_detail)
        assert marts() == before
    assert built.build().status == "success", "nothing to clean up"
    assert _figures(built) == figures


@pytest.mark.assurance
def test_a_full_disk_of_the_database_is_named_and_leaves_the_marts(built: Environment, tmp_path: Path) -> None:
    before, figures = marts(), _figures(built)
    with psycopg.connect(db.owner_url(), autocommit=True) as connection:
        (data,) = connection.execute("select current_setting('data_directory')").fetchone() or ("",)
        name = connection.info.dbname
        place = Path(data).parent / f"small_{name}"
        with small(place, "100k", Path(data).stat().st_uid):
            place.chmod(0o700)
            connection.execute(f"create tablespace small_{name} location '{place}'")
            connection.execute(f"alter database {name} set default_tablespace = small_{name}")
            try:
                fill(place / "ballast")
                db.close()
                ended = built.build()
            finally:
                # a table left on a disk that goes away stops the whole server at its next checkpoint
                connection.execute(f"alter database {name} reset default_tablespace")
                (place / "ballast").unlink()
                connection.execute(f"alter table all in tablespace small_{name} set tablespace pg_default")
                connection.execute(f"alter index all in tablespace small_{name} set tablespace pg_default")
                connection.execute(f"drop tablespace small_{name}")
                db.close()
        place.rmdir()
    assert ended.status == "failed" and ended.error is not None
    assert ended.error.startswith("На диске базы данных нет места"), (ended.error, ended.error_detail)
    assert marts() == before
    assert built.build().status == "success", "nothing to clean up"
    assert _figures(built) == figures


def fill(path: Path) -> None:
    """A file that takes all the room its disk has."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def _figures(e2e: Environment) -> dict[str, Any]:
    with db.as_service("test") as connection:
        found = reports.current(connection, e2e.tenant_id, e2e.window)
    assert found is not None and found.is_complete
    return {key: value for key, value in found.numbers.items() if key not in ("as_of", "built_at")}
