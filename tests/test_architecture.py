"""The architecture: arrows between packages, imports without side effects, lock files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from synkro.core.settings import ROOT
from tests.lockfiles import LOCKS
from tests.support.packages import ALL


def test_the_arrows_run_one_way() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_importing_a_package_builds_nothing() -> None:
    """No network, no file and no environment is needed to import: only functions build."""
    script = (
        "import os, sys; [os.environ.pop(n) for n in list(os.environ) if n.startswith('SYNKRO_')];"
        "import synkro.database.db, synkro.core.settings, analysis.report.builder, delivery.message, cli.main;"
        "heavy = {'dlt', 'openai', 'nicegui', 'dagster', 'dbt'} & set(sys.modules);"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", "heavy libraries are imported where they are used"


def test_every_package_has_a_docstring() -> None:
    for package in ALL:
        text = (ROOT / package / "__init__.py").read_text(encoding="utf-8").strip()
        assert text.startswith('"""') and len(text) > 20, f"{package} has no docstring"


def test_no_folder_is_a_crowd() -> None:
    """More modules side by side than a newcomer reads are several ideas: they get folders of their own."""
    crowds = {
        str(folder.relative_to(ROOT)): count
        for package in (*ALL, "bench")
        for folder in (ROOT / package, *(one for one in (ROOT / package).rglob("*") if one.is_dir()))
        if (count := sum(1 for one in folder.glob("*.py") if one.name != "__init__.py")) > 15
    }
    assert crowds == {}


def test_the_lock_files_hold_versions_and_hashes_only() -> None:
    """Each library by its exact version and the hashes of the files pip may choose (``python -m tests.lockfiles``); no address."""
    pin = r"[a-z0-9._-]+(?:\[[a-z,]+\])?==[^\s;\\]+(?: ;[^\\\n]*)?"
    for name in LOCKS:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert len(re.findall(f"(?m)^{pin}", text)) > 100
        left = re.sub(rf"(?m)^{pin}(?: \\\n    --hash=sha256:[0-9a-f]{{64}})+\n", "", text)
        assert left == "", f"{name}: {left[:200]}"
