"""What the tests need beyond Python packages: a browser and Redis, for the assurance Supabase's CLI. Installed when we may, asked for
when we may not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from synkro.core.settings import ROOT

#: program → Debian's package
NEEDED = {"chromium": "chromium", "redis-server": "redis-server"}

#: the version whose flags the docs name
SUPABASE_CLI = "3.1.0"


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


def supabase_cli() -> Path | None:
    """Supabase's CLI of that version, installed by npm where there is npm; None where it cannot be had."""
    folder = ROOT / "build" / "supabase-cli"
    program = folder / "node_modules" / ".bin" / "supabase"
    for candidate in (program, *map(Path, filter(None, [shutil.which("supabase")]))):
        if candidate.exists() and _version(candidate) == SUPABASE_CLI:
            return candidate
    if not shutil.which("npm"):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--silent", f"supabase@{SUPABASE_CLI}"]
    subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False)
    return program if program.exists() else None


def _version(program: Path) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
