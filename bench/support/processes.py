"""What a run's processes use while it lives: processor, memory, connections. For :mod:`bench.run`."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

TICK = os.sysconf("SC_CLK_TCK")


class Processes:
    """What the kernel knows of the processes on this machine: no more than /proc tells."""

    @staticmethod
    def spent(pids: set[int]) -> float:
        """Processor seconds of the living ones of these processes and of their children that ended."""
        ticks = 0
        for pid in pids:
            with suppress(OSError):
                ticks += sum(map(int, _stat(pid)[11:15]))
        return ticks / TICK

    @staticmethod
    def family(root: int) -> set[int]:
        """The process and everything under it."""
        parents: dict[int, int] = {}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                parents[int(path.name)] = int(_stat(int(path.name))[1])
        found, grown = {root}, True
        while grown:
            more = {pid for pid, parent in parents.items() if parent in found} - found
            found, grown = found | more, bool(more)
        return found

    @staticmethod
    def memory(pid: int) -> tuple[int, int]:
        """(resident, own) kilobytes; own leaves out what a forked process shares with its parent."""
        values = {"Rss": 0, "Private_Clean": 0, "Private_Dirty": 0}
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in values:
                    values[name] = int(rest.split()[0])
        return values["Rss"], values["Private_Clean"] + values["Private_Dirty"]


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@dataclass
class Watch:
    """Looks at the run's process while it lives, five times a second."""

    url: str
    resident: int = 0
    own: int = 0
    connections: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self._over.wait(0.2):
                row = connection.execute(
                    "select count(*) from pg_stat_activity where backend_type = 'client backend'"
                ).fetchone()
                assert row is not None
                self.connections = max(self.connections, row[0])
                for pid in _run_processes():
                    resident, own = Processes.memory(pid)
                    self.resident, self.own = max(self.resident, resident), max(self.own, own)


def _run_processes() -> list[int]:
    """Pids of run workers: the only processes with a worker directory's heartbeat thread are named by Dagster's fork or spawn."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_text()
            if "multiprocessing.forkserver" in words or "multiprocessing.spawn" in words:
                found.append(int(path.parent.name))
    return found


def server_pid(url: str) -> int:
    """Of the database server's first process, on this machine."""
    with psycopg.connect(url) as connection:
        row = connection.execute("show data_directory").fetchone()
    assert row is not None
    return int((Path(row[0]) / "postmaster.pid").read_text().split("\n", 1)[0])
