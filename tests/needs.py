"""What the tests need beyond Python packages: a browser and Redis. Installed when we may, asked for when we may not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

#: program → Debian's package
NEEDED = {"chromium": "chromium", "redis-server": "redis-server"}


def main() -> None:
    missing = lacking()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Ставим для проверок: {', '.join(missing)}…", flush=True)
        # Debian starts a service it installs: ours are started by the tests that need them
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=quiet, check=False)
        missing = lacking()
    if missing:
        sys.exit(f"Для проверок не хватает программ: apt-get install {' '.join(missing)}, потом повторите make test.")


def lacking() -> list[str]:
    """Packages whose program is not on this machine."""
    return [package for program, package in NEEDED.items() if not shutil.which(program)]


if __name__ == "__main__":
    main()
