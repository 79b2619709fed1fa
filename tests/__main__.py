"""``make test``: everything on the embedded Postgres, then what needs a database on the system's one."""

from __future__ import annotations

import os
import subprocess
import sys

from tests import needs
from tests.conftest import system_binaries

#: more would race for the sockets and the memory of a laptop
MOST_WORKERS = 4


def main() -> int:
    needs.main()
    # many tests race real processes, sockets and clocks on a machine that may be busy: one more chance each, and each
    # that took it is named at the end
    pytest = [sys.executable, "-m", "pytest", "--reruns", "1", "-rR"]
    # a worker a processor, each with a Postgres and a data folder of its own; much of a test is waiting
    pytest += ["-n", str(min(os.cpu_count() or 1, MOST_WORKERS)), "--dist", "loadfile"]
    print("— Postgres из пакета", flush=True)
    status = subprocess.run([*pytest, *sys.argv[1:]], check=False).returncode
    found = system_binaries()
    if found is not None:
        print(f"— Postgres системы: {found}", flush=True)
        again = subprocess.run(
            [*pytest, "-m", "postgres and not slow", "--postgres", "system", *sys.argv[1:]], check=False
        ).returncode
        status = status or again
    return status


if __name__ == "__main__":
    sys.exit(main())
