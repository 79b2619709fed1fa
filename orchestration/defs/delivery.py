"""The look before a delivery: the chats are read once more, the open waits follow, then the messages are composed and sent.

A job of its own: no number of a window is computed again, nothing is read by the AI. What fails on the way is said in the
message, with the moment its data is of; the message goes out all the same. Killed before the messages are queued, the run is
repeated, or the sender tells what is due; killed after, the outbox sends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg
from dagster import in_process_executor, job, op

from orchestration.defs.assets import intents
from orchestration.defs.resources import RunWorker
from orchestration.queue.partitions import tenant_days
from orchestration.queue.submission import DELIVERY_JOB
from orchestration.run import ingestion_log
from orchestration.run.worker import Worker
from synkro.connectors.registry import label
from synkro.core import clock
from synkro.core.errors import Cancelled, LeaseLost, SynkroError, TransientError
from synkro.core.settings import settings
from synkro.database import db
from synkro.reporting import report_windows
from synkro.reporting.delivery import deliveries as awaiting
from synkro.reporting.delivery.deliveries import Owed
from synkro.runs import leases

#: reading again may take so long; a vendor that hangs must not keep the message
READING_SECONDS = 90.0
_BEHIND = "пересчитать открытые ожидания не удалось"


def delivery_job() -> Any:
    @op(pool="marts", description="Перечитать свежую переписку, составить сообщения и отправить их")
    def deliver_reports(run_worker: RunWorker) -> None:
        if not run_worker.is_joined:
            deliver(run_worker.worker)

    @job(
        name=DELIVERY_JOB,
        partitions_def=tenant_days(),
        executor_def=in_process_executor,
        description="Перед отправкой: прочитать свежую переписку, обновить открытые ожидания, отправить отчёты",
    )
    def build() -> None:
        deliver_reports()

    return build


def deliver(worker: Worker) -> None:
    """Look once more and send what is due; a success when nothing is."""
    tenant_id = worker.run.tenant_id
    with db.as_service("delivery") as connection:
        owed = awaiting.due(connection, clock.now(), tenant_id).get(tenant_id, [])
    problem = look(worker, owed) if owed else ""
    with worker.step("delivery", "Отправляем в Telegram"):
        _send(worker, owed, problem)
    with db.as_service("worker") as connection:
        worker.finish(connection)


def look(worker: Worker, owed: list[Owed]) -> str:
    """Read what changed in the chats and refill the open waits; returns what did not work, for the message."""
    from ingestion.pipelines import RECENT_READERS

    sources = [source for source in worker.config.sources if source in RECENT_READERS]
    if not sources:
        return ""
    with worker.step("sources", "Перечитываем свежую переписку"):
        failed, until = _read(worker, sources)
    if until is not None:
        with db.as_service("windows") as connection:
            leases.hold(connection, worker.run)
            report_windows.looked(connection, worker.run.tenant_id, owed[-1].window, until)
    with worker.step("marts", "Обновляем открытые ожидания"):
        is_fresh = _refill(worker)
    if failed:
        return f"{' и '.join(map(label, failed))} перед отправкой не ответил{'и' if len(failed) > 1 else ''}"
    return "" if is_fresh else _BEHIND


def _read(worker: Worker, sources: list[str]) -> tuple[list[str], datetime | None]:
    """The sources that were not read to the end, and up to when all of them were."""
    from ingestion.pipelines import RECENT_READERS, LoadContext

    run = worker.run
    context = LoadContext(
        tenant_id=run.tenant_id,
        slug=worker.tenant.slug,
        run_id=run.run_id,
        window=run.window,
        database_url=db.owner_url(),
        work_dir=worker.work_dir / "dlt",
        checkpoint=_within(worker.checkpoint, READING_SECONDS),
        progress=ingestion_log.SourcesProgress(worker.progress),
        allow_local=settings().allow_local_vendors,
        radist_fetch_limit=worker.config.radist_fetch_limit,
        lock_session=worker.session,
    )
    results = [RECENT_READERS[source](context) for source in sources]
    for result in results:
        ok = result.status == "complete"
        said = "свежая переписка прочитана" if ok else ingestion_log.cause_of(result)
        loaded = sum(load.loaded for load in result.loads)
        worker.log("sources", f"{label(result.source)}: {said}", level="info" if ok else "warning", loaded=loaded)
    failed = [result.source for result in results if result.status != "complete"]
    moments = [result.complete_until for result in results if result.complete_until is not None]
    return failed, min(moments) if moments and not failed else None


def _within(checkpoint: Callable[[], None], seconds: float) -> Callable[[], None]:
    """The run's checkpoint, which gives up after so long."""
    deadline = time.monotonic() + seconds

    def check() -> None:
        checkpoint()
        if time.monotonic() > deadline:
            raise TransientError("Перед отправкой переписка читается слишком долго, дальше не ждём.")

    return check


def _refill(worker: Worker) -> bool:
    """Bring the marts of the clients something happened to up to date; whether that worked."""
    from orchestration.dbt.project import build_tenant

    run = worker.run
    try:
        intents.decide(worker)
        built = build_tenant(
            db.owner_url(),
            settings().data_dir,
            tenant_id=run.tenant_id,
            window_start=run.window_start,
            window_end=run.window_end,
            work_dir=worker.work_dir / "dbt",
            periods=False,
            on_event=lambda _: worker.checkpoint(),
            on_wait=worker.checkpoint,
            session=worker.session(),
        )
    except (Cancelled, LeaseLost):
        raise
    except (SynkroError, psycopg.Error) as error:
        worker.log("marts", f"Открытые ожидания не обновлены: {error}", level="warning")
        return False
    if not built:
        worker.log(
            "marts",
            "Настройки изменились, и пересчитать нужно всё: это сделает следующий отчёт. Отправляем по прежним данным.",
            level="warning",
        )
    return bool(built)


def _send(worker: Worker, owed: list[Owed], problem: str) -> None:
    from delivery import deliveries
    from delivery.sender import send_due

    with db.as_service("delivery") as connection:
        leases.hold(connection, worker.run)
        # nothing is left when the sender got there first
        told = deliveries.tell(connection, worker.run.tenant_id, [one.report_id for one in owed], problem=problem)
        if told:
            leases.attach_report(connection, worker.run, told[-1].report_id)
    if not told:
        worker.log("delivery", "Отправлять нечего: отчёты уже отправлены или срок перенесён")
        return
    for report in told:
        outcome = send_due(tenant_id=report.tenant_id, report_id=report.report_id, checkpoint=worker.checkpoint)
        if outcome.errors:
            worker.log("delivery", f"Telegram: {outcome.errors[0]} Отчёт ждёт в очереди.", level="warning")
    worker.log("delivery", f"Отправлено отчётов: {len(told)}")
