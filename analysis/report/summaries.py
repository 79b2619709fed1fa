"""Each dialog that was read in one to three sentences, and what was left out of the readings because nothing proved it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from analysis.reading.models import Step
from analysis.reading.normalisation import shown
from analysis.report.context import DialogReading
from synkro.core import russian

_OWNERS = {"manager": "Менеджер", "client": "Клиент"}


def summaries(readings: Sequence[DialogReading]) -> list[dict[str, Any]]:
    """``{"dialog_id", "sentences", "state", "next_step"}`` a dialog, in the order of the readings."""
    return [
        {
            "dialog_id": found.dialog.dialog_id,
            "sentences": [
                {"text": shown(one.text, 400), "message_ids": list(one.message_ids)} for one in found.reading.summary
            ],
            "state": found.reading.state,
            "next_step": next_step(found.reading.step),
        }
        for found in readings
        if found.reading.summary
    ]


def next_step(step: Step | None) -> str | None:
    """«Менеджер: ответить на вопрос клиента: «…», до 27 ноября, пятница»."""
    if step is None:
        return None
    text = shown(step.text, 300).rstrip(".")
    due = f", до {russian.day(step.due, weekday=True)}" if step.due else ""
    return f"{_OWNERS.get(step.owner, 'Менеджер')}: {text[:1].lower()}{text[1:]}{due}"


def dropped(readings: Sequence[DialogReading]) -> dict[str, int]:
    """Reason → how much."""
    found: Counter[str] = Counter()
    for one in readings:
        found.update(one.reading.dropped)
    return dict(sorted(found.items()))
