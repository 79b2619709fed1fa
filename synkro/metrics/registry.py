"""The one home of a metric: every column of ``marts.period_summary``, ``marts.period_managers`` and
``marts.period_channels``.

The numbers themselves are computed by dbt. ``python -m synkro.metrics`` writes what is generated from here: the columns of
the marts' YAML and the tables of docs/metrics.md. How a metric is added: docs/recipes.md.
"""

from __future__ import annotations

from synkro.metrics import channels, managers, summary
from synkro.metrics.metric import Metric

SUMMARY: dict[str, Metric] = {metric.column: metric for metric in summary.COLUMNS}
MANAGERS: dict[str, Metric] = {metric.column: metric for metric in managers.COLUMNS}
CHANNELS: dict[str, Metric] = {metric.column: metric for metric in channels.COLUMNS}
#: the tables of ``marts`` and their columns
TABLES: dict[str, dict[str, Metric]] = {
    "period_summary": SUMMARY,
    "period_managers": MANAGERS,
    "period_channels": CHANNELS,
}

#: the columns of ``period_summary`` that are numbers, in the order the app lists them
NUMBERS = tuple(metric.column for metric in SUMMARY.values() if metric.is_number)
#: the numbers that a report lists and that a question may name, in the report's order
REPORTED: dict[str, Metric] = {
    metric.column: metric
    for metric in sorted(
        (metric for metric in SUMMARY.values() if metric.place is not None), key=lambda metric: metric.place or 0
    )
}


def of_manager(column: str) -> Metric | None:
    """What a question about one manager means by this metric of the company."""
    return next((metric for metric in MANAGERS.values() if column in metric.answers), None)
