"""Every process of an installation killed in every step of a run.

``python -m tests.chaos.kill_matrix`` (``make drills``) does it with the leases as they are and prints what became of every
case; ``--cases worker:dbt,app:send`` plays those alone. The suite plays a diagonal.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.delivery import outbox
from synkro.runs import queue
from tests.chaos.installation import BAR, COMMANDS, Installation, installation, wait_for

PROCESSES = ("worker", "code server", "daemon", "webserver", "app", "postgres")
#: the run does not outlive these
FATAL = {"worker", "postgres"}
STEPS = ("extract", "load", "dbt", "ai", "save", "send")


@dataclass
class Outcome:
    """One case. Seconds count from the kill; those of a run that goes on include its own work."""

    process: str
    step: str
    killed: float = 0.0
    ended: str = ""
    cause: str = ""
    ended_after: float = 0.0
    back_after: float = 0.0
    #: letters of each report published in the chain, on its last case
    copies: list[int] = field(default_factory=list)
    failure: str = ""

    def line(self) -> str:
        told = (
            self.failure
            or f"{self.ended} in {self.ended_after:.0f} s, all well in {self.back_after:.0f} s. {self.cause}"
        )
        return (
            f"{'FAIL' if self.failure else 'ok':4} {self.process:12} {self.step:8} {told} {self.copies or ''}".rstrip()
        )


class Drill:
    """``is_fast``: leases and claims of what was killed are run out by hand, a minute later without the minute."""

    def __init__(self, on: Installation, *, is_fast: bool = False) -> None:
        self.on = on
        self.is_fast = is_fast

    def play(self, cases: Sequence[tuple[str, str]]) -> list[Outcome]:
        """Kill each process while a run stands in its step, then look at everything that was promised.

        What dies beside the run leaves it alone: one run is held in all the steps, which come in their order. With the
        worker and with Postgres each step has a run of its own, and each is the repetition of the one before.
        """
        outcomes = [Outcome(process, step) for process, step in cases]
        before = self._version()
        parts: list[list[Outcome]] = []
        for outcome in outcomes:
            if parts and not {outcome.process, parts[-1][-1].process} & FATAL:
                parts[-1].append(outcome)
            else:
                parts.append([outcome])
        for part in parts:
            try:
                self._play(part)
            except AssertionError as error:
                for outcome in part:
                    outcome.failure = f"{error} ({error.__cause__})" if error.__cause__ else str(error)
        try:
            if outcomes[-1].ended != "success" or not self._is_complete():
                again = self.on.build()
                assert again.status == "success", again.error
            assert self.on.figures() == self.on.numbers, "other numbers than undisturbed"
            outcomes[-1].copies = self._letters(before)
        except AssertionError as error:
            outcomes[-1].failure = f"afterwards: {error} ({error.__cause__})"
        return outcomes

    def outage(self, seconds: float = 30) -> str:
        """Nobody can reach the database for a while, in the middle of a run; returns what became of it.

        No process of the installation may need a new start for it.
        """
        wait_for("the installation well before the outage", self.on.is_well)
        pids = {name: self.on.pid(name) for name in COMMANDS}
        with psycopg.connect(db.embedded().url("postgres"), autocommit=True) as connection:
            with self.on.held("extract") as is_held:
                asked = self.on.e2e.request()
                wait_for("the run under way", is_held)
                connection.execute("alter database synkro with allow_connections false")
                connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'synkro'")
            time.sleep(seconds)
            connection.execute("alter database synkro with allow_connections true")
        back = time.monotonic()
        wait_for("every process connected again", self.on.is_well, 30)
        connected = time.monotonic() - back
        assert {name: self.on.pid(name) for name in COMMANDS} == pids, "a process was started again"
        ended = wait_for("the end of the run", lambda: self.on.ended(asked.run_id))
        assert ended.status == "success" or ended.error
        if ended.status != "success" or not self._is_complete():
            again = self.on.build()
            assert again.status == "success", again.error
        assert self.on.figures() == self.on.numbers, "other numbers than undisturbed"
        return f"connected again in {connected:.0f} s; the run: {ended.status}. {ended.error or ''}"

    def _play(self, outcomes: list[Outcome]) -> None:
        """One run, one kill for each outcome."""
        wait_for("the installation well before the case", self.on.is_well)
        if any(outcome.step == "ai" for outcome in outcomes):
            with db.as_service("drill") as connection:
                # read dialogs are not read twice: without these the model is not asked
                connection.execute("delete from synkro.dialog_readings where tenant_id = %s", (self.on.e2e.tenant_id,))
        with ExitStack() as all_held:
            # let go in the order of the steps, each when its kill is done
            holds = [(outcome, ExitStack()) for outcome in outcomes]
            looks = []
            for outcome, hold in holds:
                all_held.callback(hold.close)
                looks.append(hold.enter_context(self.on.held(outcome.step)))
            asked = self.on.e2e.request()
            for (outcome, hold), is_held in zip(holds, looks, strict=True):
                wait_for(f"the run in the step {outcome.step}", is_held)
                process = outcome.process
                victim = int(wait_for(f"a {process} to kill", partial(self.on.pid, process)))
                os.kill(victim, signal.SIGKILL)
                outcome.killed = time.monotonic()
                wait_for("the death", partial(self._is_gone, process, victim), 10)
                if process != "worker":
                    time.sleep(1)
                hold.close()
        if self.is_fast and outcomes[-1].process == "worker":
            self._run_out(asked)
        ended = wait_for("the end of the run", lambda: self.on.ended(asked.run_id))
        for outcome in outcomes:
            outcome.ended, outcome.cause = ended.status, ended.error or ""
            outcome.ended_after = time.monotonic() - outcome.killed
        last, process = outcomes[-1], outcomes[-1].process
        wait_for("every process back", self.on.is_well, BAR - last.ended_after)
        for outcome in outcomes:
            outcome.back_after = time.monotonic() - outcome.killed
        assert ended.status in ("success", "failed"), ended.status
        assert ended.status == "success" or ended.error, "a failure without a cause"
        assert ended.status == "success" or process in FATAL, f"the run failed: {ended.error}"
        with db.as_service("drill") as connection:
            row = connection.execute(
                "select count(*) as n from synkro.job_runs where status in ('running', 'cancelling') and lease_until < now()"
            ).fetchone()
        assert row is not None and row["n"] == 0, "a run without its worker"
        # it may say that it lacks what the database could not take; the last case of the chain asks for a whole one
        assert self.on.figures(is_complete=None) == self.on.numbers, "other numbers than undisturbed"

    def _is_gone(self, process: str, pid: int) -> bool:
        return not Path(f"/proc/{pid}").exists() or self.on.pid(process) != pid

    def _run_out(self, run: queue.Run) -> None:
        with db.as_service("drill") as connection:
            connection.execute(
                "update synkro.job_runs set lease_until = now() where run_id = %s and lease_until > now()",
                (run.run_id,),
            )
            connection.execute("update synkro.outbox set claimed_until = now() where status = 'sending'")

    def _version(self) -> int:
        with db.as_service("drill") as connection:
            row = connection.execute("select coalesce(max(version), 0) as n from synkro.reports").fetchone()
        return int(row["n"]) if row else 0

    def _is_complete(self) -> bool:
        with db.as_service("drill") as connection:
            found = reports.current(connection, self.on.e2e.tenant_id, self.on.e2e.window)
        return found is not None and found.is_complete

    def _letters(self, before: int) -> list[int]:
        """Each version published since came at least once, at most once more, and then marked; returns the copies of each."""
        with db.as_service("drill") as connection:
            rows = connection.execute(
                "select report_id from synkro.reports where version > %s order by version", (before,)
            ).fetchall()
        assert rows, "no report was published"
        copies = []
        for report_id in [row["report_id"] for row in rows]:
            wait_for(f"the letter of {report_id}", partial(self._is_sent, report_id), 200)
            texts = [sent["text"] for sent in self.on.e2e.sent() if str(report_id) in str(sent)]
            marked = [text for text in texts if re.search("повтор", text[:80], re.IGNORECASE)]
            copies.append(len(texts))
            assert 1 <= len(texts) <= 2 and len(texts) - len(marked) <= 1, f"{len(texts)} letters, {len(marked)} marked"
        return copies

    def _is_sent(self, report_id: Any) -> bool:
        with db.as_service("drill") as connection:
            letters = outbox.of_report(connection, self.on.e2e.tenant_id, report_id)
        return bool(letters) and all(letter.status == "sent" for letter in letters)


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill every process in every step of a run.")
    parser.add_argument("--cases", default="", help="process:step, comma-separated; all of them without it")
    parser.add_argument("--outage", action="store_true", help="the database away for 30 s too, as without --cases")
    parser.add_argument("--fast", action="store_true", help="leases of what was killed are run out by hand")
    arguments = parser.parse_args()
    wanted = [case.partition(":") for case in arguments.cases.split(",") if case]
    cases = [(process, step) for process, _, step in wanted] or [
        (process, step) for process in PROCESSES for step in STEPS
    ]
    failed = 0
    with installation() as made:
        drill = Drill(made, is_fast=arguments.fast)
        if not wanted or arguments.outage:
            print(f"an outage of 30 s: {drill.outage()}", flush=True)
        for process in dict.fromkeys(process for process, _ in cases):
            for outcome in drill.play([case for case in cases if case[0] == process]):
                failed += bool(outcome.failure)
                print(outcome.line(), flush=True)
    print(f"{len(cases) - failed} of {len(cases)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
