"""The data directory and what it says about the environment.

``synkro demo`` writes its own settings (keys, local vendors allowed) to ``environment`` in the data directory;
every later command on that directory reads them. A variable that is set wins over the file.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from synkro.core.settings import settings

FILE = "environment"


def take_data_dir(words: list[str]) -> tuple[list[str], str | None]:
    """``--data-dir X`` may stand anywhere on the line; returns the other words and X."""
    rest: list[str] = []
    found: str | None = None
    stream = iter(words)
    for word in stream:
        if word == "--data-dir":
            found = next(stream, None)
            if not found:
                raise click.UsageError("После --data-dir укажите папку.")
        elif word.startswith("--data-dir="):
            found = word.partition("=")[2]
        else:
            rest.append(word)
    return rest, found


def load(data_dir: str | None) -> None:
    """Settle the data directory and read its ``environment`` file."""
    if data_dir:
        os.environ["SYNKRO_DATA_DIR"] = data_dir
    folder = Path(os.environ.get("SYNKRO_DATA_DIR", ".synkro")).expanduser().resolve()
    # children are started elsewhere: they need the absolute path
    os.environ["SYNKRO_DATA_DIR"] = str(folder)
    file = folder / FILE
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            name, separator, value = line.partition("=")
            if separator and name.startswith("SYNKRO_"):
                os.environ.setdefault(name, value)
    settings.cache_clear()


def save(folder: Path, values: dict[str, str]) -> None:
    """Write the file (owner-readable alone) and take its values into this process."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / FILE
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    os.environ.update(values)
    settings.cache_clear()


def say(text: str) -> None:
    """Progress goes to standard error: standard output belongs to the result."""
    click.echo(text, err=True)
