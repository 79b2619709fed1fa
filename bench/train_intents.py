"""Train the decision of :mod:`analysis.intents` on the corpus: ``python -m bench.train_intents`` writes its weights.

Calibration and threshold come from scores of lines the scoring model had not seen: each business is scored by a model of the
others. :func:`fit` does the same on any set of chats, so that ``python -m bench.reading --leave-one-out`` repeats the whole of it
without the business it measures.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from analysis.intents import claims, features
from analysis.intents.decision import score_of
from analysis.intents.linear import CLAIMS, CLOSED_REASONS, OPEN_REASONS, WEIGHTS, Bounds, Linear, Model
from analysis.rules import reader
from bench.corpus import TIMEZONE
from bench.support.linear import calibrate, mean, train
from bench.support.readers import Chat, corpus_chats, exchange_chats, messages

#: turns of the training businesses that need an answer and may be missed when the threshold is chosen. Turns, not only the
#: waits at a dialog's end: ten times as many, so that the threshold is no matter of two dialogs
MISSED = 0.05
#: of lines that are a claim, those whose score is too low to keep what a rule found
DROPPED = {"objection": 0.03, "complaint": 0.03, "refusal": 0.08}
#: of lines that are a claim by the model alone, those that are one
ADDED_RIGHT = {"objection": 1.0, "complaint": 0.85, "refusal": 0.9}
#: a complaint may be found by the model alone: chance has less of a say in the mean of two
_CLAIM_SEEDS = {"objection": (7,), "complaint": (7, 8), "refusal": (7,)}
#: lines a bound is taken from, at least
_FEWEST = 5
#: a score no line reaches
NEVER = 99.0
#: a reason is told by what a line does, not by its letters
_REASON_RAREST = 4

Row = tuple[Mapping[str, float], bool, str]
ClaimRow = tuple[Mapping[str, float], frozenset[str]]


def fit(chats: Sequence[Chat], groups: frozenset[str] = features.ALL, missed: float = MISSED) -> Model:
    """The model of these chats, calibrated and with a threshold of its own."""
    extra = rows(exchange_chats(), groups)
    by_group = {
        name: [chat for chat in chats if chat.group == name] for name in dict.fromkeys(chat.group for chat in chats)
    }
    seen = {name: rows(inside, groups) for name, inside in by_group.items()}
    claimed = {name: claim_rows(inside) for name, inside in by_group.items()}
    more = claim_rows(exchange_chats())
    told_claims: dict[str, list[tuple[float, bool]]] = {claim: [] for claim in CLAIMS}
    scores: list[float] = []
    labels: list[bool] = []
    waits: list[tuple[float, bool]] = []
    for name, inside in by_group.items():
        others = [row for other, found in seen.items() if other != name for row in found]
        model = _linear([*others, *extra], seeds=(7,))
        for claim, one in _claim_models(
            [*(r for other, f in claimed.items() if other != name for r in f), *more]
        ).items():
            told_claims[claim] += [(one.score(row[0]), claim in row[1]) for row in claimed[name]]
        for chat in inside:
            told = score(chat, model, groups)
            for i, value in told.items():
                if chat.needs[i] != "S":
                    scores.append(value)
                    labels.append(chat.needs[i] == "R")
            for burst in chat.bursts:
                turn = [i for i in burst if i in told]
                needs = {chat.needs[i] for i in turn}
                if turn and ("R" in needs or "S" not in needs):
                    waits.append((max(told[i] for i in turn), "R" in needs))
    scale, shift = calibrate(scores, labels)
    everything = [row for found in seen.values() for row in found]
    needs_model = _linear([*everything, *extra])
    cut = _threshold(waits, missed)
    calibrated = replace(needs_model, scale=scale, shift=shift)
    models = _claim_models([*(row for found in claimed.values() for row in found), *more])
    return Model(
        replace(calibrated, threshold=calibrated.chance_of(cut)),
        _reasons([*everything, *extra]),
        {
            name: [models[claim].weights.get(name, 0.0) for claim in CLAIMS]
            for name in dict.fromkeys(name for one in models.values() for name in one.weights)
        },
        {claim: _bounds(told, DROPPED[claim], ADDED_RIGHT[claim]) for claim, told in told_claims.items()},
    )


def rows(chats: Iterable[Chat], groups: frozenset[str] = features.ALL) -> list[Row]:
    """Every client's line that is clearly one or the other, with the careful reader's word for the lines before it."""
    found: list[Row] = []
    for chat in chats:
        needed = [label in ("R", "S") if label else None for label in chat.needs]
        for i, label in enumerate(chat.needs):
            if label in ("R", "N"):
                found.append((features.of(chat.talk, i, needed, groups), label == "R", chat.reasons[i]))
    return found


def claim_rows(chats: Iterable[Chat]) -> list[ClaimRow]:
    """Every client's line of labelled chats with what it claims, and the rules that hold in it."""
    found: list[ClaimRow] = []
    for chat in chats:
        needed = [label in ("R", "S") if label else None for label in chat.needs]
        fired = reader.fired(messages(chat, [bool(one) for one in needed]), TIMEZONE)
        for i, said in enumerate(chat.talk):
            if said.who == "client":
                found.append((claims.of(chat.talk, i, needed, fired.get(str(i), ())), chat.claims[i]))
    return found


def _claim_models(seen: Sequence[ClaimRow]) -> dict[str, Linear]:
    data = [row[0] for row in seen]
    return {
        claim: mean(
            [
                train(data, [claim in row[1] for row in seen], l2=5e-3, epochs=10, dropped=0.3, rarest=3, seed=seed)
                for seed in _CLAIM_SEEDS[claim]
            ]
        )
        for claim in CLAIMS
    }


def _bounds(told: Sequence[tuple[float, bool]], dropped: float, right: float) -> Bounds:
    """``keep``: the score nearly all of the claims reach; ``add``: the lowest above which that share of lines is one."""
    are = sorted(value for value, is_so in told if is_so)
    keep = are[int(len(are) * dropped)] if are else 0.0
    add, so_far = NEVER, 0
    for count, (value, is_so) in enumerate(sorted(told, reverse=True), 1):
        so_far += is_so
        if count >= _FEWEST and so_far / count >= right:
            add = value
    return Bounds(keep, are[len(are) // 2] if are else 0.0, add)


def score(chat: Chat, model: Linear, groups: frozenset[str] = features.ALL) -> dict[int, float]:
    """Scores of the client's lines, each judged after the model's own word for the lines before it."""
    found: dict[int, float] = {}
    likely: list[bool | None] = []
    for i, said in enumerate(chat.talk):
        if said.who == "client":
            found[i] = score_of(model, chat.talk[: i + 1], likely, groups)[0]
        likely.append(found[i] >= 0 if i in found else None)
    return found


def _linear(seen: Sequence[Row], seeds: Sequence[int] = (7, 8)) -> Linear:
    data, labels = [row[0] for row in seen], [row[1] for row in seen]
    return mean([train(data, labels, rarest=4, seed=seed) for seed in seeds])


def _threshold(waits: Sequence[tuple[float, bool]], missed: float) -> float:
    """The highest score that misses no more of the real ones than that."""
    real = sorted(value for value, is_real in waits if is_real)
    at = int(len(real) * missed)
    below = [value for value, _ in waits if value < real[at]]
    # between two waits, not upon one
    return (real[at] + max(below)) / 2 if below else real[at]


def _reasons(seen: Sequence[Row]) -> dict[str, list[float]]:
    """One model a reason, against the other reasons of its kind."""
    counts = Counter(name for row in seen for name in row[0])
    kept = {name for name, count in counts.items() if count >= _REASON_RAREST and name[:2] not in ("c:", "b:", "tw")}
    reasons = (*OPEN_REASONS, *CLOSED_REASONS)
    found = {name: [0.0] * len(reasons) for name in kept}
    for at, reason in enumerate(reasons):
        kind = [row for row in seen if row[1] == (reason in OPEN_REASONS)]
        model = train(
            [{name: value for name, value in row[0].items() if name in kept} for row in kind],
            [row[2] == reason for row in kind],
            epochs=4,
            dropped=0.0,
        )
        for name, weight in model.weights.items():
            found[name][at] = weight
    return found


def main() -> None:
    chats = corpus_chats()
    model = fit(chats)
    WEIGHTS.write_text(
        json.dumps(model.to_json(), ensure_ascii=False, separators=(",", ":")).replace('},"', '},\n"') + "\n", encoding="utf-8"
    )  # fmt: skip
    print(f"{len(chats)} dialogs, {len(rows(chats))} lines, {len(model.needs.weights)} features of the decision")
    print(f"threshold {model.needs.threshold:.3f}; {WEIGHTS.stat().st_size / 1000:.0f} kB in {WEIGHTS.name}")


if __name__ == "__main__":
    main()
