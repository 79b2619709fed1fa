"""Sentences made false by code do not pass, true ones mostly do: the bench's set, a part of it."""

from __future__ import annotations

from collections import Counter

from bench import claims
from bench.support.planted_claims import KINDS, OF_EACH, dialogs, make


def test_of_six_hundred_false_sentences_hardly_one_passes() -> None:
    told = dialogs()
    true, false = make(told)
    assert Counter(one.kind for one in false) == dict.fromkeys(KINDS, OF_EACH)
    assert len({(one.dialog, one.text) for one in false}) > 590 and make(told)[1] == false
    kept = [one for one in false if claims.passes(one, told)]
    assert len(kept) <= 1, kept
    some = true[::8]
    assert sum(claims.passes(one, told) for one in some) >= 0.9 * len(some)
    # the sandbox's judge tells most of them by itself, and nothing when it agrees with everything
    part = false[::6]
    honest, agrees = (sum(claims.by_sandbox(part, told, mode)) for mode in ("honest", "agrees"))
    assert honest <= 0.25 * len(part) < len(part) == agrees
