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

#: why a message needs an answer, and why it needs none
OPEN_REASONS = (
    "question", "request", "gives_info", "booking", "complaint", "reminder", "payment_claim", "objection", "greeting", "media", "continued",
    "answer_to_us", "negotiation",
)  # fmt: skip
CLOSED_REASONS = (
    "thanks", "farewell", "consent", "confirmation", "on_my_way", "thinking", "refusal", "praise", "waiting_promised", "acknowledgement",
    "informs", "sticker",
)  # fmt: skip


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
    """The decision, and for each feature what it says for each reason (open ones first)."""

    needs: Linear
    reasons: Mapping[str, Sequence[float]]

    def reason(self, features: Mapping[str, float], needs_reply: bool) -> str:
        """The likeliest reason of the kind."""
        first, names = (0, OPEN_REASONS) if needs_reply else (len(OPEN_REASONS), CLOSED_REASONS)
        scores = [0.0] * len(names)
        for name, value in features.items():
            if (weights := self.reasons.get(name)) is not None:
                for at in range(len(names)):
                    scores[at] += value * weights[first + at]
        return names[max(range(len(names)), key=scores.__getitem__)]

    def to_json(self) -> dict[str, Any]:
        """What does not change a decision by a hundredth is left out."""
        needs = {name: whole for name, weight in sorted(self.needs.weights.items()) if (whole := round(weight * _UNIT))}
        return {
            "scale": round(self.needs.scale, 4),
            "shift": round(self.needs.shift, 4),
            "threshold": round(self.needs.threshold, 4),
            "needs": needs,
            "reasons": {
                name: wholes
                for name, weights in sorted(self.reasons.items())
                if any(wholes := [round(weight * _UNIT) for weight in weights])
            },
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Model:
        return Model(
            Linear(
                {name: weight / _UNIT for name, weight in raw["needs"].items()}, raw["scale"], raw["shift"], raw["threshold"]
            ),
            {name: [weight / _UNIT for weight in weights] for name, weights in raw["reasons"].items()},
        )  # fmt: skip


@lru_cache(maxsize=1)
def load() -> Model:
    """The model in the tree."""
    return Model.from_json(json.loads(WEIGHTS.read_text(encoding="utf-8")))


def chance(score: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
