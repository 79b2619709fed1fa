"""How many small mistakes the tests see: ``python -m bench.mutation --sample 100 --seed 1 [--package analysis …]``.

Draws places for a mistake at random (:mod:`bench.support.mutation_operators`; a kind by the root of its places, so that rare kinds are met too), makes
each in a copy of the tree and runs the tests that stand nearest to the file, until one fails. What survives is printed as a
diff for a person to judge: code cannot tell a mistake without effect from one that no test sees.

Tests come by the static import graph: those of the package of the same name first, then the nearest, until ``--test-seconds``
are filled; those without a database first, which sees most mistakes in seconds. A test file that fails without a mistake is
left out and named. The state is kept in ``build/``:
a run that was stopped goes on where it was, ``--again`` runs what survived once more.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench.support.mutation_operators import Change, compiles, of_python, of_sql
from synkro.core.settings import ROOT

PACKAGES = ("synkro", "services", "app", "delivery", "analysis", "ingestion", "orchestration", "transforms")
_IN_COPY = (*PACKAGES, "bench", "sandbox", "cli", "tests", "deploy", "supabase", "docs")
#: edges of the import graph from a test to the file; further away everything reaches everything
_FARTHEST = 4
_SLOWEST_FILE = 240.0
_PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:xdist", "--no-header", "-rfE")
#: marks of the tests of a pass
_PASSES = ("not slow and not postgres", "not slow and postgres")
#: pytest's exit code of a file without a test of the pass
_NO_TESTS = 5


@dataclass(frozen=True)
class Mutant:
    """One mistake in one file. ``digest``: of the file it was drawn from."""

    path: str
    digest: str
    change: Change

    @property
    def key(self) -> str:
        return f"{self.path}:{self.digest}:{self.change.start}:{self.change.end}:{self.change.new}"

    def applied(self, root: Path) -> str:
        return self.change.applied((root / self.path).read_text(encoding="utf-8"))

    def line(self, root: Path) -> int:
        return (root / self.path).read_text(encoding="utf-8")[: self.change.start].count("\n") + 1

    def diff(self, root: Path) -> str:
        before = (root / self.path).read_text(encoding="utf-8").splitlines()
        lines = difflib.unified_diff(before, self.applied(root).splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def digest(root: Path, path: str) -> str:
    return sha256((root / path).read_bytes()).hexdigest()[:12]


# --- drawing ------------------------------------------------------------------------------------------------


def drawn(root: Path, packages: Sequence[str], sample: int, seed: int) -> list[Mutant]:
    """``sample`` mutants that compile, no two in one place; the same seed over the same tree gives the same ones."""
    by_kind: dict[str, list[Mutant]] = {}
    for package in packages:
        pattern = "*.sql" if package.startswith("transforms") else "*.py"
        for path in [root / package] if (root / package).is_file() else sorted((root / package).rglob(pattern)):
            name = str(path.relative_to(root))
            source = path.read_text(encoding="utf-8")
            for change in of_sql(source) if path.suffix == ".sql" else of_python(source):
                by_kind.setdefault(change.kind, []).append(Mutant(name, digest(root, name), change))
    rng = random.Random(seed)
    kinds = sorted(by_kind)
    found: list[Mutant] = []
    while len(found) < sample and kinds:
        kind = rng.choices(kinds, [len(by_kind[one]) ** 0.5 for one in kinds])[0]
        places = by_kind[kind]
        mutant = places.pop(rng.randrange(len(places)))
        if not places:
            kinds.remove(kind)
        source = (root / mutant.path).read_text(encoding="utf-8")
        is_taken = any(m.path == mutant.path and abs(m.change.start - mutant.change.start) < 3 for m in found)
        text = mutant.change.applied(source)
        if not is_taken and text != source and (mutant.path.endswith(".sql") or compiles(text)):
            found.append(mutant)
    return found


# --- which tests --------------------------------------------------------------------------------------------


class Tests:
    """Test files by how near they stand to a file of the tree."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self._root)) for path in (self._root / "tests").rglob("test_*.py"))

    @cached_property
    def _modules(self) -> dict[str, str]:
        """Module → its file."""
        found = {}
        for package in (*PACKAGES, "bench", "sandbox", "cli", "tests"):
            for path in (self._root / package).rglob("*.py"):
                name = str(path.relative_to(self._root))
                found[name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")] = name
        return found

    @cached_property
    def _imports(self) -> dict[str, set[str]]:
        """File → files it imports, a test's ``conftest.py`` among them."""
        graph: dict[str, set[str]] = {}
        for name in self._modules.values():
            tree = ast.parse((self._root / name).read_text(encoding="utf-8"))
            wanted: set[str] = set()
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    wanted |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    wanted |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            graph[name] = {self._modules[one] for one in wanted if one in self._modules}
            if name.startswith("tests/"):
                above = (str(parent / "conftest.py") for parent in Path(name).parents)
                graph[name] |= {one for one in above if (self._root / one).exists() and one != name}
        return graph

    def distances(self, path: str) -> dict[str, int]:
        """Test file → edges to ``path``, as far as :data:`_FARTHEST`."""
        importers: dict[str, set[str]] = {}
        for name, imported in self._imports.items():
            for one in imported:
                importers.setdefault(one, set()).add(name)
        found, queue = {path: 0}, deque([path])
        while queue:
            at = queue.popleft()
            for name in importers.get(at, ()) if found[at] < _FARTHEST else ():
                if name not in found:
                    found[name] = found[at] + 1
                    queue.append(name)
        return {name: found[name] for name in self.files if name in found}

    def near(self, path: str) -> list[str]:
        """Files of tests, the most telling first. A model of dbt is imported by nobody: the tests of its folder.

        Tests of other packages that reach the file over more than two edges are too far to tell anything of it.
        """
        package = path.partition("/")[0]
        own = f"tests/{package}/"
        distance = {name: _FARTHEST + 1 for name in self.files if name.startswith(own)} | self.distances(path)
        near = [name for name in distance if name.startswith(own) or distance[name] <= 2]
        return sorted(near, key=lambda name: (not name.startswith(own), distance[name], name))


# --- running ------------------------------------------------------------------------------------------------


class Bench:
    """A copy of the tree in a temporary folder, and what is known of its tests."""

    def __init__(self, root: Path, state: dict[str, Any], save: Any) -> None:
        self.copy = Path(tempfile.mkdtemp(prefix="synkro-mutation-"))
        for name in [path.name for path in root.iterdir() if path.name in _IN_COPY or path.suffix == ".toml"]:
            source = root / name
            if source.is_dir():
                shutil.copytree(
                    source, self.copy / name, ignore=shutil.ignore_patterns("__pycache__", "target", "logs")
                )
            else:
                shutil.copy(source, self.copy / name)
        for path in root.iterdir():
            if path.is_file() and not (self.copy / path.name).exists():
                shutil.copy(path, self.copy / path.name)
        self.tests = Tests(self.copy)
        self._state, self._save = state, save

    def close(self) -> None:
        shutil.rmtree(self.copy, ignore_errors=True)

    def seconds_of(self, name: str, marks: str) -> float | None:
        """How long the pass takes in the test file without a mistake; None where it fails, is too slow or has no test."""
        known = self._state.setdefault("tests", {})
        key = f"{name}:{digest(self.copy, name)}:{marks}"
        if key not in known:
            started = time.monotonic()
            code, _ = self._pytest([name], marks, _SLOWEST_FILE)
            known[key] = round(time.monotonic() - started, 1) if code == 0 else None
            if code not in (0, _NO_TESTS):
                print(f"left out, it fails or takes too long as it is: {name} ({marks})", flush=True)
            self._save()
        found: float | None = known[key]
        return found

    def chosen(self, path: str, marks: str, budget: float) -> tuple[list[str], float]:
        """The nearest test files that fit into ``budget`` seconds, one at least."""
        files: list[str] = []
        total = 0.0
        for name in self.tests.near(path):
            seconds = self.seconds_of(name, marks)
            if seconds is None or (files and total + seconds > budget):
                continue
            files.append(name)
            total += seconds
            if total > 0.9 * budget:
                break
        return files, total

    def judge(self, mutant: Mutant, budget: float, passes: Sequence[str]) -> dict[str, Any]:
        started = time.monotonic()
        run: list[str] = []
        result, by = "no tests", ""
        for marks in passes:
            files, usual = self.chosen(mutant.path, marks, budget)
            if not files:
                continue
            run += files
            code, output = self._with(mutant, files, marks, max(60.0, 4 * usual))
            failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.M)
            result = "timeout" if code is None else "survived" if code in (0, _NO_TESTS) else "killed"
            by = failed[1] if failed else ""
            if result != "survived":
                break
        return {"result": result, "by": by, "seconds": round(time.monotonic() - started, 1), "tests": run}

    def _with(self, mutant: Mutant, files: Sequence[str], marks: str, limit: float) -> tuple[int | None, str]:
        target = self.copy / mutant.path
        original = target.read_text(encoding="utf-8")
        try:
            target.write_text(mutant.change.applied(original), encoding="utf-8")
            return self._pytest(files, marks, limit)
        finally:
            target.write_text(original, encoding="utf-8")

    def _pytest(self, files: Sequence[str], marks: str, limit: float) -> tuple[int | None, str]:
        """Exit code and output; None when the time was up."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SYNKRO_")}
        # a changed file of the same length within the same second would be taken from the cache of byte code
        environment |= {"PYTHONPATH": str(self.copy), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            [sys.executable, *_PYTEST, "-m", marks, *files],
            cwd=self.copy,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            # an interrupt first: the tests stop their database
            for how, patience in ((signal.SIGINT, 30.0), (signal.SIGKILL, 10.0)):
                os.killpg(process.pid, how)
                try:
                    process.communicate(timeout=patience)
                    break
                except subprocess.TimeoutExpired:
                    continue
            return None, ""


# --- the whole ----------------------------------------------------------------------------------------------


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def mutants_of(state: dict[str, Any], root: Path) -> list[Mutant]:
    """The drawn sample. A file that has changed since has other places: its mutants are left out and named."""
    found = []
    for raw in state["sample"]:
        mutant = Mutant(raw["path"], raw["digest"], Change(**raw["change"]))
        if (root / mutant.path).exists() and digest(root, mutant.path) == mutant.digest:
            found.append(mutant)
        else:
            print(f"left out, the file has changed since it was drawn: {mutant.path}")
    return found


def report(mutants: Iterable[Mutant], results: dict[str, Any], root: Path) -> None:
    judged = [(mutant, results[mutant.key]) for mutant in mutants if mutant.key in results]
    survivors = [(mutant, one) for mutant, one in judged if one["result"] in ("survived", "no tests")]
    for mutant, one in survivors:
        print(f"\n{one['result']}: {mutant.path}:{mutant.line(root)} ({mutant.change.kind})\n{mutant.diff(root)}")
    seen = len(judged) - len(survivors)
    print(f"\nseen by the tests: {seen} of {len(judged)} ({seen / max(1, len(judged)):.0%})")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--package", action="append", help="a package or a file of one, may be given again; all without it"
    )
    parser.add_argument("--test-seconds", type=float, default=120.0, help="of each pass, per mutant")
    parser.add_argument("--state", type=Path, help="default: build/mutation-SEED-PACKAGES.json")
    parser.add_argument("--quick", action="store_true", help="only the tests without a database")
    parser.add_argument("--again", action="store_true", help="what survived is run once more")
    parser.add_argument("--list", action="store_true", help="print the sample and run nothing")
    options = parser.parse_args(arguments)
    packages = options.package or list(PACKAGES)
    if unknown := [one for one in packages if one.partition("/")[0] not in PACKAGES or not (ROOT / one).exists()]:
        parser.error(f"no package of ours: {', '.join(unknown)}")
    passes = _PASSES[:1] if options.quick else _PASSES
    name = f"mutation-{options.seed}-{'-'.join(options.package or ['all']).replace('/', '.')}.json"
    path: Path = options.state or ROOT / "build" / name
    state = load(path)

    def save() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(state, ensure_ascii=False, indent=1), encoding="utf-8")
        fresh.replace(path)

    if len(state.get("sample", ())) < options.sample:
        # a larger sample of the same seed begins with the smaller one
        state["sample"] = [asdict(mutant) for mutant in drawn(ROOT, packages, options.sample, options.seed)]
        save()
    mutants = mutants_of(state, ROOT)[: options.sample]
    results: dict[str, Any] = state.setdefault("results", {})
    if options.list:
        for mutant in mutants:
            print(f"{mutant.path}:{mutant.line(ROOT)} ({mutant.change.kind})\n{mutant.diff(ROOT)}")
        return
    if options.again:
        for mutant in mutants:
            if results.get(mutant.key, {}).get("result") in ("survived", "no tests"):
                results.pop(mutant.key)
    bench = Bench(ROOT, state, save)
    try:
        for number, mutant in enumerate(mutants, 1):
            if mutant.key not in results:
                one = results[mutant.key] = bench.judge(mutant, options.test_seconds, passes)
                save()
                print(
                    f"{number}/{len(mutants)} {one['result']} in {one['seconds']:.0f} s:"
                    f" {mutant.path}:{mutant.line(ROOT)} ({mutant.change.kind}) {one['by']}",
                    flush=True,
                )
    finally:
        bench.close()
    report(mutants, results, ROOT)


if __name__ == "__main__":
    main()
