"""``python -m synkro.metrics``, in the root of the project: writes what is generated from the registry."""

from __future__ import annotations

import sys
from pathlib import Path

from synkro.metrics.generated import FILES


def write(root: Path) -> list[str]:
    """The files that were not as the registry makes them; they are now."""
    changed = []
    for name, made in FILES.items():
        path = root / name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if (new := made(text)) != text:
            path.write_text(new, encoding="utf-8")
            changed.append(name)
    return changed


if __name__ == "__main__":
    sys.stdout.write("".join(f"{name}\n" for name in write(Path.cwd())))
