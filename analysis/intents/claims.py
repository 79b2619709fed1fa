"""Whether a client's line objects, complains or refuses: what the rules found, weighed by a trained model.

A rule sees a sentence; the model sees the line, what was said before it and which rules fired. So a rule's find in a line
that does nothing of the kind is dropped, and a line that does it in words no rule has is found.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from analysis.intents import features
from analysis.intents.talk import Said

#: letters would only make it longer: the words, their form and the context tell as much
_LETTERS = "c:"


def of(talk: Sequence[Said], i: int, needed: Sequence[bool | None], fired: Collection[str]) -> Mapping[str, float]:
    """Features of the client's line ``i``; ``fired``: names of the rules that hold in it."""
    found = {name: value for name, value in features.of(talk, i, needed).items() if not name.startswith(_LETTERS)}
    if fired:
        found["rule"] = 1.0
        found.update({f"rule:{name}": 1.0 for name in fired})
    return found
