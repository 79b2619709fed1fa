"""Answers of a model that is not here: requests are written to a folder, answers are read from it by the request's hash.

``SYNKRO_BENCH_AI_RECORD=folder``: each request becomes ``<hash>.request.json`` (``system``, ``user``, ``name``, ``schema``, ``max_tokens``);
whoever has a model puts the JSON object it answers into ``<hash>.answer.json``. The next run reads those and writes only what
is missing. The hash covers all that is sent, so an answer never fits another request.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from analysis.llm.prices import estimate_tokens
from analysis.llm.provider import Answer, extract_object
from synkro.core.errors import DataError


def folder() -> Path | None:
    """The folder the environment names."""
    named = os.environ.get("SYNKRO_BENCH_AI_RECORD")
    return Path(named) if named else None


class Recorded:
    """Stands where :class:`analysis.llm.provider.Provider` does; nothing is sent."""

    model = "recorded"

    def __init__(self, records: Path) -> None:
        self._records = records
        self.answered = self.missing = 0
        records.mkdir(parents=True, exist_ok=True)

    async def ask(
        self,
        purpose: str,
        system: str,
        user: str,
        *,
        name: str,
        schema: Mapping[str, Any],
        check: Callable[[dict[str, Any]], str | None] = lambda value: None,
        max_tokens: int = 2000,
    ) -> Answer:
        """The recorded answer; raises :class:`DataError` for one that is not there or does not fit."""
        request = {"name": name, "system": system, "user": user, "schema": schema, "max_tokens": max_tokens}
        text = json.dumps(request, ensure_ascii=False, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        answer = self._records / f"{digest}.answer.json"
        if not answer.exists():
            self.missing += 1
            written = json.dumps(request, ensure_ascii=False, indent=1, sort_keys=True)
            (self._records / f"{digest}.request.json").write_text(written, encoding="utf-8")
            raise DataError(f"Нет ответа {answer.name}.")
        said = answer.read_text(encoding="utf-8")
        value = extract_object(said)
        why = "это не объект JSON" if value is None else check(value)
        if value is None or why is not None:
            raise DataError(f"Ответ {answer.name} не прошёл проверку.", detail=why)
        self.answered += 1
        return Answer(value, estimate_tokens(system + user), estimate_tokens(said), Decimal(0))
