"""The supervisor: what dies is started again, and in the end nobody is left, not even of an earlier life."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import supervisor as module
from cli.supervisor import Supervisor
from tests.virtual_time import VirtualTime

#: a child that starts a child of its own, notes both, and sleeps
PAIR = (
    "import os, pathlib, subprocess, sys, time\n"
    "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "with pathlib.Path(sys.argv[1]).open('a') as out: out.write(f'{os.getpid()} {other.pid}\\n')\n"
    "time.sleep(600)\n"
)
DEAF = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)\n"
)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor(lambda text: None)
    yield made
    made.stop()


def until(look: Callable[[], bool], tend: Callable[[], None], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        tend()
        time.sleep(0.05)


def lives(file: Path) -> list[tuple[int, int]]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(line.split()[0]), int(line.split()[1])) for line in lines if line.count(" ") == 1]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_child_of_a_killed_child_goes_on_and_ends_with_the_rest(supervisor: Supervisor, tmp_path: Path) -> None:
    """As the run of a killed code server does."""
    noted = tmp_path / "pids"
    supervisor.add("pair", [sys.executable, "-c", PAIR, str(noted)], tmp_path / "log")
    until(lambda: len(lives(noted)) == 1, supervisor.tend)
    os.kill(lives(noted)[0][0], signal.SIGKILL)
    until(lambda: len(lives(noted)) == 2, supervisor.tend)
    (_, orphan), (second, other) = lives(noted)
    assert is_alive(orphan) and is_alive(second) and is_alive(other)
    supervisor.stop()
    assert not [pid for pid in (orphan, second, other) if is_alive(pid)]


def test_who_does_not_hear_is_killed_in_time(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.GRACE <= 15, "all of it within 20 s"
    clock = VirtualTime()
    monkeypatch.setattr(module, "time", clock)
    for name in ("one", "two", "three"):
        supervisor.add(name, [sys.executable, "-c", DEAF], tmp_path / name)
    until(lambda: all((tmp_path / name).read_text() for name in ("one", "two", "three")), supervisor.tend)
    pids = [child.process.pid for child in supervisor._children if child.process]
    started = clock.monotonic()
    supervisor.stop()
    waited = clock.monotonic() - started
    assert module.GRACE <= waited < module.GRACE + 0.1, "one patience for all of them, not one each"
    assert not [pid for pid in pids if is_alive(pid)]


def test_a_child_that_keeps_dying_is_started_ever_more_seldom(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualTime()
    monkeypatch.setattr(module, "time", clock)
    supervisor.add("dying", [sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log")
    (child,) = supervisor._children
    pauses = []
    for _ in range(6):
        until(lambda: child.process is None, supervisor.tend)
        pauses.append(child.next_start - clock.monotonic())
        child.next_start = 0.0
        supervisor.tend()
    assert pauses == [1, 2, 4, 8, 16, 30]
