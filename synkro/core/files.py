"""What of the data directory is for its owner alone: secrets made by ourselves, and folders with people's messages."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

#: of processes that write people's messages: nobody else reads their files
PRIVATE_UMASK = 0o077


def private_folder(path: Path) -> Path:
    """The folder, made or closed to everybody else: what lies in it needs no modes of its own."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)
    return path


def secret_file(path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
    """The secret in ``path``; made once, readable by the owner alone, the same for all who ask at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        for _ in range(100):
            if text := path.read_text().strip():
                return text
        # an earlier process died between making the file and filling it
        path.unlink(missing_ok=True)
        return secret_file(path, make)
    with os.fdopen(descriptor, "w") as file:
        value = make()
        file.write(value)
        return value
