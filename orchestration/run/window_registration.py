"""The windows a run opens for the marts: its own, the late days, what to compare with; how far each is whole.

In: what the sources left behind. Out: rows of ``synkro.report_windows`` and the working calendar around the data.
A window that lacks rows is opened too: it says what is missing and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from orchestration.run import comparison, ingestion_log
from orchestration.run.worker import Worker
from synkro.connectors import registry
from synkro.core import clock, russian
from synkro.core.windows import Window, business_date, business_day_window, label_of, zone
from synkro.database import db
from synkro.reporting import report_windows
from synkro.reporting.reconciliation import Count, whole_until
from synkro.reporting.report_windows import ReportWindow
from synkro.runs import watermarks
from synkro.tenancy import runtime_config

if TYPE_CHECKING:
    from ingestion.pipelines import SourceResult

#: late data: this many business days before the window are computed again
LATE_DAYS = 3
#: earlier days built beside the first report, so that it can compare with the usual weekday
COMPARE_DAYS = 35


def open_windows(worker: Worker, results: list[SourceResult]) -> None:
    """Write the windows the marts are built for, with as_of, completeness and what is missing."""
    config, run, tenant_id = worker.config, worker.run, worker.tenant.tenant_id
    now = clock.now()
    with db.as_service("windows") as connection:
        marks = watermarks.all_of(connection, tenant_id)
        reached = {r.source: r.complete_until or whole_until(marks, r.source) for r in results}
        known = [moment for moment in reached.values() if moment is not None]
        # one source never read leaves no moment until which everything is there
        as_of = min([*known, now]) if len(known) == len(results) else None
        missing = [
            # when all of the window had been read before, there is no «complete until» inside it to tell
            gap(result.source, reason, until if (until := reached[result.source]) and until < run.window_end else None)
            for result in results
            if (
                reason := _behind(result.source, reached[result.source], run.window_end, config.timezone)
                or ingestion_log.shortfall(result)
            )
        ]
        is_complete = not missing and as_of is not None and as_of >= run.window_end
        label = label_of(run.window, config.timezone)
        own = ReportWindow(run.window, label, run.report_type, as_of, is_complete, missing)
        span = report_windows.data_span(connection, tenant_id)
        # older history changes what the days already built say of a client: «new», matched, waiting since when
        already = set() if run.history_from else report_windows.built(connection, tenant_id)
        others = []
        days = comparison.days_of(config)
        if span is not None:
            for window, day in _earlier_days(run.window, config, span[0]):
                is_late = day >= label - timedelta(days=LATE_DAYS)
                if is_late or (window.start, window.end) not in already:
                    complete = as_of is not None and as_of >= window.end
                    others.append(ReportWindow(window, day, "daily", as_of, complete))
            listed = {(run.window.start, run.window.end), *((one.window.start, one.window.end) for one in others)}
            others += comparison.windows(run.window, days, span[0], already | listed, as_of)
            first = min(span[0], run.window_start) - timedelta(days=8)
            last = max(span[1], run.window_end, now) + timedelta(days=60)
            runtime_config.fill_working_intervals(connection, tenant_id, config, first.date(), last.date())
        report_windows.save(connection, tenant_id, comparison.with_baselines([own, *others], days))
        windows = [w.window for w in [own, *others]]
        outdated = [w for w in report_windows.outdated(connection, tenant_id) if w not in windows]
        # another calendar may compare them with other windows
        for window in outdated:
            report_windows.compare(connection, tenant_id, window, comparison.baselines_of(window, days))
        windows += outdated
    worker.state.windows = windows
    worker.state.missing = missing


def _behind(source: str, until: datetime | None, end: datetime, timezone: str) -> str:
    """Why a source that people bring by hand does not reach the window's end; empty for one that is asked."""
    if registry.get(source).api is not None or until is None or until >= end:
        return ""
    local = until.astimezone(zone(timezone))
    return f"загруженное кончается {russian.day(local.date())} в {local:%H:%M}, загрузите свежие выгрузки"


def note_lost(worker: Worker, lost: Sequence[Count]) -> None:
    """Rows of raw that the marts do not show and nothing explains: the window is not whole, and its report says so."""
    if not lost:
        return
    gaps = [gap(one.source, ingestion_log.counted(one)) for one in lost]
    with db.as_service("windows") as connection:
        report_windows.add_missing(connection, worker.tenant.tenant_id, worker.run.window, gaps)
    worker.state.missing = [*(worker.state.missing or []), *gaps]


def gap(source: str, reason: str, until: datetime | None = None) -> dict[str, Any]:
    """What a window lacks, as ``report_windows.missing`` and the report's «Данные неполные» hold it."""
    return {"source": source, "until": until.isoformat() if until else None, "reason": reason}


def _earlier_days(window: Window, config: runtime_config.RuntimeConfig, first: datetime) -> list[tuple[Window, date]]:
    """Whole business days before the window that hold data, newest first."""
    label = business_date(window.start, config.business_day_start, config.timezone)
    days = []
    for back in range(1, COMPARE_DAYS + 1):
        day = label - timedelta(days=back)
        candidate = business_day_window(day, config.business_day_start, config.timezone)
        if candidate.end > window.start or candidate.start < first:
            continue
        days.append((candidate, day))
    return days
