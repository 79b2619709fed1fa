"""``python -m tests.assurance [AREA or LINE] [--again]`` (``make assurance ONLY=ingestion``).

Proves line after line, two at a time, goes on after a failure and prints one scoreboard. What has passed for this very state of the
tree is not asked again, so a run that was stopped is resumed by the same command; ``--again`` asks everything.
Output of each line: ``build/assurance/<line>.log``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

from synkro.core.settings import ROOT
from tests.assurance.lines import LINES, Line, chosen
from tests.support import needs

FOLDER = ROOT / "build" / "assurance"


@dataclass(frozen=True)
class Result:
    """What became of a line. ``cases``: how many times the promise was tried."""

    name: str
    is_kept: bool
    cases: int
    seconds: float
    note: str = ""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make assurance", description=__doc__)
    parser.add_argument(
        "only", nargs="?", default="", help=f"area or line: {', '.join(sorted({x.area for x in LINES}))}"
    )
    parser.add_argument("--again", action="store_true", help="ask what has passed too")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    lines = list(chosen(options.only))
    if not lines:
        parser.error(f"no area and no line is called {options.only}")
    needs.main()
    FOLDER.mkdir(parents=True, exist_ok=True)
    record = FOLDER / f"{state_of_the_tree()}.json"
    results = {} if options.again else read(record)
    began = time.monotonic()
    # the longest first, or one of them would be alone at the end
    waiting = sorted((line for line in lines if line.name not in results), key=lambda line: -line.seconds)
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(prove, waiting):
            print(f"{'kept' if result.is_kept else 'FAILED':7}{result.name:5}{result.seconds:6.0f} s", flush=True)
            results[result.name] = result
            kept = [asdict(one) for one in results.values() if one.is_kept]
            record.write_text(json.dumps(kept), encoding="utf-8")
    print(scoreboard(lines, results), flush=True)
    print(f"{time.monotonic() - began:.0f} s", flush=True)
    return 0 if all(results[line.name].is_kept for line in lines) else 1


def state_of_the_tree() -> str:
    """Changes with every tracked or new file."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    digest = hashlib.sha256()
    for name in sorted(filter(None, listed.decode().split("\0"))):
        path = ROOT / name
        if path.is_file():
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def read(record: Path) -> dict[str, Result]:
    if not record.exists():
        return {}
    return {row["name"]: Result(**row) for row in json.loads(record.read_text(encoding="utf-8"))}


def prove(line: Line) -> Result:
    log, junit = FOLDER / f"{line.name}.log", FOLDER / f"{line.name}.xml"
    junit.unlink(missing_ok=True)
    began = time.monotonic()
    note = ""
    with log.open("wb") as output:
        try:
            status = subprocess.run(
                line.argv(str(junit)), cwd=ROOT, env={**os.environ, **line.environment}, timeout=line.seconds,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            status, note = -1, f"not done in {line.seconds} s"
    cases, found = count(line, log, junit)
    if status == 0 and cases == 0:
        status, note = 1, "nothing was tried"
    if status != 0:
        note = note or found or f"exit status {status}, see {log.relative_to(ROOT)}"
    return Result(line.name, status == 0, cases, time.monotonic() - began, note)


def count(line: Line, log: Path, junit: Path) -> tuple[int, str]:
    """How many cases were tried, and the first that failed."""
    if line.command:
        found = list(re.finditer(line.counts, log.read_text(encoding="utf-8", errors="replace")))
        return (int(found[-1]["n"]) if found else 0), ""
    if not junit.exists():
        return 0, ""
    cases = ElementTree.parse(junit).getroot().findall(".//testcase")
    tried = [case for case in cases if case.find("skipped") is None]
    failed = [case for case in tried if case.find("failure") is not None or case.find("error") is not None]
    return len(tried), f"{len(failed)} failed, first {failed[0].get('name')}" if failed else ""


def scoreboard(lines: Sequence[Line], results: dict[str, Result]) -> str:
    rows = [f"{'line':5}{'area':14}{'N':>7}{'s':>7}  {'result':8}promise"]
    for line in lines:
        result = results[line.name]
        told = "kept" if result.is_kept else "FAILED"
        rows.append(
            f"{line.name:5}{line.area:14}{result.cases:7}{result.seconds:7.0f}  {told:8}{line.promise}"
            + (f" ({result.note})" if result.note else "")
        )
    kept = sum(results[line.name].is_kept for line in lines)
    return "\n".join([*rows, f"{kept} of {len(lines)} lines kept"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
