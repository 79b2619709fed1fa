"""The report's claims: each sentence about a dialog with the quote that proves it, referred to by index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Claims:
    """Collects claims in the order they are made; equal evidence in one section is kept once."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._places: dict[tuple[str, str, str, str], int] = {}

    def add(self, section: str, text: str, dialog_id: str, message_ids: Sequence[str], quote: str) -> int:
        """Index of the claim."""
        key = (section, dialog_id, message_ids[0], quote)
        if key not in self._places:
            self._places[key] = len(self.rows)
            self.rows.append(
                {
                    "section": section,
                    "text": text,
                    "dialog_id": dialog_id,
                    "message_ids": list(message_ids),
                    "quote": quote,
                }
            )
        return self._places[key]
