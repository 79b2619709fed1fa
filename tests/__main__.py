"""``make test``: everything but the assurance on the bundled Postgres, then what runs SQL on the system's one.

``python -m tests [WHERE …]`` takes names of packages (``app``), files or folders, and any option of pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests import needs
from tests.conftest import system_binaries

ROOT = Path(__file__).parent
#: a test waits two thirds of its time, so three workers keep a processor busy
WORKERS_PER_CPU = 3
#: each worker has a Postgres, Dagster and dbt in memory
WORKER_BYTES = 1_200_000_000
#: what is asked for again on the system's Postgres: SQL, without whole processes and browsers
RUNS_SQL = "postgres and not slow and not assurance"


def main(arguments: list[str]) -> int:
    needs.main()
    began = time.monotonic()
    where = [place(word) for word in arguments]
    status = run("not assurance", "embedded", where)
    found = system_binaries()
    if found is not None:
        print(f"— the system's Postgres: {found}", flush=True)
        status = run(RUNS_SQL, "system", where) or status
    print(f"— {'passed' if status == 0 else 'FAILED'} in {time.monotonic() - began:.0f} s", flush=True)
    return status


def place(word: str) -> str:
    """``app`` → ``tests/app``; a path or an option stays as it is."""
    folder = ROOT / word
    return str(folder) if word and not word.startswith("-") and folder.exists() else word


def workers() -> int:
    """As many as keep the processors busy and fit into the memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min((os.cpu_count() or 1) * WORKERS_PER_CPU, memory // WORKER_BYTES))


def run(selection: str, postgres: str, where: list[str]) -> int:
    """pytest's exit status; «nothing selected» counts as success when a person asked for a part."""
    command = [sys.executable, "-m", "pytest", "-m", selection, "--postgres", postgres]
    command += ["-n", str(workers()), "--dist", "worksteal", "--durations", "10", *where]
    status = subprocess.run(command, check=False).returncode
    return 0 if status == 5 and where else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
