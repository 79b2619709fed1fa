"""What the tests need beyond Python packages: a browser. Installed when we may, asked for when we may not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def main() -> None:
    if shutil.which("chromium"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Ставим chromium для проверок страниц…", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False)
        done = subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], env=quiet, check=False
        )
        if done.returncode == 0 and shutil.which("chromium"):
            return
    sys.exit("Для проверок нужен браузер chromium: поставьте его (apt-get install chromium) и повторите make test.")


if __name__ == "__main__":
    main()
