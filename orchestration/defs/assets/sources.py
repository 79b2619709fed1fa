"""The connectors of a company's mode into raw, side by side; then the window learns how far its data reaches.

Two checks stand between raw and the marts. ``reconciled``: what was seen is written or refused with a reason; a loss makes
the report incomplete. ``contract``, blocking: rows of a stream the numbers stand on came and not one could be read. As
long as another source is left the report is built and says so; with none left nothing downstream runs.

Only what was read is materialized. A stream that the mode does not read, or whose vendor is down, stays as old as it is,
and its freshness and lineage show that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetSpec,
    MaterializeResult,
    get_dagster_logger,
    multi_asset,
)

from orchestration.dagster_patches import without_event
from orchestration.defs.freshness import DAILY
from orchestration.defs.resources import RunWorker
from orchestration.queue.partitions import tenant_days
from orchestration.run import ingestion_log, window_registration
from orchestration.run.worker import Worker
from synkro.connectors.registry import CONNECTORS, label
from synkro.core import russian
from synkro.core.disk import NoSpace
from synkro.core.errors import DataError, TransientError
from synkro.core.settings import settings
from synkro.database import db
from synkro.reporting.reconciliation import line_of
from synkro.runs import history, watermarks

if TYPE_CHECKING:
    from ingestion.pipelines import SourceResult

NOT_READ = "not read"


def vendor_specs() -> list[AssetSpec]:
    """The vendors, as the sources of the lineage."""
    return [
        AssetSpec(
            AssetKey(["vendor", source]),
            group_name="vendors",
            kinds={"api"},
            description=f"{one.label}, только чтение",
        )
        for source, one in CONNECTORS.items()
    ]


def raw_specs() -> list[AssetSpec]:
    return [
        AssetSpec(
            AssetKey([f"raw_{source}", stream.name]),
            deps=[AssetKey(["vendor", source])],
            group_name=source,
            kinds={"dlt", "postgres"},
            owners=["team:data"],
            # a file that somebody uploads is never late
            freshness_policy=DAILY if stream.is_required and one.api is not None else None,
            description=f"Строки {one.label} «{stream.name}», как их отдал сервис",
        )
        for source, one in CONNECTORS.items()
        for stream in one.streams
    ]


def check_specs() -> list[AssetCheckSpec]:
    made = []
    for source, one in CONNECTORS.items():
        for stream in one.streams:
            key = AssetKey([f"raw_{source}", stream.name])
            made.append(
                AssetCheckSpec("reconciled", asset=key, description="Увидено = записано + отклонено с причиной")
            )
            if stream.is_required:
                about = "Строки пришли и хоть одну удалось разобрать: вид ответа сервиса не изменился"
                made.append(AssetCheckSpec("contract", asset=key, blocking=True, description=about))
    return made


def build() -> Any:
    @multi_asset(
        name="sources", specs=raw_specs(), check_specs=check_specs(), partitions_def=tenant_days(), pool="vendors"
    )
    def sources(run_worker: RunWorker) -> Iterator[MaterializeResult | AssetCheckResult]:
        if run_worker.is_joined:
            read = run_worker.joined_streams()
            for spec in raw_specs():
                is_read = stream_of(spec.key) in read
                yield from run_worker.said([spec.key]) if is_read else [without_event(spec.key, NOT_READ)]
            # judged where the work was done
            yield from (AssetCheckResult(asset_key=s.asset_key, check_name=s.name, passed=True) for s in check_specs())
            return
        worker = run_worker.worker
        with worker.step("sources", f"Читаем {' и '.join(map(label, worker.config.sources))}"):
            results = extract(worker)
        for spec, cause in unread(results, worker.config.sources):
            get_dagster_logger().warning("%s was not read: %s", spec.key.to_user_string(), cause)
        yield from told(results)
        if not usable(results):
            # the check below blocks what follows; this is the cause people read
            worker.fail(DataError(f"Отчёт не построен: {causes_of(results)}. Передайте это оператору."))
        yield from checked(results, worker.config.sources)

    return sources


def stream_of(key: AssetKey) -> tuple[str, str]:
    """``(source, stream)`` of a raw asset."""
    return key.path[0].removeprefix("raw_"), key.path[1]


def loads_of(results: list[SourceResult]) -> dict[tuple[str, str], watermarks.StreamLoad]:
    """What was read, wholly or in part, by ``(source, stream)``."""
    return {(load.source, load.stream): load for result in results for load in result.loads if load.status != "failed"}


def told(results: list[SourceResult]) -> Iterator[MaterializeResult]:
    """Every stream of every connector; those that were not read without a materialization."""
    loads = loads_of(results)
    for spec in raw_specs():
        load = loads.get(stream_of(spec.key))
        if load is None:
            yield without_event(spec.key, NOT_READ)
            continue
        yield MaterializeResult(
            asset_key=spec.key,
            metadata={
                "status": load.status,
                "dagster/row_count": load.loaded,
                "seen": load.seen,
                "rejected": load.rejected,
                "requests": load.requests,
            },
        )


def unread(results: list[SourceResult], asked: Sequence[str]) -> Iterator[tuple[AssetSpec, str]]:
    """The streams that should have been read and were not, each with the cause of its source."""
    read, causes = loads_of(results), {result.source: ingestion_log.cause_of(result) for result in results}
    for spec in raw_specs():
        source, _ = place = stream_of(spec.key)
        if source in asked and place not in read:
            yield spec, causes.get(source, NOT_READ)


def checked(results: list[SourceResult], asked: Sequence[str]) -> Iterator[AssetCheckResult]:
    """The checks of what was read. A broken contract is an error, which blocks, only when no source is left.

    ``asked``: the sources of the mode. A stream that should have been read and was not is a warning.
    """
    severity = AssetCheckSeverity.WARN if usable(results) else AssetCheckSeverity.ERROR
    read = {(line.source, line.stream): line for result in results for line in map(line_of, result.loads)}
    for spec in check_specs():
        source, _ = place = stream_of(spec.asset_key)
        line = read.get(place)
        metadata: Mapping[str, int]
        if line is None:
            passed, metadata = source not in asked, {}
        elif spec.name == "contract":
            passed, metadata = not ingestion_log.is_unreadable(line), {"seen": line.seen, "rejected": line.rejected}
        else:
            passed = not line.difference
            metadata = {"seen": line.seen, "rejected": line.rejected, "loaded": line.loaded, "lost": line.difference}
        yield AssetCheckResult(
            asset_key=spec.asset_key,
            check_name=spec.name,
            passed=passed,
            severity=severity if spec.name == "contract" and line is not None else AssetCheckSeverity.WARN,
            metadata=metadata,
        )


def usable(results: list[SourceResult]) -> bool:
    """Whether a source is left whose rows can be read."""
    return any(
        result.status != "failed" and not any(ingestion_log.is_unreadable(line_of(load)) for load in result.loads)
        for result in results
    )


def causes_of(results: list[SourceResult]) -> str:
    return "; ".join(f"{label(result.source)}: {ingestion_log.shortfall(result)}" for result in results)


def extract(worker: Worker) -> list[SourceResult]:
    """Read the sources of the run's mode. One that fails is reported, not fatal; all of them failing is."""
    from ingestion.pipelines import READERS, LoadContext

    run, config = worker.run, worker.config
    if run.history_from is not None:
        day = history.day_of(run.history_from, config)
        worker.log("sources", f"Загружаем историю с {russian.day(day, year=True)}")
    context = LoadContext(
        tenant_id=worker.tenant.tenant_id,
        slug=worker.tenant.slug,
        run_id=run.run_id,
        window=run.window,
        database_url=db.owner_url(),
        work_dir=worker.work_dir / "dlt",
        checkpoint=worker.checkpoint,
        progress=ingestion_log.SourcesProgress(worker.progress),
        allow_local=settings().allow_local_vendors,
        radist_fetch_limit=config.radist_fetch_limit,
        history_from=run.history_from,
        is_awaited=run.trigger_type == "manual",
        lock_session=worker.session,
    )
    with ThreadPoolExecutor(len(config.sources), thread_name_prefix="source") as pool:
        futures = [pool.submit(READERS[source], context) for source in config.sources]
        results = [future.result() for future in futures]
    for result in results:
        ingestion_log.tell(worker, result)
    if full := next((result.error for result in results if isinstance(result.error, NoSpace)), None):
        # our own trouble: a report that blames a vendor for it would be sent
        raise full
    if all(result.status == "failed" for result in results):
        causes = " ".join(f"{label(result.source)}: {ingestion_log.cause_of(result)}" for result in results)
        raise TransientError(
            f"Не удалось прочитать ни один источник. {causes}",
            detail="; ".join(str(r.error.detail) for r in results if r.error),
        )
    worker.state.streams = frozenset(loads_of(results))
    window_registration.open_windows(worker, results)
    return results
