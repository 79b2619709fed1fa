"""The JSON shapes of the public contract (architecture.md §5): one place for the command line and the REST API.

Whatever leaves here is plain JSON: moments as ISO 8601, ids as text, money as numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synkro.metrics import live
from synkro.metrics.live import Live
from synkro.metrics.queries import plain
from synkro.reporting.body import Change
from synkro.reporting.reconciliation import Line
from synkro.reporting.reports import Report
from synkro.reporting.restatements import Correction
from synkro.runs.queue import Run
from synkro.tenancy.tenants import Tenant

_CLAIM = ("section", "text", "dialog_id", "message_ids", "quote")


def report_json(
    report: Report,
    correction: Correction | None,
    reconciliation: Sequence[Line] | None = None,
    now: Live | None = None,
) -> dict[str, Any]:
    """``synkro report show --json`` and ``GET /api/v1/…/reports/{id}``; lists leave the reconciliation out.

    ``now``: who waits in the data as it was read last; ``numbers`` are those of the window's end.
    """
    coverage = report.coverage or {}
    found = {
        "id": str(report.report_id),
        "version": report.version,
        "is_current": report.is_current,
        "status": report.status,
        "report_type": report.report_type,
        "window_start": plain(report.window_start),
        "window_end": plain(report.window_end),
        "as_of": plain(report.as_of),
        "is_complete": report.is_complete,
        "summary_text": report.summary_text,
        "telegram_text": report.telegram_text,
        "numbers": report.numbers,
        "usual": usual_json(report),
        "changes": [change_json(change) for change in report.body.changes],
        "live": live.to_json(now),
        "revised": correction_json(correction),
        "coverage": {
            "read": coverage.get("read", 0),
            "total": coverage.get("total", 0),
            "skipped": coverage.get("skipped", {}),
        },
        "claims": [{name: claim.get(name) for name in _CLAIM} for claim in report.claims],
        "summaries": [
            {
                "dialog_id": one.dialog_id,
                "sentences": [{"text": said.text, "message_ids": said.message_ids} for said in one.sentences],
                "state": one.state,
                "next_step": one.next_step,
            }
            for one in report.body.summaries
        ],
        "dropped": report.body.dropped,
        "cost_usd": float(report.cost_usd),
    }
    if reconciliation is not None:
        found["reconciliation"] = [line_json(line) for line in reconciliation]
    return found


def usual_json(report: Report) -> dict[str, Any]:
    """What each number of the report usually is, of how many windows that is told, and what it was the time before."""
    return {
        line.key: {"value": line.usual, "n": line.usual_n, "of": line.usual_of, "previous": line.previous}
        for line in report.body.numbers
        if line.usual is not None or line.previous is not None
    }


def change_json(change: Change) -> dict[str, Any]:
    """A number that is not what is usual, and its parts by the dimension that tells most."""
    parts = next((split.parts for split in change.splits if split.dimension == change.dimension), [])
    return {
        "metric": change.metric,
        "compared_with": change.compared_with,
        "delta": change.delta,
        "text": change.text,
        "dimension": change.dimension,
        "parts": [
            {"part": part.part, "label": part.label, "contribution": part.contribution, "n": part.n} for part in parts
        ],
    }


def correction_json(correction: Correction | None) -> dict[str, Any] | None:
    """Numbers that changed after the report was published, and up to when the data is known by now."""
    if correction is None:
        return None
    changes = {change.key: {"old": change.old, "new": change.new} for change in correction.changes}
    return {"as_of": plain(correction.as_of), "numbers": changes}


def line_json(line: Line) -> dict[str, Any]:
    """One stream of the run that read the report's window."""
    return {
        "source": line.source,
        "stream": line.stream,
        "status": line.status,
        "requests": line.requests,
        "seen": line.seen,
        "rejected": line.rejected,
        "reasons": line.reasons,
        "loaded": line.loaded,
        "difference": line.difference,
        "read_until": plain(line.read_until),
    }


def run_json(run: Run, slug: str) -> dict[str, Any]:
    """``synkro run show --json``, ``synkro report run --json`` and ``GET /api/v1/…/runs/{id}``."""
    return {
        "id": str(run.run_id),
        "tenant": slug,
        "status": run.status,
        "current_step": run.current_step,
        "progress": run.progress,
        "error": run.error,
        "attempt": run.attempt,
        "window_start": plain(run.window_start),
        "window_end": plain(run.window_end),
        "history_from": plain(run.history_from),
        "report_id": plain(run.report_id),
    }


def tenant_json(tenant: Tenant) -> dict[str, Any]:
    """``synkro tenant list --json`` and ``GET /api/v1/tenants``."""
    return {
        "id": str(tenant.tenant_id),
        "name": tenant.name,
        "slug": tenant.slug,
        "status": tenant.status,
        "timezone": tenant.timezone,
        "created_at": plain(tenant.created_at),
    }
