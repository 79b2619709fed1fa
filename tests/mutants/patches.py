"""A planted mutant: a patch that breaks one promise of the product, and the test that has to go red for it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from synkro.core.settings import ROOT

FOLDER = ROOT / "tests" / "mutants"
AREAS = (
    "synkro",
    "ingestion",
    "transforms",
    "analysis",
    "delivery",
    "orchestration",
    "services",
    "app",
    "sandbox",
    "cli",
)
#: a moved line must not spoil a patch; what it changes has to stand there word for word
_APPLY = ("git", "apply", "--recount", "-C1")

#: Python knows changed bytecode by whole seconds and sizes: every change gets a second of its own
_seconds = itertools.count(1_000_000_000)

_HEADER = re.compile(r"^(Breaks|Killed by|Slow|In a fixture): *(.*)$", re.M)
_TARGET = re.compile(r"^\+\+\+ b/(.+)$", re.M)


class WrongPatch(ValueError):
    """The file is no mutant as the README describes it."""


@dataclass(frozen=True)
class Mutant:
    """``breaks``: the promise in one sentence; ``killed_by``: a node id of pytest.

    ``in_fixture``: what is asserted stands in a fixture of the test, whose failure is an error to pytest.
    """

    path: Path
    breaks: str
    killed_by: str
    is_slow: bool
    in_fixture: bool
    #: the files it changes, from the root of the tree
    targets: tuple[str, ...]

    @property
    def area(self) -> str:
        return self.path.parent.name

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def test_file(self) -> str:
        return self.killed_by.partition("::")[0]


def read(path: Path) -> Mutant:
    """Raises :class:`WrongPatch` when a header or the diff is missing."""
    text = path.read_text(encoding="utf-8")
    head, _, diff = text.partition("--- a/")
    fields = dict(_HEADER.findall(head))
    if not diff:
        raise WrongPatch(f"{path}: there is no diff")
    if missing := [name for name in ("Breaks", "Killed by") if not fields.get(name)]:
        raise WrongPatch(f"{path}: no header {', '.join(missing)}")
    if "::" not in fields["Killed by"]:
        raise WrongPatch(f"{path}: «Killed by» has to name a test, not a file")
    targets = tuple(_TARGET.findall(text))
    if wrong := [name for name in targets if name.startswith("tests/")]:
        raise WrongPatch(f"{path}: a mutant breaks the product, not {wrong[0]}")
    is_slow, in_fixture = (fields.get(name) == "yes" for name in ("Slow", "In a fixture"))
    return Mutant(path, fields["Breaks"], fields["Killed by"], is_slow, in_fixture, targets)


def everything() -> list[Mutant]:
    return [read(path) for path in sorted(FOLDER.glob("*/*.patch"))]


def copy_tree(target: Path) -> None:
    """The tracked tree; of an unpacked archive everything but what a run leaves behind."""
    # git speaks of a repository around the folder too: only its own root counts
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, check=True, text=True,
        ).stdout.split("\0")  # fmt: skip
        for name in listed:
            if name and (ROOT / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, target / name)
    else:
        left = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "target", "logs")
        shutil.copytree(ROOT, target, ignore=left, dirs_exist_ok=True)


def apply(mutant: Mutant, tree: Path) -> str:
    """Change the tree; returns why it could not be done, else an empty text."""
    done = subprocess.run(
        [*_APPLY, str(mutant.path)],
        cwd=tree, capture_output=True, text=True, check=False,
        # inside a repository git looks for the files from its root
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)},
    )  # fmt: skip
    if done.returncode:
        return (done.stderr.strip() or f"git apply: {done.returncode}").splitlines()[0]
    _stamp(mutant, tree)
    for name in mutant.targets:
        if name.endswith(".py"):
            try:
                compile((tree / name).read_text(encoding="utf-8"), name, "exec")
            except SyntaxError as error:
                return f"{name} is no Python any more: {error}"
    return ""


def restore(mutant: Mutant, tree: Path) -> None:
    """The changed files as they were."""
    for name in mutant.targets:
        shutil.copyfile(ROOT / name, tree / name)
    _stamp(mutant, tree)


def _stamp(mutant: Mutant, tree: Path) -> None:
    second = next(_seconds)
    for name in mutant.targets:
        os.utime(tree / name, (second, second))
