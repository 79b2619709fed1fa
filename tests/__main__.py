"""``make test``: everything but the assurance on the bundled Postgres, two other days, then what runs SQL on the system's one.

``python -m tests [WHERE …]`` takes names of packages (``app``), files or folders, and any option of pytest.
"""

from __future__ import annotations

import subprocess
import sys
import time

from tests import dates
from tests.conftest import system_binaries
from tests.support import needs, running

#: what is asked again on the system's Postgres: each statement of ours once, without whole processes and browsers; `make assurance`
#: asks everything that uses a database there
RUNS_SQL = "postgres and not slow and not assurance"
SQL = (
    "tests/analysis/report/test_inputs.py",
    "tests/analysis/llm/test_money.py",
    "tests/app/test_rows_and_marts.py",
    "tests/app/test_services.py",
    "tests/delivery/test_sender.py",
    "tests/delivery/test_silence.py",
    "tests/delivery/test_updates.py",
    "tests/ingestion/test_landing.py",
    "tests/ingestion/test_loading.py",
    "tests/orchestration/run/test_as_of.py",
    "tests/orchestration/queue/test_locks.py",
    "tests/orchestration/queue/test_schedules.py",
    "tests/synkro",
    "tests/transforms",
)


def main(arguments: list[str]) -> int:
    needs.main()
    began = time.monotonic()
    where = [running.place(word) for word in arguments]
    found = system_binaries()
    # beside the first tests, which wait for the template of theirs on one processor
    beforehand = (
        subprocess.Popen([sys.executable, "-m", "tests.support.cluster", str(found)]) if found and not where else None
    )
    statuses = [running.pytest("not assurance", ["--durations", "10", *where])]
    if not where:
        for moment in dates.rotation(2):
            print(f"— the clock at {moment:%a %Y-%m-%d %H:%M %z}", flush=True)
            day = {"SYNKRO_TEST_NOW": moment.isoformat()}
            statuses.append(running.pytest("not slow and not assurance", dates.COMPANIES, day))
    if beforehand is not None:
        beforehand.wait()
    if found is not None:
        print(f"— the system's Postgres: {found}", flush=True)
        statuses.append(running.pytest(RUNS_SQL, ["--postgres", "system", *(where or SQL)]))
    # a part may have nothing for the second Postgres
    wrong = [status for status in statuses if status and not (where and status == running.NOTHING_SELECTED)]
    print(f"— {'FAILED' if wrong else 'passed'} in {time.monotonic() - began:.0f} s", flush=True)
    return wrong[0] if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
