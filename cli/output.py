"""What commands print: one JSON document, or a plain table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click


def emit(value: Any, as_json: bool, text: str = "") -> None:
    """With ``--json`` the document and nothing else; otherwise the text."""
    if as_json:
        click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
    elif text:
        click.echo(text)


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> str:
    """Columns as wide as their longest cell; ``empty`` when there is nothing to show."""
    if not rows:
        return empty
    cells = [[str("" if cell is None else cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(headers), *cells]) for i in range(len(headers))]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in [headers, *cells]
    ]
    return "\n".join(lines)


json_option = click.option("--json", "as_json", is_flag=True, help="Один документ JSON и ничего больше.")
