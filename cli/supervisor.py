"""Child processes: started together, restarted when they die, stopped together.

A child that dies is started again after 1, 2, 4 … 30 s. SIGTERM or Ctrl-C asks every child to end and kills what
is still there after 15 s. Each child leads its own process group, so that its own children end with it.
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


class Supervisor:
    """Start children with :meth:`add`, then :meth:`watch` until told to stop."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._children: list[Child] = []
        self._tell = tell
        self._stopping = threading.Event()

    def add(self, name: str, command: list[str], log: Path, **environment: str) -> None:
        child = Child(name, command, log, environment)
        self._children.append(child)
        self._start(child)

    def _start(self, child: Child) -> None:
        child.log.parent.mkdir(parents=True, exist_ok=True)
        with child.log.open("ab") as log:
            child.process = subprocess.Popen(
                child.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **child.environment},
                start_new_session=True,
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
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
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
        """End every child, in the reverse order of their start."""
        self._stopping.set()
        living = [
            child for child in reversed(self._children) if child.process is not None and child.process.poll() is None
        ]
        for child in living:
            assert child.process is not None
            _signal_group(child.process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for child in living:
            assert child.process is not None
            try:
                child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(child.process, signal.SIGKILL)
                child.process.wait(timeout=5)
            # what the child left behind in its group ends with it
            _signal_group(child.process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def program(name: str) -> str:
    """A console script of this environment."""
    return str(Path(sys.executable).with_name(name))
