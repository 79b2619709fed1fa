"""amoCRM and Radist into raw, side by side; then the window learns how far its data reaches."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, AssetSpec, MaterializeResult, multi_asset

from orchestration import opening, reconciling
from orchestration.partitions import tenant_days
from orchestration.resources import RunWorker
from orchestration.worker import Worker
from synkro import db, history, russian, watermarks
from synkro.errors import TransientError
from synkro.reconciliation import SOURCE_NAMES as NAMES
from synkro.reconciliation import STREAMS
from synkro.settings import settings

if TYPE_CHECKING:
    from ingestion.pipelines import SourceResult


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
        progress=reconciling.SourcesProgress(worker.progress),
        allow_local=settings().allow_local_vendors,
        radist_fetch_limit=config.radist_fetch_limit,
        history_from=run.history_from,
    )
    readers = {"amocrm": read_amocrm, "radist": read_radist}
    with ThreadPoolExecutor(len(config.sources), thread_name_prefix="source") as pool:
        futures = [pool.submit(readers[source], context) for source in config.sources]
        results = [future.result() for future in futures]
    for result in results:
        reconciling.tell(worker, result)
    if all(result.status == "failed" for result in results):
        causes = " ".join(f"{NAMES[result.source]}: {reconciling.cause_of(result)}" for result in results)
        raise TransientError(
            f"Не удалось прочитать ни один источник. {causes}",
            detail="; ".join(str(r.error.detail) for r in results if r.error),
        )
    opening.open_windows(worker, results)
    return results
