"""Training of linear models in plain Python: no library the product would have to carry."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from analysis.intents.linear import Linear, chance


def train(
    rows: Sequence[Mapping[str, float]],
    labels: Sequence[bool],
    *,
    l2: float = 1e-3,
    epochs: int = 18,
    rate: float = 0.05,
    rarest: int = 2,
    dropped: float = 0.5,
    seed: int = 7,
) -> Linear:
    """Logistic regression by AdaGrad, averaged over the last half of the epochs. Features of fewer than ``rarest`` rows are left out.
    A row is shown each time without a share ``dropped`` of its features, so that no single word decides."""
    counts = Counter(name for row in rows for name in row)
    names = [name for name, count in counts.items() if count >= rarest]
    number = {name: at for at, name in enumerate(names)}
    data = [[(number[n], v) for n, v in row.items() if n in number] for row in rows]
    weights, grown = [0.0] * len(names), [1e-6] * len(names)
    total, taken = [0.0] * len(names), 0
    order, rng = list(range(len(rows))), random.Random(seed)
    sqrt, exp, draw = math.sqrt, math.exp, rng.random
    for epoch in range(epochs):
        rng.shuffle(order)
        for at in order:
            row = [one for one in data[at] if draw() >= dropped]
            score = 0.0
            for i, value in row:
                score += weights[i] * value
            wrong = 1 / (1 + exp(-max(-30.0, min(30.0, score)))) - labels[at]
            for i, value in row:
                slope = wrong * value + l2 * weights[i]
                grown[i] += slope * slope
                weights[i] -= rate * slope / sqrt(grown[i])
        if epoch >= epochs // 2:
            taken += 1
            for i, weight in enumerate(weights):
                total[i] += weight
    return Linear({name: total[i] / taken for i, name in enumerate(names)})


def mean(models: Sequence[Linear]) -> Linear:
    """The mean of linear models is one: what chance gave one of them is halved."""
    names = dict.fromkeys(name for model in models for name in model.weights)
    return Linear({name: sum(m.weights.get(name, 0.0) for m in models) / len(models) for name in names})


def calibrate(scores: Sequence[float], labels: Sequence[bool]) -> tuple[float, float]:
    """Platt's ``(scale, shift)``: Newton's steps on the log loss, with his smoothed targets."""
    many, few = sum(labels), len(labels) - sum(labels)
    high, low = (many + 1) / (many + 2), 1 / (few + 2)
    scale, shift = 1.0, 0.0
    for _ in range(50):
        g0 = g1 = h00 = h01 = h11 = 1e-9
        for score, label in zip(scores, labels, strict=True):
            p = chance(scale * score + shift)
            d, w = p - (high if label else low), p * (1 - p)
            g0, g1 = g0 + d * score, g1 + d
            h00, h01, h11 = h00 + w * score * score, h01 + w * score, h11 + w
        det = h00 * h11 - h01 * h01
        if abs(det) < 1e-12:
            break
        step0, step1 = (h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det
        scale, shift = scale - step0, shift - step1
        if abs(step0) + abs(step1) < 1e-6:
            break
    return scale, shift
