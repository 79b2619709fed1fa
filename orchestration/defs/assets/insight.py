"""Readings of every dialog, the report written from them, its messages, and their way to Telegram."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, AssetSpec, MaterializeResult, MetadataValue, asset

from orchestration.defs.freshness import DAILY
from orchestration.defs.resources import RunWorker
from orchestration.queue.partitions import tenant_days
from orchestration.run import revision_policy
from orchestration.run.worker import Worker
from synkro.connectors import integrations
from synkro.core import russian
from synkro.core.settings import settings
from synkro.core.windows import business_date
from synkro.database import db
from synkro.reporting import report_windows, reports, revisions
from synkro.reporting.delivery import outbox
from synkro.runs import leases, queue
from synkro.tenancy import rubric

if TYPE_CHECKING:
    from analysis.report.context import AnalysisContext

#: the marts a report is made of
_MARTS = [
    AssetKey(["marts", name]) for name in ("fct_messages", "fct_waits", "fct_deals", "fct_promises", "period_dialogs")
]
_PERIODS = [AssetKey(["marts", name]) for name in ("period_summary", "period_managers")]
_COMMON: dict[str, Any] = {"owners": ["team:product"], "group_name": "report"}


def telegram_spec() -> AssetSpec:
    return AssetSpec(
        AssetKey(["vendor", "telegram"]),
        deps=[AssetKey("telegram_delivery")],
        group_name="vendors",
        kinds={"api"},
        description="Чат владельца в Telegram",
    )


def build() -> list[Any]:
    days = tenant_days()

    @asset(
        key=AssetKey("dialog_readings"),
        pool="ai",
        deps=_MARTS,
        kinds={"python", "openai"},
        partitions_def=days,
        **_COMMON,
    )
    def dialog_readings(run_worker: RunWorker) -> MaterializeResult:
        """Каждый диалог окна, прочитанный один раз: темы, обещания, возражения, риски, каждое с цитатой."""
        if run_worker.is_joined:
            return next(run_worker.said([AssetKey("dialog_readings")]))
        worker = run_worker.worker
        with worker.step("readings", "Читаем диалоги"):
            coverage = read(worker)
        return MaterializeResult(metadata={"read": coverage.get("read", 0), "total": coverage.get("total", 0)})

    @asset(
        key=AssetKey("report"),
        freshness_policy=DAILY,
        deps=[dialog_readings, *_PERIODS],
        kinds={"python"},
        partitions_def=days,
        **_COMMON,
    )
    def report(run_worker: RunWorker) -> MaterializeResult:
        """Отчёт: числа из витрин, утверждения с цитатами; сохранён вместе с письмами одной транзакцией."""
        if run_worker.is_joined:
            return next(run_worker.said([AssetKey("report")]))
        worker = run_worker.worker
        with worker.step("report", "Пишем отчёт"):
            made = write(worker)
        return MaterializeResult(
            metadata={
                "version": made.version,
                "is_complete": made.is_complete,
                "cost_usd": float(made.cost_usd),
                "page": MetadataValue.url(report_url(worker.tenant.slug, made)),
            }
        )

    @asset(
        key=AssetKey("telegram_delivery"),
        pool="telegram",
        deps=[report],
        kinds={"telegram"},
        partitions_def=days,
        **_COMMON,
    )
    def telegram_delivery(run_worker: RunWorker) -> MaterializeResult:
        """Отчёт в Telegram: из очереди исходящих, хотя бы один раз, повтор помечен."""
        if run_worker.is_joined:
            return next(run_worker.said([AssetKey("telegram_delivery")]))
        worker = run_worker.worker
        with worker.step("delivery", "Отправляем в Telegram"):
            sent, waiting = deliver(worker)
        with db.as_service("worker") as connection:
            worker.finish(connection)
        return MaterializeResult(metadata={"sent": sent, "waiting": waiting})

    return [dialog_readings, report, telegram_delivery]


def report_url(slug: str, report: reports.Report | reports.Draft) -> str:
    return f"{settings().base_url}/t/{slug}/reports/{report.report_id}"


def context_of(worker: Worker) -> AnalysisContext:
    """What the analysis needs to know of the run."""
    from analysis import topics
    from analysis.report.context import AnalysisContext

    run, tenant, config = worker.run, worker.tenant, worker.config
    with db.as_service("analysis") as connection:
        ai = integrations.find(connection, tenant.tenant_id, "ai")
        # a step executed alone finds what the reading left behind
        missing = report_windows.missing_of(connection, tenant.tenant_id, run.window)
        asked_about = topics.of_company(connection, tenant.tenant_id)
        asked_before = topics.earlier(connection, tenant.tenant_id)
    secrets = integrations.secrets(tenant.tenant_id, "ai") if ai is not None else {}
    return AnalysisContext(
        tenant_id=tenant.tenant_id,
        company=tenant.name,
        run_id=run.run_id,
        window=run.window,
        report_type=run.report_type,
        timezone=config.timezone,
        period_start=business_date(run.window_start, config.business_day_start, config.timezone),
        period_end=business_date(run.window_end - timedelta(seconds=1), config.business_day_start, config.timezone),
        ai=ai,
        ai_secrets=secrets,
        min_dialogs=config.min_dialogs_for_report,
        checkpoint=worker.checkpoint,
        progress=worker.progress,
        base_url=f"{settings().base_url}/t/{tenant.slug}",
        missing=revision_policy.promise(worker, missing if worker.state.missing is None else worker.state.missing),
        allow_local=settings().allow_local_vendors,
        rubric=rubric.of(config.quality_rubric),
        topics=asked_about,
        earlier_topics=asked_before,
    )


def read(worker: Worker) -> dict[str, Any]:
    from analysis.report.dialogs import read_dialogs

    outcome = read_dialogs(context_of(worker))
    worker.state.readings = outcome
    worker.log("readings", f"Прочитано {outcome.read} из {outcome.total} диалогов", skipped=outcome.skipped)
    if outcome.note:
        worker.log("readings", outcome.note, level="warning")
    if outcome.ai_down or outcome.calls:
        with db.as_service("integration status") as connection:
            status, error = ("error", outcome.note) if outcome.ai_down else ("ok", None)
            integrations.set_status(connection, worker.tenant.tenant_id, "ai", status, error=error)
    return {"read": outcome.read, "total": outcome.total}


def write(worker: Worker) -> reports.Report:
    """Write, check and save the report with its messages, under the living lease, in one transaction.

    An attempt to complete a report that found nothing new leaves the version that stands, and returns it.
    """
    from dataclasses import replace

    from analysis.report.builder import write_report
    from analysis.report.dialogs import read_dialogs
    from delivery import deliveries
    from delivery.message import telegram_message

    context = context_of(worker)
    # a step re-executed alone finds every reading in the cache
    outcome = worker.state.readings or read_dialogs(context)
    draft = write_report(context, outcome)
    decision = revision_policy.decide(worker, draft, outcome, context.missing)
    if decision.before is not None and not revision_policy.is_worth_a_version(worker, decision, draft):
        _leave(worker, decision.before, decision)
        return decision.before
    draft = revision_policy.marked(worker, draft, decision)
    is_told = revision_policy.is_told(worker, decision)
    message = telegram_message(draft.body, report_url=report_url(worker.tenant.slug, draft))
    draft = replace(draft, telegram_text=message.plain_text)
    with db.as_service("publish") as connection:
        leases.hold(connection, worker.run)
        # whoever was to be told of the version before is told of this one
        is_owed = revision_policy.takes_over(connection, decision)
        draft = replace(draft, awaits_delivery=is_told or is_owed)
        made = reports.publish(connection, worker.tenant.tenant_id, worker.run.run_id, draft, [])
        leases.attach_report(connection, worker.run, made.report_id)
        revisions.note(connection, made.tenant_id, made.report_id, decision.lacking, decision.plan)
        sent_at = revision_policy.sent_at(connection, worker, decision) if draft.awaits_delivery else None
        if draft.awaits_delivery and sent_at is None:
            deliveries.tell(connection, made.tenant_id, [made.report_id])
    worker.log(
        "report",
        f"Отчёт сохранён, версия {made.version}",
        report_id=str(made.report_id),
    )
    if sent_at is not None:
        when = russian.moment(sent_at, worker.config.timezone)
        worker.log("report", f"Отправка: {when}, перед ней переписка читается ещё раз", at=sent_at.isoformat())
    elif not draft.awaits_delivery:
        worker.log("report", "Письма нет: это пересборка истории или в отчёте не прибавилось")
    _tell_next(worker, decision.plan)
    return made


def _leave(worker: Worker, standing: reports.Report, decision: revision_policy.Decision) -> None:
    with db.as_service("follow-up") as connection:
        leases.hold(connection, worker.run)
        revisions.note(connection, standing.tenant_id, standing.report_id, decision.lacked, decision.plan)
    worker.log("report", f"Нового нет, остаётся версия {standing.version}", report_id=str(standing.report_id))
    _tell_next(worker, decision.plan)


def _tell_next(worker: Worker, plan: revisions.Plan | None) -> None:
    if plan is not None:
        when = russian.moment(plan.at, worker.config.timezone)
        worker.log("report", f"Следующая попытка {plan.number} из {plan.of}: {when}", at=plan.at.isoformat())


def deliver(worker: Worker) -> tuple[int, int]:
    """Send the report's messages now; what cannot be sent stays in the outbox and is sent later."""
    from delivery.sender import send_due

    with db.as_service("delivery") as connection:
        run = queue.get(connection, worker.run.run_id)
    if run.report_id is None:
        return 0, 0
    outcome = send_due(tenant_id=run.tenant_id, report_id=run.report_id, checkpoint=worker.checkpoint)
    with db.as_service("delivery") as connection:
        messages = outbox.of_report(connection, run.tenant_id, run.report_id)
        is_waiting = reports.get(connection, run.report_id).awaits_delivery
    with db.as_service("delivery") as connection:
        telegram = integrations.find(connection, run.tenant_id, "telegram")
    if is_waiting:
        worker.log("delivery", "Письмо уйдёт в назначенное время")
    elif not messages and telegram is not None:
        worker.log("delivery", "Письма к этому отчёту нет: он доступен на странице")
    elif not messages:
        worker.log("delivery", "Telegram не подключён: отчёт доступен на странице", level="warning")
    elif outcome.errors:
        worker.log("delivery", f"Telegram: {outcome.errors[0]} Отчёт ждёт в очереди.", level="warning")
    else:
        worker.log("delivery", "Отчёт доставлен в Telegram")
    return outcome.sent, outcome.retried
