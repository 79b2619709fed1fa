"""Anchors: where each chain of the audit log ended, written outside the database.

Whoever owns the database can rewrite a chain whole, its hashes included; he cannot rewrite a file on another disk
(``SYNKRO_AUDIT_ANCHORS``). One JSON object a line, only ever added to: ``{"at", "chain", "position", "hash"}``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from synkro.core import clock
from synkro.core.errors import DataError
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy.audit import chain
from synkro.tenancy.audit.chain import Anchor


def path() -> Path:
    return settings().audit_anchors or settings().data_dir / "audit-anchors.jsonl"


def read(file: Path) -> Iterator[Anchor]:
    """Every anchor of the file, oldest first; none when there is no file. Raises :class:`DataError` naming the line."""
    if not file.exists():
        return
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                told = json.loads(line)
                yield Anchor(UUID(told["chain"]), int(told["position"]), bytes.fromhex(told["hash"]).hex())
            except (ValueError, KeyError, TypeError):
                raise DataError(
                    f"{file}, строка {number}: это не отметка журнала. Восстановите файл из копии."
                ) from None


def write(connection: db.Connection, file: Path) -> int:
    """Add an anchor of every chain that has grown since its last one; returns how many. On the disk when it returns."""
    known = {anchor.chain: anchor.position for anchor in read(file)}
    grown = [head for head in chain.heads(connection) if head.position > known.get(head.chain, 0)]
    if not grown:
        return 0
    at = clock.now().isoformat(timespec="seconds")
    text = "".join(
        json.dumps({"at": at, "chain": str(head.chain), "position": head.position, "hash": head.hash}) + "\n"
        for head in grown
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as lines:
        lines.write(text)
        lines.flush()
        os.fsync(descriptor)
    return len(grown)
