"""pytest as the commands of the suite start it: how many workers, which tests, on which Postgres."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO

from synkro.settings import ROOT

#: a test waits two thirds of its time, so three workers keep a processor busy
WORKERS_PER_CPU = 3
#: each worker has a Postgres, Dagster and dbt in memory
WORKER_BYTES = 1_200_000_000
NOTHING_SELECTED = 5


def place(word: str) -> str:
    """``app`` → ``tests/app``; a path or an option stays as it is."""
    folder = Path(__file__).parent / word
    return str(folder) if word and not word.startswith("-") and folder.exists() else word


def workers() -> int:
    """As many as keep the processors busy and fit into the memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min((os.cpu_count() or 1) * WORKERS_PER_CPU, memory // WORKER_BYTES))


def pytest(
    selection: str,
    arguments: Sequence[str],
    environment: Mapping[str, str] = MappingProxyType({}),
    *,
    jobs: int = 0,
    output: IO[bytes] | None = None,
) -> int:
    """pytest's exit status for the tests that ``selection`` (its ``-m``) leaves."""
    command = [sys.executable, "-m", "pytest", "-m", selection, "-n", str(jobs or workers()), "--dist", "loadfile"]
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, env={**os.environ, **environment}, check=False,
        stdin=subprocess.DEVNULL, stdout=output, stderr=output,
    ).returncode  # fmt: skip
