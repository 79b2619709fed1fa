"""The registry as MetricFlow knows metrics: ``semantic_models`` and ``metrics`` of dbt, for BI tools that speak it.

A count of what happened in a window adds up over days. A median, a share, a state at the window's now and a count of
different clients do not: of several days MetricFlow takes the last.
"""

from __future__ import annotations

import json

from synkro.metrics.metric import Metric
from synkro.metrics.registry import TABLES
from synkro.metrics.row_sets import CLOSED, CREATED, NEW_CLIENT

HEAD = """\
# Written by: python -m synkro.metrics. How it is used: README.md beside it.
version: 2
"""
_WINDOW = "\"concat(tenant_id, ' ', window_start, ' ', window_end)\""
#: the prefix of a table's metrics: MetricFlow knows one namespace
_PREFIX = {"period_summary": "", "period_managers": "manager_", "period_channels": "channel_"}
#: the tables that have several rows a window, and what a row is of
_PART = {"period_managers": "manager", "period_channels": "channel"}


def adds_up(metric: Metric) -> bool:
    """Whether the values of two days make the value of both."""
    if metric.unit not in ("count", "money") or metric.is_nullable:
        return False
    if metric.row_set in ("messages", "excluded"):
        return metric.row_set == "messages"
    if metric.row_set == "waits":
        return "r.is_open_now" not in metric.where
    return any(condition in metric.where and "or (" not in metric.where for condition in (CREATED, CLOSED, NEW_CLIENT))


def models() -> str:
    lines = [HEAD, "semantic_models:"]
    for table, columns in TABLES.items():
        lines += [
            f"  - name: {table}",
            f"    model: ref('{table}')",
            "    defaults: {agg_time_dimension: business_date}",
            *([f"    primary_entity: {_PART[table]}_of_window"] if table in _PART else []),
            "    entities:",
            f"      - {{name: window, type: {'foreign' if table in _PART else 'primary'}, expr: {_WINDOW}}}",
            "      - {name: company, type: foreign, expr: tenant_id}",
            *(["      - {name: manager, type: foreign, expr: manager_id}"] if "manager_id" in columns else []),
            "    dimensions:",
            "      - {name: business_date, type: time, expr: "
            + _day(columns)
            + ", type_params: {time_granularity: day}}",
            *(
                f"      - {{name: {name}, type: categorical}}"
                for name in ("report_type", "is_complete", "channel")
                if name in columns
            ),
            "    measures:",
            *(line for one in columns.values() if one.is_number for line in _measure(table, one)),
        ]
    lines.append("\nmetrics:")
    lines += [
        line
        for table, columns in TABLES.items()
        for one in columns.values()
        if one.is_number
        for line in _metric(table, one)
    ]
    return "\n".join(lines) + "\n"


def _day(columns: dict[str, Metric]) -> str:
    return "label_date" if "label_date" in columns else "cast(window_end as date)"


def _measure(table: str, metric: Metric) -> list[str]:
    name = _PREFIX[table] + metric.column
    if adds_up(metric):
        return [f"      - {{name: {name}, agg: sum, expr: {metric.column}}}"]
    last = "non_additive_dimension: {name: business_date, window_choice: max}"
    return [f"      - {{name: {name}, agg: max, expr: {metric.column}, {last}}}"]


def _metric(table: str, metric: Metric) -> list[str]:
    name = _PREFIX[table] + metric.column
    label = metric.label_en + (f", {_PART[table]}" if table in _PART else "")
    return [
        f"  - name: {name}",
        f"    label: {json.dumps(label, ensure_ascii=False)}",
        f"    description: {json.dumps(metric.en, ensure_ascii=False)}",
        "    type: simple",
        f"    type_params: {{measure: {name}}}",
        # a week's row holds its days once more
        """    filter: "{{ Dimension('window__report_type') }} = 'daily'\"""",
    ]
