"""Every planted mutant is a patch of today's tree with a test of today's that has to go red (``make mutants`` plants them)."""

from __future__ import annotations

import ast
import shutil
from functools import cache
from pathlib import Path

import pytest

from synkro.core.settings import ROOT
from tests.mutants.patches import AREAS, FOLDER, WrongPatch, apply, everything, read

#: fewer would leave a class of promises without a mutant
FEWEST = 40


def test_every_mutant_applies_and_names_a_test(tmp_path: Path) -> None:
    """A patch that no longer applies tests nothing, and nobody would notice."""
    wrong = []
    for mutant in everything():
        where = mutant.path.relative_to(FOLDER)
        tree = tmp_path / mutant.area / mutant.name
        for name in mutant.targets:
            if not (ROOT / name).exists():
                wrong.append(f"{where}: there is no {name}")
                continue
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
        if why := apply(mutant, tree):
            wrong.append(f"{where}: {why}")
        elif all((tree / name).read_bytes() == (ROOT / name).read_bytes() for name in mutant.targets):
            wrong.append(f"{where}: changes nothing")
        if mutant.killed_by.partition("::")[2].partition("[")[0] not in _tests(mutant.test_file):
            wrong.append(f"{where}: there is no {mutant.killed_by}")
    assert wrong == []


def test_there_are_mutants_of_every_area() -> None:
    mutants = everything()
    assert len(mutants) >= FEWEST
    assert {mutant.area for mutant in mutants} == set(AREAS)
    assert len({mutant.name for mutant in mutants}) == len(mutants), "a name is what --only takes"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Breaks: x\nKilled by: tests/a.py::test_b\n", "no diff"),
        ("Killed by: tests/a.py::test_b\n\n--- a/x.py\n+++ b/x.py\n", "Breaks"),
        ("Breaks: x\n\n--- a/x.py\n+++ b/x.py\n", "Killed by"),
        ("Breaks: x\nKilled by: tests/a.py\n\n--- a/x.py\n+++ b/x.py\n", "a test, not a file"),
        ("Breaks: x\nKilled by: tests/a.py::test_b\n\n--- a/tests/a.py\n+++ b/tests/a.py\n", "breaks the product"),
    ],
)
def test_a_wrong_patch_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "one.patch").write_text(text, encoding="utf-8")
    with pytest.raises(WrongPatch, match=why):
        read(tmp_path / "one.patch")


@cache
def _tests(file: str) -> frozenset[str]:
    """Names of the file's tests; none when there is no such file."""
    path = ROOT / file
    if not path.exists():
        return frozenset()
    found = ast.parse(path.read_text(encoding="utf-8")).body
    return frozenset(one.name for one in found if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
