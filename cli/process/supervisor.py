"""Child processes: started together, restarted when they die, stopped together.

A child that dies is started again after 1, 2, 4 … 30 s. SIGTERM or Ctrl-C asks every child to end and kills what
is still there after 15 s. Each child leads its own process group, so that its own children end with it: when it is
stopped, not when it dies, for the run of a killed code server goes on.

A supervisor that is killed itself leaves nobody either: ``orphans.py`` is told of every group by a pipe, and ends them when the
pipe closes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cli.process.end_children import signal_group
from synkro.core.files import PRIVATE_UMASK
from synkro.core.settings import settings

GRACE = 15.0
LONGEST_PAUSE = 30.0
#: a child that lived this long has started well: the next death begins at 1 s again
HEALTHY = 60.0


@dataclass
class Child:
    name: str
    command: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    next_start: float = 0.0
    pause: float = 1.0
    #: process groups of earlier lives in which somebody still works
    groups: list[int] = field(default_factory=list)


class Supervisor:
    """Start children with :meth:`add`, then :meth:`watch` until told to stop."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._children: list[Child] = []
        self._orphans: subprocess.Popen[bytes] | None = None
        self._tell = tell
        self._stopping = threading.Event()

    def add(self, name: str, command: list[str], log: Path, **environment: str) -> None:
        child = Child(name, command, log, environment)
        self._children.append(child)
        self._start(child)

    def _told_of(self) -> int:
        """The pipe of the process that ends the others when this one is killed; started anew when it has gone."""
        if self._orphans is None or self._orphans.poll() is not None:
            command = [
                sys.executable,
                "-I",
                str(Path(__file__).with_name("end_children.py")),
                str(GRACE),
                str(ending_file()),
            ]
            self._orphans = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
            )
            pipe = self._pipe(self._orphans)
            for child in self._children:
                for group in [*child.groups, *_living(child)]:
                    os.write(pipe, b"%d\n" % group)
        return self._pipe(self._orphans)

    @staticmethod
    def _pipe(process: subprocess.Popen[bytes]) -> int:
        assert process.stdin is not None
        return process.stdin.fileno()

    def _start(self, child: Child) -> None:
        child.log.parent.mkdir(parents=True, exist_ok=True)
        pipe = self._told_of()
        with open(child.log, "ab", opener=_privately) as log:
            child.process = subprocess.Popen(
                child.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **child.environment},
                start_new_session=True,
                umask=PRIVATE_UMASK,
                # by the child itself, before it does anything: there is no moment in which nobody knows of it
                preexec_fn=lambda: os.write(pipe, b"%d\n" % os.getpid()),
            )
        child.started_at = time.monotonic()

    def stop_on_signals(self) -> None:
        """SIGTERM and Ctrl-C end :meth:`watch`."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def watch(self) -> None:
        """Restart what dies, until asked to stop."""
        while not self._stopping.wait(0.5):
            self.tend()

    def tend(self) -> None:
        """One look at every child."""
        now = time.monotonic()
        if self._children:
            self._told_of()
        for child in self._children:
            # asked at every look: once it is empty its number may become anybody's
            child.groups = [group for group in child.groups if signal_group(group, 0)]
            if child.process is not None and child.process.poll() is not None:
                if signal_group(child.process.pid, 0):
                    child.groups.append(child.process.pid)
                if now - child.started_at > HEALTHY:
                    child.pause = 1.0
                self._tell(
                    f"{child.name}: процесс завершился (код {child.process.returncode}), "
                    f"перезапуск через {child.pause:.0f} с. Журнал: {child.log}"
                )
                child.process = None
                child.next_start = now + child.pause
                child.pause = min(child.pause * 2, LONGEST_PAUSE)
            elif child.process is None and now >= child.next_start:
                self._start(child)

    def stop(self) -> None:
        """End every child, in the reverse order of their start, and what their earlier lives left running."""
        self._stopping.set()
        groups = [group for child in reversed(self._children) for group in [*child.groups, *_living(child)]]
        for group in groups:
            signal_group(group, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while any(self._is_left(group) for group in groups) and time.monotonic() < deadline:
            time.sleep(0.05)
        for group in groups:
            signal_group(group, signal.SIGKILL)
        for child in self._children:
            if child.process is not None:
                child.process.wait(timeout=5)
        if self._orphans is not None and self._orphans.stdin is not None:
            self._orphans.stdin.close()
            self._orphans.wait(timeout=GRACE + 5)

    def _is_left(self, group: int) -> bool:
        for child in self._children:
            if child.process is not None:
                child.process.poll()
        return signal_group(group, 0)


def _living(child: Child) -> list[int]:
    return [child.process.pid] if child.process is not None and signal_group(child.process.pid, 0) else []


def ending_file() -> Path:
    """There while the children of a killed supervisor are being ended."""
    return settings().data_dir / "ending"


def wait_for_the_last(tell: Callable[[str], None]) -> bool:
    """Until the children of a supervisor that was killed have gone, and their ports with them; whether there were any."""
    if not ending_file().exists():
        return False
    deadline = time.monotonic() + GRACE + 5
    tell("Прежний запуск прервали, его процессы ещё завершаются…")
    while ending_file().exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    # left by a machine that was switched off meanwhile
    ending_file().unlink(missing_ok=True)
    return True


def _privately(path: str, flags: int) -> int:
    """A log may quote what people wrote."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def program(name: str) -> str:
    """A console script of this environment."""
    return str(Path(sys.executable).with_name(name))
