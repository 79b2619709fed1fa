"""``python -m tests.readmes``: writes the list of modules into each package's README, from the modules' own docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from synkro.core.settings import ROOT
from tests.support.packages import ALL

BEGIN = "<!-- modules: python -m tests.readmes -->"
END = "<!-- /modules -->"


def summary(path: Path) -> str:
    """The first sentence of a module's docstring, in Markdown."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.split("\n\n")[0].split())
    first = re.split(r"(?<=[a-z»)`])\. (?=[A-Z«`])", first)[0].rstrip(".")
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", first).replace("``", "`").replace("|", "\\|")


def folders(package: str) -> Iterator[Path]:
    """The package's folder, then its sub-packages in the order of their names."""
    root = ROOT / package
    yield root
    yield from sorted(path.parent for path in root.rglob("__init__.py") if path.parent != root)


def listing(package: str) -> str:
    """The modules of a package, a table a folder."""
    out = [BEGIN]
    for folder in folders(package):
        name = folder.relative_to(ROOT / package).as_posix()
        if name != ".":
            out += ["", f"**{name}/** {summary(folder / '__init__.py')}"]
        modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        if modules:
            out += ["", "| module | what it is |", "|---|---|"]
            out += [f"| `{path.name}` | {summary(path)} |" for path in modules]
    return "\n".join([*out, "", END])


def readme(package: str) -> Path:
    return ROOT / package / "README.md"


def written(package: str) -> str:
    """The README with its list as it should be."""
    text = readme(package).read_text(encoding="utf-8")
    return re.sub(rf"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: listing(package), text, flags=re.DOTALL)


if __name__ == "__main__":
    for name in ALL:
        readme(name).write_text(written(name), encoding="utf-8")
