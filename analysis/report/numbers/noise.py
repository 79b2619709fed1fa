"""Whether a number differs from the usual by more than chance: its own spread over the windows compared with, and its cases."""

from __future__ import annotations

from math import sqrt

from analysis.report.inputs import Facts
from synkro.metrics.metric import SMALL_N, Metric
from synkro.metrics.parts import SUM_OF

#: how many deviations are no chance: of twenty differences by chance one is larger
_DEVIATIONS = 2.0
#: a number with no spread to tell has to move by this share of itself
_LEAST_SHARE = 0.1


def cases(metric: Metric, facts: Facts) -> float:
    """Of how many cases the difference is: the larger side of it."""
    column = metric.denominator or SUM_OF.get(metric.column) or metric.column
    if metric.denominator:
        return float(facts.numbers.get(column) or 0)
    return max(
        float(facts.numbers.get(column) or 0), facts.baseline.values.get(column, 0.0), facts.usual.get(column, 0.0)
    )


def is_beyond(metric: Metric, value: float, base: float, facts: Facts) -> bool:
    """Whether the difference is no chance. Of fewer than ten cases nothing is said."""
    n = cases(metric, facts)
    if n < SMALL_N:
        return False
    baseline = facts.baseline
    difference = abs(value - base)
    spread = baseline.spread.get(metric.column)
    windows = max(baseline.windows, 1)
    limits = [_LEAST_SHARE * abs(base)]
    if spread is not None:
        # the usual is a mean itself, and no surer than its windows
        limits.append(_DEVIATIONS * spread * sqrt(1 + 1 / windows))
    if metric.unit == "share":
        of = baseline.cases.get(metric.column) or n * windows
        pooled = (value * n + base * of) / (n + of)
        limits.append(_DEVIATIONS * sqrt(pooled * (1 - pooled) * (1 / n + 1 / of)))
    if metric.unit == "count":
        limits.append(_DEVIATIONS * sqrt(max(value, base) * (1 + 1 / windows)))
    if metric.unit == "minutes":
        limits.append(1.0)
    return difference > max(limits)
