"""amoCRM and Radist into raw, side by side; then the window learns how far its data reaches."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, AssetSpec, MaterializeResult, multi_asset

from orchestration.partitions import tenant_days
from orchestration.resources import RunWorker
from orchestration.worker import Worker
from synkro import db, integrations, report_windows, runtime, watermarks
from synkro.errors import SynkroError, TransientError
from synkro.report_windows import ReportWindow
from synkro.settings import settings
from synkro.windows import Window, business_date, business_day_window, label_of

if TYPE_CHECKING:
    from ingestion.pipelines import SourceResult

STREAMS: dict[str, tuple[str, ...]] = {
    "amocrm": (
        "account",
        "users",
        "pipelines",
        "loss_reasons",
        "leads",
        "contacts",
        "events",
        "notes",
        "deleted",
    ),
    "radist": ("sources", "chats", "messages"),
}
#: the streams without which a source's numbers are not whole
MAIN_STREAMS = {"amocrm": ("leads", "contacts", "events"), "radist": ("chats", "messages")}
NAMES = {"amocrm": "amoCRM", "radist": "Radist"}

#: late data: this many business days before the window are computed again
LATE_DAYS = 3
#: earlier days built beside the first report, so that it can compare with the usual weekday
COMPARE_DAYS = 35


def vendor_specs() -> list[AssetSpec]:
    """The vendors, as the sources of the lineage."""
    return [
        AssetSpec(
            AssetKey(["vendor", source]),
            group_name="vendors",
            kinds={"api"},
            description=f"{NAMES[source]}, только чтение",
        )
        for source in STREAMS
    ]


def raw_specs() -> list[AssetSpec]:
    return [
        AssetSpec(
            AssetKey([f"raw_{source}", stream]),
            deps=[AssetKey(["vendor", source])],
            group_name=source,
            kinds={"dlt", "postgres"},
            owners=["team:data"],
            description=f"Строки {NAMES[source]} «{stream}», как их отдал сервис",
        )
        for source, streams in STREAMS.items()
        for stream in streams
    ]


def build() -> Any:
    @multi_asset(name="sources", specs=raw_specs(), partitions_def=tenant_days())
    def sources(run_worker: RunWorker) -> Iterator[MaterializeResult]:
        worker = run_worker.worker
        with worker.step("sources", f"Читаем {' и '.join(NAMES[s] for s in worker.config.sources)}"):
            results = extract(worker)
        loads: dict[tuple[str, str], watermarks.StreamLoad] = {
            (load.source, load.stream): load for result in results for load in result.loads
        }
        for spec in raw_specs():
            source, stream = spec.key.path[0].removeprefix("raw_"), spec.key.path[1]
            load = loads.get((source, stream))
            yield MaterializeResult(
                asset_key=spec.key,
                metadata={
                    "status": load.status if load else "not read in this mode",
                    "dagster/row_count": load.loaded if load else 0,
                    "seen": load.seen if load else 0,
                    "rejected": load.rejected if load else 0,
                    "requests": load.requests if load else 0,
                },
            )

    return sources


def extract(worker: Worker) -> list[SourceResult]:
    """Read the sources of the run's mode. One that fails is reported, not fatal; all of them failing is."""
    from ingestion.pipelines import LoadContext, read_amocrm, read_radist

    context = LoadContext(
        tenant_id=worker.tenant.tenant_id,
        slug=worker.tenant.slug,
        run_id=worker.run.run_id,
        window=worker.run.window,
        database_url=db.owner_url(),
        work_dir=worker.work_dir / "dlt",
        checkpoint=worker.checkpoint,
        progress=worker.progress,
        allow_local=settings().allow_local_vendors,
        radist_fetch_limit=worker.config.radist_fetch_limit,
    )
    readers = {"amocrm": read_amocrm, "radist": read_radist}
    with ThreadPoolExecutor(len(worker.config.sources), thread_name_prefix="source") as pool:
        futures = [pool.submit(readers[source], context) for source in worker.config.sources]
        results = [future.result() for future in futures]
    for result in results:
        _tell(worker, result)
    if all(result.status == "failed" for result in results):
        causes = " ".join(f"{NAMES[r.source]}: {r.error.message if r.error else 'без причины'}" for r in results)
        raise TransientError(
            f"Не удалось прочитать ни один источник. {causes}",
            detail="; ".join(str(r.error.detail) for r in results if r.error),
        )
    _open_window(worker, results)
    return results


def _tell(worker: Worker, result: SourceResult) -> None:
    """The outcome of one source in the run's log and on the integration's badge."""
    counts: dict[str, Any] = {
        load.stream: {
            "seen": load.seen,
            "rejected": load.rejected,
            "loaded": load.loaded,
            "status": load.status,
        }
        for load in result.loads
    }
    loaded, seen = sum(load.loaded for load in result.loads), sum(load.seen for load in result.loads)
    rejected = sum(load.rejected for load in result.loads)
    requests = sum(load.requests for load in result.loads)
    name = NAMES[result.source]
    if result.status == "complete":
        text = f"{name}: прочитано {seen}, записано {loaded}, отклонено {rejected}, запросов {requests}"
        worker.log("sources", text, **counts)
    else:
        cause = result.error.message if result.error else "прочитано не всё"
        worker.log("sources", f"{name}: {cause}", level="warning", status=result.status, **counts)
    with db.as_service("integration status") as connection:
        kind = integrations.check_kind(result.source)
        error: SynkroError | None = result.error
        integrations.set_status(
            connection,
            worker.tenant.tenant_id,
            kind,
            "ok" if result.status == "complete" else "error",
            error=error.message if error else (None if result.status == "complete" else "прочитано не всё"),
        )


def _open_window(worker: Worker, results: list[SourceResult]) -> None:
    """Write the windows the marts are built for, with as_of, completeness and what is missing."""
    config, run, tenant_id = worker.config, worker.run, worker.tenant.tenant_id
    now = datetime.now(UTC)
    with db.as_service("windows") as connection:
        marks = watermarks.all_of(connection, tenant_id)
        reached = {r.source: r.complete_until or _reached(marks, r.source) for r in results}
        known = [moment for moment in reached.values() if moment is not None]
        # one source never read leaves no moment until which everything is there
        as_of = min([*known, now]) if len(known) == len(results) else None
        missing = [
            {
                "source": result.source,
                # when all of the window had been read before, there is no «complete until» inside it to tell
                "until": until.isoformat() if (until := reached[result.source]) and until < run.window_end else None,
                "reason": result.error.message if result.error else "прочитано не всё",
            }
            for result in results
            if result.status != "complete"
        ]
        is_complete = not missing and as_of is not None and as_of >= run.window_end
        label = label_of(run.window, config.timezone)
        own = ReportWindow(run.window, label, run.report_type, as_of, is_complete, missing)
        span = report_windows.data_span(connection, tenant_id)
        already = report_windows.built(connection, tenant_id)
        others = []
        if span is not None:
            for window, day in _earlier_days(run.window, config, span[0]):
                is_late = day >= label - timedelta(days=LATE_DAYS)
                if is_late or (window.start, window.end) not in already:
                    complete = as_of is not None and as_of >= window.end
                    others.append(ReportWindow(window, day, "daily", as_of, complete))
            first = min(span[0], run.window_start) - timedelta(days=8)
            last = max(span[1], run.window_end, now) + timedelta(days=60)
            runtime.fill_working_intervals(connection, tenant_id, config, first.date(), last.date())
        report_windows.save(connection, tenant_id, [own, *others])
    worker.memory["windows"] = [w.window for w in [own, *others]]
    worker.memory["missing"] = missing


def _reached(marks: list[watermarks.Watermark], source: str) -> datetime | None:
    """Until when the source had been read whole before this run; ``None`` when one of its main streams never was."""
    found = {mark.stream: mark.complete_until for mark in marks if mark.source == source}
    moments = [found.get(stream) for stream in MAIN_STREAMS[source]]
    whole = [moment for moment in moments if moment is not None]
    return min(whole) if len(whole) == len(moments) else None


def _earlier_days(window: Window, config: runtime.RuntimeConfig, first: datetime) -> list[tuple[Window, Any]]:
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
