"""The supervisor: what dies is started again, and in the end nobody is left, not even of an earlier life."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.process import serve
from cli.process import supervisor as module
from cli.process.supervisor import Supervisor
from synkro.core.errors import ConfigurationError
from synkro.core.settings import ROOT, override, settings
from tests.support.virtual_time import VirtualTime

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


def test_what_a_child_writes_is_its_owners(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "log").touch(mode=0o644)
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).mkdir(); print('written', flush=True)"
    supervisor.add("writer", [sys.executable, "-c", code, str(tmp_path / "made")], tmp_path / "log")
    until(lambda: b"written" in (tmp_path / "log").read_bytes(), supervisor.tend)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("made", "log")] == [0o700, 0o600]


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


#: a supervisor of three that reports itself and waits to be killed: ``MOMENT`` says when it is ready for that
KILLED = """
import os, pathlib, signal, sys, threading, time
from cli.process import supervisor as module
from cli.process.supervisor import Supervisor
moment, folder, child = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
module.GRACE = 1.0
made = Supervisor(lambda text: None)
def ready(): (folder / 'ready').touch(); time.sleep(600)
def add(name): made.add(name, [sys.executable, '-c', child, str(folder / name)], folder / f'{name}.log')
add('one')
if moment == 'after the first': ready()
add('two'); add('three')
if moment == 'after the last': ready()
def noted(): return [sum(line.count(' ') for line in (folder / n).open()) if (folder / n).exists() else 0 for n in ('one', 'two', 'three')]
while not all(noted()): made.tend(); time.sleep(0.02)
if moment == 'steady': ready()
if moment == 'after a restart':
    os.kill(int((folder / 'one').read_text().split()[0]), signal.SIGKILL)
    while noted()[0] < 2: made.tend(); time.sleep(0.02)
    ready()
if moment == 'while stopping':
    threading.Timer(0.3, (folder / 'ready').touch).start(); module.GRACE = 600.0; made.stop()
if moment == 'its helper was killed too':
    made._orphans.kill(); made._orphans.wait(); made.tend(); ready()
"""
#: starts one of its own; both are deaf to SIGTERM and note themselves
DEAF_PAIR = PAIR.replace("import os,", "import signal, os,").replace(
    "other =", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nother =", 1
)


@pytest.mark.parametrize(
    "moment",
    ["after the first", "after the last", "steady", "after a restart", "while stopping", "its helper was killed too"],
)
def test_nobody_outlives_a_supervisor_that_was_killed(moment: str, tmp_path: Path) -> None:
    script = [sys.executable, "-c", KILLED, moment, str(tmp_path), DEAF_PAIR]
    environment = {**os.environ, "SYNKRO_DATA_DIR": str(tmp_path / "data")}
    (tmp_path / "data").mkdir()
    killed = subprocess.Popen(script, cwd=ROOT, env=environment)
    try:
        until(lambda: (tmp_path / "ready").exists(), lambda: None)
        until(lambda: bool(lives(tmp_path / "one")), lambda: None)
    finally:
        killed.kill()
        killed.wait()
    until(lambda: not left(tmp_path), lambda: None)
    until(lambda: not (tmp_path / "data" / "ending").exists(), lambda: None)


def left(folder: Path) -> list[int]:
    """Children and their children that still live."""
    pids = [pid for name in ("one", "two", "three") for pair in lives(folder / name) for pid in pair]
    return [pid for pid in pids if is_alive(pid)]


def test_the_next_start_waits_for_the_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is busy because the last run was killed a moment ago is no reason to refuse; any other busy port is."""
    monkeypatch.setenv("SYNKRO_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    told: list[str] = []
    monkeypatch.setattr(serve, "say", told.append)
    with socket.create_server(("127.0.0.1", 0)) as busy, socket.create_server(("127.0.0.1", 0)) as free:
        override(port=busy.getsockname()[1], dagster_port=free.getsockname()[1])
        free.close()
        with pytest.raises(ConfigurationError, match="занят"):
            serve.check_ports()
        module.ending_file().touch()

        def end() -> None:
            busy.close()
            module.ending_file().unlink()

        threading.Timer(1.5, end).start()
        serve.check_ports()
    assert len(told) == 1 and "завершаются" in told[0]
    settings.cache_clear()
