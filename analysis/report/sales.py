"""What was sold: by manager, by channel, and how deals moved through the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.reading.normalisation import shown
from analysis.report.inputs import Facts


def build(facts: Facts) -> list[dict[str, Any]] | None:
    """Managers with a deal closed in the window or open at its end, the largest sum first; None for a company without deals."""
    if not facts.has_deals:
        return None
    rows = [
        {
            "manager_id": row["manager_id"],
            "name": shown(str(row["name"]), 80),
            **_sums(row),
        }
        for row in facts.managers
    ]
    active = [row for row in rows if row["won"] or row["lost"] or row["open"]]
    return sorted(
        active, key=lambda row: (-row["amount"], -row["won"], -row["open_amount"], row["name"], str(row["manager_id"]))
    )


def channels(facts: Facts) -> list[dict[str, Any]]:
    """What each channel brought; nothing where all deals came by one way."""
    rows = [{"channel": row["channel"], "new": _of(row, "deals_new"), **_sums(row)} for row in facts.channels]
    return rows if len(rows) > 1 else []


def stages(facts: Facts) -> list[dict[str, Any]]:
    """The stages deals came to or left, in the funnel's order."""
    return [
        {
            "pipeline": shown(str(row["pipeline"] or ""), 80),
            "stage": shown(str(row["stage"] or ""), 80),
            # 142 is won and 143 lost in every pipeline
            "is_end": row["status_id"] in (142, 143),
            "entered": _of(row, "entered"),
            "left": _of(row, "left_stage"),
            "cohort": _of(row, "cohort"),
            "won": _of(row, "cohort_won"),
            "lost": _of(row, "cohort_lost"),
        }
        for row in facts.stages
    ]


def _sums(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "won": _of(row, "deals_won"),
        "amount": row.get("deals_won_amount") or 0,
        "average": row.get("deals_won_average"),
        "lost": _of(row, "deals_lost"),
        "lost_amount": row.get("deals_lost_amount") or 0,
        "open": _of(row, "deals_open"),
        "open_amount": row.get("deals_open_amount") or 0,
    }


def _of(row: Mapping[str, Any], key: str) -> int:
    return int(row.get(key) or 0)
