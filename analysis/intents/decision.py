"""One decision a message of the client, in the order of the chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.intents import features
from analysis.intents.linear import Model, load
from analysis.intents.talk import Said

#: part of the key of what is stored: another version reads every message again
VERSION = "intents-1"
#: messages before the one judged that may say something of it; older ones are another conversation
CONTEXT = 40
#: below this the decision is shown as «не уверен»
SURE = 0.7


@dataclass(frozen=True)
class Intent:
    """``confidence`` is the chance that ``needs_reply`` is right; ``reason`` is why (docs/metrics.md)."""

    needs_reply: bool
    reason: str
    confidence: float

    @property
    def is_sure(self) -> bool:
        return self.confidence >= SURE


def decide(talk: Sequence[Said], model: Model | None = None) -> list[Intent | None]:
    """A decision for each message of the client; None for the others."""
    model = model or load()
    found: list[Intent | None] = []
    needed: list[bool | None] = []
    for i, said in enumerate(talk):
        intent = _one(talk, i, needed, model) if said.who == "client" else None
        found.append(intent)
        needed.append(intent.needs_reply if intent else None)
    return found


def _one(talk: Sequence[Said], i: int, needed: Sequence[bool | None], model: Model) -> Intent:
    said = talk[i]
    if said.media == ("reaction",) or (not said.text and not said.media):
        return Intent(False, "sticker", 1.0)
    start = max(0, i - CONTEXT)
    seen = features.of(talk[start : i + 1], i - start, needed[start:i])
    chance = model.needs.chance(seen)
    needs_reply = chance >= model.needs.threshold
    return Intent(needs_reply, model.reason(seen, needs_reply), chance if needs_reply else 1 - chance)
