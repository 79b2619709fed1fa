"""One decision a message of the client, in the order of the chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.intents import features
from analysis.intents.linear import Linear, Model, load
from analysis.intents.talk import Said

#: part of the key of what is stored: another version reads every message again
VERSION = "intents-2"
#: messages before the one judged that may say something of it; older ones are another conversation
CONTEXT = 40
#: words of a message that is read by sentences too, at most so many of them; what a sentence alone must weigh more
LONG, MOST_SENTENCES, ALONE = 6, 12, 1.0
#: the score of what a rule says needs nothing
NOTHING = -6.0
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
    likely: list[bool | None] = []
    for i, said in enumerate(talk):
        if said.who != "client":
            found.append(None)
            likely.append(None)
        elif said.media == ("reaction",) or not (said.text or said.media):
            found.append(Intent(False, "sticker", 1.0))
            likely.append(False)
        else:
            start = max(0, i - CONTEXT)
            score, seen = score_of(model.needs, talk[start : i + 1], likely[start:i])
            chance = model.needs.chance_of(score)
            needs_reply = chance >= model.needs.threshold
            confidence = chance if needs_reply else 1 - chance
            found.append(Intent(needs_reply, model.reason(seen, needs_reply), confidence))
            likely.append(score >= 0)
    return found


def _is_light(talk: Sequence[Said]) -> bool:
    """A sticker alone, after a message of ours that asked nothing: in every business it closes."""
    said, before = talk[-1], talk[-2] if len(talk) > 1 else None
    if said.media != ("sticker",) or said.text or before is None:
        return False
    return before.who == "manager" and not before.text.rstrip(" )🙂😊").endswith("?")


def score_of(
    model: Linear, talk: Sequence[Said], likely: Sequence[bool | None], groups: frozenset[str] = features.ALL
) -> tuple[float, features.Features]:
    """The score of the last message, and its features. ``likely``: which messages before it more likely than not need an answer.

    A long message is also read sentence by sentence, as if they had been sent one after another: thanks at its end do
    not undo the order in its middle.
    """
    said = talk[-1]
    seen = features.of(talk, len(talk) - 1, likely, groups)
    if _is_light(talk):
        return NOTHING, seen
    score = model.score(seen)
    every = features.sentences(said.text)
    # «Отлично.» before a request is no sentence to read alone, the request is
    parts = [part for part in every if len(part.split()) > 1]
    if len(every) < 2 or not parts or len(said.text.split()) < LONG:
        return score, seen
    before, known = list(talk[:-1]), list(likely)
    best, best_seen = score, seen
    for part in parts[:MOST_SENTENCES]:
        before.append(replace(said, text=part, media=()))
        found = features.of(before, len(before) - 1, known, groups)
        told = model.score(found)
        known.append(told >= 0)
        if told - ALONE > best:
            best, best_seen = told - ALONE, found
    return best, best_seen
