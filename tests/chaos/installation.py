"""A whole installation of its own to break: ``synkro serve`` on free ports, its embedded Postgres, simulated vendors."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from orchestration.run import cleanup
from synkro.core import vault
from synkro.core.settings import settings
from synkro.database import db
from synkro.reporting import reports
from synkro.runs import queue
from tests.support.e2e import Environment, open_environment
from tests.support.moment import offset_seconds
from tests.support.sockets import NO_CERTIFICATES, free_port

#: what the command line of each child of the supervisor holds
COMMANDS = {
    "app": "--only app",
    "sender": "--only sender",
    "code server": "orchestration.process.code_server",
    "webserver": "orchestration.process.webserver",
    "daemon": "dagster-daemon",
}
#: a run must have ended, the services must be back
BAR = 120.0
#: simulated vendors that hold a step: vendor and path of the call that hangs
SLOW = {"extract": ("radist", ""), "ai": ("llm", ""), "send": ("telegram", "sendMessage")}
#: tables whose lock holds a step
LOCKED = {
    "load": ("raw_radist.chats", "raw_radist.messages", "raw_amocrm.leads", "raw_amocrm.contacts"),
    "dbt": ("marts.period_summary",),
    "save": ("synkro.reports",),
}


def wait_for(what: str, look: Callable[[], Any], seconds: float = BAR) -> Any:
    """What ``look`` finds in the end; a database or a server that is away has nothing to find."""
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except Exception as error:
            last = error
        time.sleep(0.1)
    raise AssertionError(f"{seconds:.0f} s and still not: {what}") from last


@dataclass
class Installation:
    """``serve`` is the supervisor; everything else is asked of the system and the database."""

    e2e: Environment
    serve: subprocess.Popen[bytes]
    port: int
    numbers: dict[str, Any] = field(default_factory=dict)

    # --- processes ---------------------------------------------------------------------------------------

    def pid(self, process: str) -> int | None:
        """The living process of this name, ``None`` when there is none."""
        if process == "postgres":
            return db.embedded()._postmaster()
        if process == "worker":
            folders = list((settings().data_dir / "work").glob("*"))
            return next((pid for folder in folders if (pid := cleanup.process_of(folder))), None)
        return next((pid for pid, words in self._children() if COMMANDS[process] in words), None)

    def _children(self) -> list[tuple[int, str]]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.serve.pid:
                    words = (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                    found.append((int(folder.name), words))
        return found

    def is_well(self) -> bool:
        """Every process lives and the installation's own health says so."""
        said = httpx.get(f"http://127.0.0.1:{self.port}/api/health", timeout=5, verify=NO_CERTIFICATES).json()
        return all(self.pid(name) for name in COMMANDS) and {"database", "engine"}.isdisjoint(said["unwell"])

    # --- the run -----------------------------------------------------------------------------------------

    def run(self, run_id: Any) -> queue.Run:
        with db.as_service("drill") as connection:
            return queue.get(connection, run_id)

    def ended(self, run_id: Any) -> queue.Run | None:
        found = self.run(run_id)
        return None if found.is_active else found

    def figures(self, *, is_complete: bool | None = True) -> dict[str, Any]:
        """The numbers of the window's one current report; ``is_complete=None`` takes one that lacks something too."""
        window = self.e2e.window
        with db.as_service("drill") as connection:
            row = connection.execute(
                "select count(*) as n from synkro.reports where tenant_id = %s and window_start = %s and window_end = %s"
                " and is_current",
                (self.e2e.tenant_id, window.start, window.end),
            ).fetchone()
            assert row is not None and row["n"] == 1, f"{row} current reports of the window"
            found = reports.current(connection, self.e2e.tenant_id, window)
        assert found is not None
        assert is_complete is None or (found.is_complete and found.numbers["is_complete"]), "an incomplete report"
        # the moments differ, and whether it is complete has been asked
        return {key: value for key, value in found.numbers.items() if key not in ("as_of", "built_at", "is_complete")}

    def build(self) -> queue.Run:
        asked = self.e2e.request()
        return wait_for("the end of a run", lambda: self.ended(asked.run_id), 240)

    # --- holding a run in a step ---------------------------------------------------------------------------

    @contextmanager
    def held(self, step: str) -> Iterator[Callable[[], bool]]:
        """A run that comes to the step stands there until this is left; yields whether it does."""
        if step in SLOW:
            vendor, path = SLOW[step]
            kind = {"kind": "slow_loris", "every": 0.03} if step == "send" else {"kind": "timeout", "seconds": 10}
            self.e2e.fault(vendor, path=path, times=1, **kind)
            try:
                yield lambda: self._fired(vendor)
            finally:
                httpx.delete(f"http://127.0.0.1:{self.e2e.sandbox.ports[vendor]}/_faults", verify=NO_CERTIFICATES)
                if vendor == "radist":
                    self.e2e.fault(vendor, kind="rate", per_second=None)
            return
        with suppress(psycopg.OperationalError), psycopg.connect(db.owner_url()) as holder:
            # writers wait; who reads rows to lock them, as the queue does with reports to complete, does not
            holder.execute(f"lock table {', '.join(LOCKED[step])} in share row exclusive mode")
            with psycopg.connect(db.owner_url(), autocommit=True) as watcher:
                query = "select count(*) > 0 from pg_stat_activity where %s = any (pg_blocking_pids(pid))"
                yield lambda: bool(watcher.execute(query, (holder.info.backend_pid,)).fetchone()[0])  # type: ignore[index]
            holder.rollback()

    def _fired(self, vendor: str) -> bool:
        said = httpx.get(f"http://127.0.0.1:{self.e2e.sandbox.ports[vendor]}/_faults", verify=NO_CERTIFICATES).json()
        faults = said["active"] if isinstance(said, dict) else said
        return any(fault["fired"] for fault in faults)

    def stop(self) -> float:
        """SIGTERM to the supervisor; the seconds until it, its processes and the run's are gone."""
        pids = [pid for name in (*COMMANDS, "worker") if (pid := self.pid(name))]
        begun = time.monotonic()
        self.serve.terminate()
        self.serve.wait(timeout=30)
        left = [
            pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert not left, f"still there: {left}"
        return time.monotonic() - begun


@contextmanager
def installation() -> Iterator[Installation]:
    """Started from nothing; its first report, read undisturbed, is what every case is compared with."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synkro-drill-")))
        for name in [name for name in os.environ if name.startswith("SYNKRO_") and not name.startswith("SYNKRO_TEST_")]:
            patch.delenv(name)
        environment = {
            "SYNKRO_DATA_DIR": str(folder),
            "SYNKRO_SECRET_KEYS": vault.generate_key(),
            "SYNKRO_WEB_SECRET": uuid4().hex,
            "SYNKRO_ALLOW_LOCAL_VENDORS": "1",
            "SYNKRO_CLOCK_OFFSET_SECONDS": offset_seconds(),
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        settings.cache_clear()
        db.close()
        stack.callback(settings.cache_clear)
        stack.callback(db.close)
        stack.callback(lambda: db.embedded().destroy())
        web, dagster = free_port(), free_port()
        command = [sys.executable, "-m", "cli.main", "serve", "--port", str(web), "--dagster-port", str(dagster)]
        with (folder / "serve.log").open("wb") as log:
            serve = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        stack.callback(_stop, serve)
        wait_for(
            "the app",
            lambda: httpx.get(f"http://127.0.0.1:{web}/api/health", timeout=5, verify=NO_CERTIFICATES).json(),
            240,
        )
        e2e = stack.enter_context(open_environment("town"))
        made = Installation(e2e, serve, web)
        wait_for("the engine", made.is_well)
        first = made.build()
        assert first.status == "success", (first.error, first.error_detail)
        made.numbers = made.figures()
        yield made


def _stop(serve: subprocess.Popen[bytes]) -> None:
    serve.terminate()
    try:
        serve.wait(timeout=30)
    except subprocess.TimeoutExpired:
        serve.kill()
        serve.wait(timeout=10)
