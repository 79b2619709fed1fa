"""pytest as the commands of the suite start it: how many workers, which tests, on which Postgres."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO

from synkro.core.settings import ROOT

#: a test waits two thirds of its time, so three workers keep a processor busy
WORKERS_PER_CPU = 3
#: each worker has a Postgres, Dagster and dbt in memory
WORKER_BYTES = 1_200_000_000
NOTHING_SELECTED = 5
#: files that take a minute and more, the longest first: one that begins last is waited for alone, while the other workers
#: have nothing left. A file that is missing here costs time, nothing else.
LONGEST_FIRST = (
    "orchestration/run/test_main_job.py",
    "orchestration/run/test_reconciliation.py",
    "ingestion/test_parts.py",
    "transforms/test_increment.py",
    "ingestion/test_fault_catalogue.py",
    "ingestion/test_crash_points.py",
    "transforms/test_rebuild.py",
    "orchestration/run/test_revisions.py",
    "orchestration/run/test_termination.py",
    "supabase/test_hosted.py",
    "orchestration/process/test_hosted_limits.py",
    "orchestration/run/test_intents.py",
    "orchestration/run/test_verticals.py",
    "orchestration/process/test_schema_stays.py",
    "synkro/database/test_upgrade.py",
    "transforms/test_oracle.py",
    "ingestion/test_contract.py",
    "app/pages/test_pages.py",
    "app/pages/test_interactions.py",
    "analysis/questions/test_answering.py",
    "sandbox/test_company.py",
    "transforms/test_unit_tests.py",
    "orchestration/run/test_modes.py",
    "app/pages/test_one_number.py",
    "cli/test_killed_run.py",
    "orchestration/queue/test_blocking.py",
    "orchestration/run/test_history.py",
    "orchestration/queue/test_backfill.py",
    "synkro/database/test_tenant_filters.py",
    "ingestion/test_amocrm.py",
    "transforms/test_worked_cases.py",
    "app/test_services.py",
    "cli/test_command_line.py",
)
_RANK = {f"{Path(__file__).parents[1]}/{name}": rank for rank, name in enumerate(LONGEST_FIRST)}


def rank(path: Path) -> int:
    """Where a file of tests stands in the order; files without a place keep their own, after the others."""
    return _RANK.get(str(path), len(_RANK))


def place(word: str) -> str:
    """``app`` → ``tests/app``; a path or an option stays as it is."""
    folder = Path(__file__).parents[1] / word
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
    command.append("--no-loadscope-reorder")
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, env={**os.environ, **environment}, check=False,
        stdin=subprocess.DEVNULL, stdout=output, stderr=output,
    ).returncode  # fmt: skip
