"""Published numbers that are no longer those of the mart: late data recomputes the last days, and their reports say so.

Nothing is stored: a report keeps its numbers as they were published, the mart has them as they are now, and this is the
difference. So it cannot be forgotten, whoever rebuilt the window: the next day's run, a reload of history, a new rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from synkro.database import db
from synkro.metrics.queries import plain
from synkro.metrics.registry import NUMBERS
from synkro.reporting.reports import Report


@dataclass(frozen=True)
class Change:
    """A column of ``period_summary``: as published, and as it is now."""

    key: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Correction:
    #: up to when the data was known when the mart was last built
    as_of: datetime
    changes: tuple[Change, ...]


def of(connection: db.Connection, reports: Sequence[Report]) -> dict[UUID, Correction]:
    """``{report_id: correction}`` of those whose numbers changed. A number that a report never had is no change."""
    rows = connection.execute(
        "select r.report_id, p.* from unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::timestamptz[])"
        " as r (report_id, tenant_id, window_start, window_end)"
        " join marts.period_summary p using (tenant_id, window_start, window_end)",
        (
            [report.report_id for report in reports],
            [report.tenant_id for report in reports],
            [report.window_start for report in reports],
            [report.window_end for report in reports],
        ),
    )
    now = {row["report_id"]: row for row in rows}
    found = {}
    for report in reports:
        row = now.get(report.report_id)
        if row is not None and (changes := _changes(report.numbers, row)):
            found[report.report_id] = Correction(row["as_of"], changes)
    return found


def of_report(connection: db.Connection, report: Report) -> Correction | None:
    return of(connection, [report]).get(report.report_id)


def _changes(published: dict[str, Any], row: db.Row) -> tuple[Change, ...]:
    pairs = [(key, published[key], plain(row[key])) for key in NUMBERS if key in published]
    return tuple(Change(key, old, new) for key, old, new in pairs if old != new)
