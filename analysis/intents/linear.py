"""Linear models: weights by name of a feature, and the chance a score means."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).with_name("weights.json")
#: weights are stored as whole hundredths
_UNIT = 100
#: a smaller weight changes no decision
_LEAST = 3

#: why a message needs an answer, and why it needs none
OPEN_REASONS = (
    "question", "request", "gives_info", "booking", "complaint", "reminder", "payment_claim", "objection", "greeting", "media", "continued",
    "answer_to_us", "negotiation",
)  # fmt: skip
CLOSED_REASONS = (
    "thanks", "farewell", "consent", "confirmation", "on_my_way", "thinking", "refusal", "praise", "waiting_promised", "acknowledgement",
    "informs", "sticker",
)  # fmt: skip


#: what else a client's line does; each is a model of its own
CLAIMS = ("objection", "complaint", "refusal")


@dataclass(frozen=True)
class Bounds:
    """Scores of a claim: below ``keep`` what a rule found is dropped, half of the claims reach ``half``, from ``add`` on
    a line is one without a rule."""

    keep: float
    half: float
    add: float


@dataclass(frozen=True)
class Linear:
    """Logistic regression. ``scale`` and ``shift`` calibrate the score (Platt); ``threshold`` is a chance."""

    weights: Mapping[str, float]
    scale: float = 1.0
    shift: float = 0.0
    threshold: float = 0.5

    def score(self, features: Mapping[str, float]) -> float:
        weights = self.weights
        return sum(value * weights[name] for name, value in features.items() if name in weights)

    def chance(self, features: Mapping[str, float]) -> float:
        return self.chance_of(self.score(features))

    def chance_of(self, score: float) -> float:
        return chance(self.scale * score + self.shift)


@dataclass(frozen=True)
class Model:
    """The decision, and for each feature what it says for each reason (open ones first) and for each claim."""

    needs: Linear
    reasons: Mapping[str, Sequence[float]]
    claims: Mapping[str, Sequence[float]]
    bounds: Mapping[str, Bounds]

    def reason(self, features: Mapping[str, float], needs_reply: bool) -> str:
        """The likeliest reason of the kind."""
        first, names = (0, OPEN_REASONS) if needs_reply else (len(OPEN_REASONS), CLOSED_REASONS)
        scores = [0.0] * len(names)
        for name, value in features.items():
            if (weights := self.reasons.get(name)) is not None:
                for at in range(len(names)):
                    scores[at] += value * weights[first + at]
        return names[max(range(len(names)), key=scores.__getitem__)]

    def claim_scores(self, features: Mapping[str, float]) -> dict[str, float]:
        """How much the line is each of the claims."""
        scores = [0.0] * len(CLAIMS)
        for name, value in features.items():
            if (weights := self.claims.get(name)) is not None:
                for at, weight in enumerate(weights):
                    scores[at] += value * weight
        return dict(zip(CLAIMS, scores, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Weights as whole numbers; the least of them are left out."""
        needs = {
            name: whole
            for name, weight in sorted(self.needs.weights.items())
            if abs(whole := round(weight * _UNIT)) >= _LEAST
        }
        return {
            "scale": round(self.needs.scale, 4),
            "shift": round(self.needs.shift, 4),
            "threshold": round(self.needs.threshold, 4),
            "needs": needs,
            "reasons": _wholes(self.reasons),
            "claims": _wholes(self.claims),
            "bounds": {
                name: [round(value, 2) for value in (one.keep, one.half, one.add)] for name, one in self.bounds.items()
            },
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Model:
        return Model(
            Linear(
                {name: weight / _UNIT for name, weight in raw["needs"].items()}, raw["scale"], raw["shift"], raw["threshold"]
            ),
            {name: [weight / _UNIT for weight in weights] for name, weights in raw["reasons"].items()},
            {name: [weight / _UNIT for weight in weights] for name, weights in raw["claims"].items()},
            {name: Bounds(*scores) for name, scores in raw["bounds"].items()},
        )  # fmt: skip


def _wholes(table: Mapping[str, Sequence[float]]) -> dict[str, list[int]]:
    return {
        name: wholes
        for name, weights in sorted(table.items())
        if max(map(abs, wholes := [round(weight * _UNIT) for weight in weights])) >= _LEAST
    }


@lru_cache(maxsize=1)
def load() -> Model:
    """The model in the tree."""
    return Model.from_json(json.loads(WEIGHTS.read_text(encoding="utf-8")))


def chance(score: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
