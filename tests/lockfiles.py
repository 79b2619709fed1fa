"""``python -m tests.lockfiles``: writes the hashes of every file pip may choose into the lock files, after a version was changed.

pip itself is asked, without installing: for the Pythons and platforms below. On another platform the lock is refused; whoever
needs one adds it here. No address is written.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from synkro.core.settings import ROOT

LOCKS = ("requirements.lock", "requirements-scale.lock", "requirements-dev.lock")
PYTHONS = ("3.11", "3.12", "3.13")
_MANYLINUX = (*(f"manylinux_2_{minor}" for minor in range(39, 4, -1)), "manylinux2014", "manylinux2010", "manylinux1")
PLATFORMS: dict[str, tuple[str, ...]] = {
    "linux x86_64": tuple(f"{tag}_x86_64" for tag in _MANYLINUX),
    "linux aarch64": tuple(f"{tag}_aarch64" for tag in _MANYLINUX),
    "macos arm64": (*(f"macosx_{major}_0_arm64" for major in range(15, 10, -1)), "macosx_11_0_universal2", "macosx_10_9_universal2"),
}  # fmt: skip
_PIN = re.compile(r"(?P<pin>[a-z0-9._-]+(?:\[[a-z,]+\])?==[^\s;\\]+)(?P<marker> ;[^\\\n]*)?")


def pins(path: Path) -> Iterator[tuple[str, str]]:
    """``(name==version, marker)`` of each line, without its hashes."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := _PIN.match(line):
            yield match["pin"], (match["marker"] or "").rstrip()


def main() -> int:
    found: dict[str, set[str]] = {}
    wanted = sorted({pin for name in LOCKS for pin, _ in pins(ROOT / name)})
    for python in PYTHONS:
        for platform, tags in PLATFORMS.items():
            for pin, digest in asked(wanted, python, tags):
                found.setdefault(pin, set()).add(digest)
            print(
                f"{python} {platform}: {sum(1 for pin in wanted if found.get(_bare(pin)))} of {len(wanted)}", flush=True
            )
    missing = [pin for pin in wanted if _bare(pin) not in found]
    for name in LOCKS:
        lines = (written(pin, marker, found.get(_bare(pin), ())) for pin, marker in list(pins(ROOT / name)))
        (ROOT / name).write_text("".join(lines), encoding="utf-8")
    print(f"without a file: {', '.join(missing) or 'none'}")
    return 1 if missing else 0


def written(pin: str, marker: str, digests: Iterable[str]) -> str:
    return "".join([f"{pin}{marker}", *(f" \\\n    --hash=sha256:{digest}" for digest in sorted(digests)), "\n"])


def asked(wanted: Sequence[str], python: str, tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What pip would take there: all at once, or one by one where something has no file."""
    told = _report(wanted, python, tags)
    if told is None and len(wanted) > 1:
        half = len(wanted) // 2
        yield from asked(wanted[:half], python, tags)
        yield from asked(wanted[half:], python, tags)
        return
    for item in told or ():
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        yield f"{name}=={item['metadata']['version']}", item["download_info"]["archive_info"]["hashes"]["sha256"]


def _report(wanted: Sequence[str], python: str, tags: Sequence[str]) -> list[dict[str, object]] | None:
    where = [word for tag in tags for word in ("--platform", tag)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--report", "-",
         "--only-binary=:all:", "--implementation", "cp", "--python-version", python, "--target", str(ROOT / "build"), *where, *wanted],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return list(json.loads(done.stdout)["install"]) if done.returncode == 0 else None


def _bare(pin: str) -> str:
    name, _, version = pin.partition("==")
    return f"{re.sub(r'[-_.]+', '-', name.partition('[')[0]).lower()}=={version}"


if __name__ == "__main__":
    sys.exit(main())
