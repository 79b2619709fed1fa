"""A wheel holds the whole product: what is no Python too, and a demo runs from it where there is no tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from synkro.core.settings import ROOT
from tests.support.packages import ALL

#: what a build reads; the rest of the tree (tests, docs, bench, deploy) has no part in it
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "dagster.yaml", "supabase", "transforms", *ALL)
#: documentation of the tree, and what tools leave behind
ASIDE = shutil.ignore_patterns("__pycache__", "target", "logs", "dbt_packages", ".user.yml", "data")


def copied(folder: Path) -> Path:
    """The sources apart: a build writes beside them."""
    folder.mkdir(exist_ok=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ASIDE)
        else:
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, made = copied(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("wheel")
    # the build tools are those of this environment: nothing is fetched
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--wheel-dir", made, source],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (found,) = made.glob("*.whl")
    return found


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_wheel_holds_every_file_the_product_reads(wheel: Path, tmp_path: Path) -> None:
    source, unpacked = copied(tmp_path / "source"), tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    inside = files(unpacked)
    of_packages = {
        f"{package}/{name}" for package in ALL for name in files(source / package) if not name.endswith("README.md")
    }
    assert len(of_packages) > 400 and of_packages - inside == set()
    for name in ("transforms", "supabase/migrations"):
        wanted = {f"synkro/data/{name}/{one}" for one in files(source / name)}
        assert wanted and wanted - inside == set()
    assert "synkro/data/dagster.yaml" in inside
    tops = {name.split("/")[0] for name in inside}
    assert tops == {*ALL, *(top for top in tops if top.endswith(".dist-info"))}, "nothing else lands in site-packages"

    # a cheap command, and what would look for its files in the tree
    said = subprocess.run(
        [sys.executable, "-c", "import sys; from orchestration.dbt.invoke import project_hash;"
         " from orchestration.process.instance import render; from synkro.core import resources;"
         " from synkro.database import migrations; from cli.main import main;"
         " print(len(migrations.available()), project_hash(), len(render(None)), resources.DBT_PROJECT, flush=True);"
         " sys.argv = ['synkro', '--help']; main()"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(unpacked)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    from orchestration.dbt.invoke import project_hash
    from synkro.database import migrations

    count, digest, _, project = said.stdout.splitlines()[0].split()
    assert (int(count), digest) == (len(migrations.available()), project_hash())
    assert project == str(unpacked / "synkro" / "data" / "transforms")
    assert "demo" in said.stdout


@pytest.mark.slow
@pytest.mark.assurance
def test_the_demo_runs_from_a_wheel_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """The libraries are those of this environment, the product is the wheel's alone."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, timeout=120)
    python = environment / "bin" / "python"
    (site,) = environment.glob("lib/python*/site-packages")
    # a plain line: the editable install of the tree stands in a .pth of that folder, which nobody reads from here
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True, timeout=120
    )
    folder = tmp_path / "empty"
    folder.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SYNKRO_", "PYTHON", "DAGSTER"))}
    ended = subprocess.run(
        [environment / "bin" / "synkro", "demo", "--no-serve"],
        cwd=folder, env=clean, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "Цифры против обычного" in ended.stdout
    where = subprocess.run(
        [python, "-c", "import cli, synkro; print(synkro.__file__, cli.__file__)"],
        cwd=folder, env=clean, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert all(str(site) in path for path in where)
    assert {path.name for path in folder.iterdir()} == {".synkro"}
