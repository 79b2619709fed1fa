"""``python -m tests.mutants`` (``make mutants``): plants each mutant in a copy of the tree and runs the test that must go red.

Every test that kills is run once without a mutant first: one that is red or empty anyway kills nothing. With a mutant
it has to fail by itself: an error before the test, no test at all and a test that hangs are errors of ours, not kills.
Exit status 0: every mutant was applied and killed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.patches import AREAS, Mutant, apply, copy_tree, everything, restore

#: one run of one test, seconds
TIMEOUT = 300.0
#: time of a test that is being ended, for its servers, seconds
_GRACE = 20.0
_PYTEST = (
    "-x",
    "-q",
    "--hypothesis-seed=0",
    "-p",
    "no:randomly",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:rerunfailures",
    "-p",
    "no:xdist",
)

KILLED, SURVIVED, UNAPPLIED, BROKEN, ERROR = "killed", "SURVIVED", "DOES NOT APPLY", "BROKEN CONTROL", "ERROR"


@dataclass(frozen=True)
class Verdict:
    mutant: Mutant
    outcome: str
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Done:
    """One run of pytest. ``cases``: name of each test → passed, failed, error or skipped."""

    status: int | None
    cases: dict[str, str]
    text: str

    def of(self, node_id: str) -> list[str]:
        """Outcomes of the tests the id names: a function names all its parameters."""
        wanted = node_id.partition("::")[2].replace("::", ".")
        return [how for name, how in self.cases.items() if name == wanted or name.startswith(f"{wanted}[")]

    @property
    def tail(self) -> str:
        lines = [line for line in self.text.splitlines() if line.startswith(("E  ", "FAILED", "ERROR"))]
        return (lines or self.text.splitlines() or [""])[-1][:160]


class Lane:
    """One copy of the tree; its mutants are planted one after another."""

    def __init__(self, folder: Path) -> None:
        self.tree, self._report = folder / "tree", folder / "report.xml"
        self.tree.mkdir(parents=True)
        copy_tree(self.tree)

    def judge(self, mutants: Sequence[Mutant]) -> list[Verdict]:
        """Mutants of one test file: one run of their tests as they are, then each mutant."""
        tests = sorted({mutant.killed_by for mutant in mutants})
        control = self._run(tests, TIMEOUT + 60 * len(tests), is_control=True)
        verdicts = []
        for mutant in mutants:
            outcomes = control.of(mutant.killed_by)
            if "passed" not in outcomes or set(outcomes) - {"passed", "skipped"}:
                verdict = Verdict(mutant, BROKEN, 0.0, control.tail if outcomes else "no such test")
            else:
                verdict = self._plant(mutant)
            show(verdict)
            verdicts.append(verdict)
        return verdicts

    def _plant(self, mutant: Mutant) -> Verdict:
        started = time.monotonic()
        try:
            if why := apply(mutant, self.tree):
                return Verdict(mutant, UNAPPLIED, 0.0, why)
            done = self._run([mutant.killed_by], TIMEOUT)
        finally:
            restore(mutant, self.tree)
        seconds = time.monotonic() - started
        outcomes = done.of(mutant.killed_by)
        died = {"failed", "error"} if mutant.in_fixture else {"failed"}
        if done.status == 1 and set(outcomes) <= died | {"passed", "skipped"} and died & set(outcomes):
            return Verdict(mutant, KILLED, seconds)
        if done.status == 0 and "passed" in outcomes:
            return Verdict(mutant, SURVIVED, seconds)
        how = "timed out" if done.status is None else f"pytest ended with {done.status}"
        return Verdict(mutant, ERROR, seconds, f"{how}: {done.tail}")

    def _run(self, tests: Sequence[str], timeout: float, *, is_control: bool = False) -> Done:
        options = [option for option in _PYTEST if not (is_control and option == "-x")]
        # the copy, in every process a test starts
        environment = {**os.environ, "PYTHONPATH": str(self.tree)}
        self._report.unlink(missing_ok=True)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *options, f"--junitxml={self._report}", *tests],
                cwd=self.tree, env=environment, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
            try:
                status: int | None = process.wait(timeout)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                _end(process)
            output.seek(0)
            return Done(status, _cases(self._report), output.read())


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the test take its servers down, then end what is left of it."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _cases(report: Path) -> dict[str, str]:
    if not report.exists():
        return {}
    found: dict[str, str] = {}
    # a test that failed may be followed by an error of its fixture: the failure is what is asked for
    for case in ElementTree.parse(report).iter("testcase"):
        children = {child.tag for child in case}
        how = next((tag for tag in ("failure", "error", "skipped") if tag in children), "passed")
        name = case.get("name", "")
        if found.get(name) != "failed":
            found[name] = "failed" if how == "failure" else how
    return found


_print_lock = threading.Lock()


def show(verdict: Verdict) -> None:
    mutant = verdict.mutant
    line = f"{mutant.name:48} {mutant.area:14} {verdict.outcome:15} {verdict.seconds:6.1f}"
    with _print_lock:
        print(line, flush=True)
        if verdict.note:
            print(f"    {verdict.note}", flush=True)


def chosen(words: Sequence[str]) -> list[Mutant]:
    mutants = everything()
    if not words:
        return mutants
    return [mutant for mutant in mutants if mutant.area in words or mutant.name in words]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description="Plants every mutant and runs its test."
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help=f"a mutant or an area: {', '.join(AREAS)}"
    )
    parser.add_argument("--jobs", type=int, default=2, help="copies of the tree at work at once")
    arguments = parser.parse_args()
    mutants = chosen(arguments.only)
    if not mutants:
        parser.error("there is no such mutant")
    groups: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        groups.setdefault(mutant.test_file, []).append(mutant)
    # the longest first, so that no lane is left alone with it at the end
    queue = sorted(groups.values(), key=lambda group: (any(one.is_slow for one in group), len(group)), reverse=True)
    # a shell's background job ignores Ctrl-C, and so would every test that has to be ended
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="synkro-mutants-") as folder:
        # servers of the tests run as an ordinary user, who has to get in
        Path(folder).chmod(0o755)
        lanes = [Lane(Path(folder, str(number))) for number in range(min(arguments.jobs, len(queue)))]
        print(f"{'mutant':48} {'area':14} {'outcome':15} seconds", flush=True)
        free = list(lanes)
        lock = threading.Lock()

        def work(group: list[Mutant]) -> list[Verdict]:
            with lock:
                lane = free.pop()
            try:
                return lane.judge(group)
            finally:
                with lock:
                    free.append(lane)

        with ThreadPoolExecutor(len(lanes)) as pool:
            verdicts = [verdict for found in pool.map(work, queue) for verdict in found]
    return summary(verdicts, time.monotonic() - started)


def summary(verdicts: Sequence[Verdict], seconds: float) -> int:
    bad = [verdict for verdict in verdicts if verdict.outcome != KILLED]
    if bad:
        print("\nNot killed:")
        for verdict in bad:
            show(verdict)
    killed = len(verdicts) - len(bad)
    survived = sum(verdict.outcome == SURVIVED for verdict in bad)
    print(f"\n{seconds:.0f} s")
    print(f"{killed} killed, {survived} survived, {len(bad) - survived} errors")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
