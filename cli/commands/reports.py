"""``synkro report`` and ``synkro run``: ask for a report, watch it, stop it, run it again."""

from __future__ import annotations

import time
from datetime import datetime

import click

from cli.commands.people import ACTOR
from cli.environment import say
from cli.output import emit, json_option, table
from synkro.core import clock, windows
from synkro.core.errors import DataError, NotFoundError, SynkroError
from synkro.database import db
from synkro.reporting import public_json, reconciliation, reports, restatements
from synkro.runs import heartbeats, queue, reaper
from synkro.tenancy import audit, runtime_config, tenants

#: a living engine that has not touched the row for this long is busy with others: we do it ourselves
PATIENCE = 45.0


@click.group()
def report() -> None:
    """Отчёты."""


@report.command("run")
@click.argument("slug")
@click.option("--from", "from_iso", help="Начало окна, ISO 8601; без смещения — время компании.")
@click.option("--to", "to_iso", help="Конец окна, ISO 8601.")
@click.option("--wait", is_flag=True, help="Дождаться конца; если никто не ведёт очередь — выполнить здесь.")
@click.option(
    "--exceed-limits", is_flag=True, help="Оператор: окно больше или старше разрешённого, с записью в журнал."
)
@json_option
def report_run(
    slug: str, from_iso: str | None, to_iso: str | None, wait: bool, exceed_limits: bool, as_json: bool
) -> None:
    """Построить отчёт за последний закрытый рабочий день или за окно --from … --to."""
    if bool(from_iso) != bool(to_iso):
        raise click.UsageError("Укажите оба конца окна: --from и --to.")
    with db.as_service("command line") as connection:
        tenant = tenants.by_slug(connection, slug)
        tenants.ensure_active(tenant)
        config = runtime_config.current(connection, tenant.tenant_id)
        window, report_type = choose_window(config, from_iso, to_iso, exceed_limits)
        run, was_made = queue.request(
            connection,
            tenant.tenant_id,
            window,
            mode=config.mode,
            trigger_type="manual",
            report_type=report_type,
        )
        audit.write(
            connection,
            "run.request",
            tenant_id=tenant.tenant_id,
            actor=ACTOR,
            message=f"{window.start.isoformat()} – {window.end.isoformat()}",
            metadata={"run_id": str(run.run_id), "joined": not was_made, "exceed_limits": exceed_limits},
        )
    if wait:
        run = wait_for(run, quiet=as_json)
    emit(public_json.run_json(run, slug), as_json, sentence(run))
    raise_if_failed(run, wait)


def choose_window(
    config: runtime_config.RuntimeConfig, from_iso: str | None, to_iso: str | None, exceed_limits: bool = False
) -> tuple[windows.Window, str]:
    """The last closed business day, or the forced window within the tenant's limits."""
    now = clock.now()
    if not from_iso or not to_iso:
        return windows.last_closed(now, config.business_day_start, config.timezone), "daily"
    window = windows.parse_window(from_iso, to_iso, config.timezone)
    lookback, hours = config.max_force_lookback_days, config.max_force_window_hours
    if exceed_limits:
        lookback, hours = windows.FORCED_AT_MOST
    windows.check_forced(window, now, lookback, hours, config.timezone)
    return window, "forced"


@report.command("list")
@click.argument("slug")
@click.option("--limit", default=20, show_default=True)
@json_option
def report_list(slug: str, limit: int, as_json: bool) -> None:
    """Последние отчёты компании."""
    with db.as_service("command line") as connection:
        found = reports.recent(connection, tenants.by_slug(connection, slug).tenant_id, limit=limit)
        changed = restatements.of(connection, found)
    emit(
        [public_json.report_json(item, changed.get(item.report_id)) for item in found],
        as_json,
        table(
            ["ДЕНЬ", "ВИД", "ВЕРСИЯ", "СОСТОЯНИЕ", "ПОЛНЫЙ", "НОМЕР"],
            [
                [
                    item.period_end,
                    item.report_type,
                    item.version,
                    item.status,
                    "да" if item.is_complete else "нет",
                    item.report_id,
                ]
                for item in found
            ],
            f"Отчётов пока нет. Постройте: synkro report run {slug} --wait.",
        ),
    )


@report.command("show")
@click.argument("slug")
@click.option("--from", "from_iso", help="Начало окна, ISO 8601.")
@click.option("--to", "to_iso", help="Конец окна, ISO 8601.")
@click.option("--id", "report_id", help="Номер отчёта (любая версия).")
@json_option
def report_show(slug: str, from_iso: str | None, to_iso: str | None, report_id: str | None, as_json: bool) -> None:
    """Показать отчёт: последний, за окно или по номеру."""
    if bool(from_iso) != bool(to_iso):
        raise click.UsageError("Укажите оба конца окна: --from и --to.")
    with db.as_service("command line") as connection:
        tenant = tenants.by_slug(connection, slug)
        if report_id:
            found: reports.Report | None = reports.get(connection, report_id)
            if found is not None and found.tenant_id != tenant.tenant_id:
                raise NotFoundError("Отчёт не найден.")
        else:
            zone = runtime_config.current(connection, tenant.tenant_id).timezone
            window = windows.parse_window(from_iso, to_iso, zone) if from_iso and to_iso else None
            found = reports.current(connection, tenant.tenant_id, window)
        lines = reconciliation.of_report(connection, found) if found else []
        correction = restatements.of_report(connection, found) if found else None
    if found is None:
        raise NotFoundError(f"Отчёта ещё нет. Постройте его: synkro report run {slug} --wait.")
    emit(public_json.report_json(found, correction, lines), as_json, found.telegram_text or found.summary_text)


@click.group()
def run() -> None:
    """Запуски."""


@run.command("list")
@click.argument("slug", required=False)
@click.option("--limit", default=20, show_default=True)
@json_option
def run_list(slug: str | None, limit: int, as_json: bool) -> None:
    """Последние запуски (одной компании или все)."""
    with db.as_service("command line") as connection:
        reaper.reap(connection)
        names = {tenant.tenant_id: tenant.slug for tenant in tenants.visible(connection)}
        where = tenants.by_slug(connection, slug).tenant_id if slug else None
        found = queue.recent(connection, where, limit)
    emit(
        [public_json.run_json(item, names[item.tenant_id]) for item in found],
        as_json,
        table(
            ["КОМПАНИЯ", "СОСТОЯНИЕ", "ШАГ", "ПОПЫТКА", "КОНЕЦ ОКНА", "НОМЕР"],
            [
                [
                    names[item.tenant_id],
                    item.status,
                    item.current_step,
                    item.attempt,
                    f"{item.window_end:%Y-%m-%d %H:%M}",
                    item.run_id,
                ]
                for item in found
            ],
            "Запусков пока нет.",
        ),
    )


@run.command("show")
@click.argument("run_id")
@json_option
def run_show(run_id: str, as_json: bool) -> None:
    """Состояние запуска и его журнал."""
    with db.as_service("command line") as connection:
        reaper.reap(connection)
        found = queue.get(connection, run_id)
        slug = tenants.by_id(connection, found.tenant_id).slug
        events = queue.events(connection, found.tenant_id, found.run_id)
    lines = [f"{event.created_at:%H:%M:%S} {event.step}: {event.message}" for event in events]
    emit(public_json.run_json(found, slug), as_json, "\n".join([sentence(found), *lines]))


@run.command("stop")
@click.argument("run_id")
@json_option
def run_stop(run_id: str, as_json: bool) -> None:
    """Остановить запуск."""
    with db.as_service("command line") as connection:
        before = queue.get(connection, run_id)
        if not before.is_active:
            raise DataError(f"Запуск уже завершён (состояние: {before.status}): останавливать нечего.")
        found = queue.request_stop(connection, before.tenant_id, before.run_id)
        slug = tenants.by_id(connection, found.tenant_id).slug
        audit.write(
            connection,
            "run.stop",
            tenant_id=found.tenant_id,
            actor=ACTOR,
            metadata={"run_id": str(found.run_id)},
        )
    emit(public_json.run_json(found, slug), as_json, sentence(found))


@run.command("retry")
@click.argument("run_id")
@click.option("--wait/--no-wait", default=True, help="Дождаться конца.", show_default=True)
@json_option
def run_retry(run_id: str, wait: bool, as_json: bool) -> None:
    """Запустить то же окно ещё раз."""
    with db.as_service("command line") as connection:
        reaper.reap(connection)
        before = queue.get(connection, run_id)
        slug = tenants.by_id(connection, before.tenant_id).slug
        config = runtime_config.current(connection, before.tenant_id)
        made, _ = queue.request(
            connection,
            before.tenant_id,
            before.window,
            mode=config.mode,
            trigger_type="manual",
            report_type=before.report_type,
            history_from=before.history_from,
        )
        audit.write(
            connection,
            "run.retry",
            tenant_id=made.tenant_id,
            actor=ACTOR,
            metadata={"run_id": str(made.run_id)},
        )
    if wait:
        made = wait_for(made, quiet=as_json)
    emit(public_json.run_json(made, slug), as_json, sentence(made))
    raise_if_failed(made, wait)


def wait_for(run: queue.Run, *, quiet: bool = False) -> queue.Run:
    """Wait for the end; when nobody drives the queue, execute the run in this process. Progress to standard error."""
    from threading import Event, Thread

    done = Event()
    watcher = Thread(target=_watch, args=(run, done), daemon=True)
    if not quiet:
        watcher.start()
    try:
        return _drive(run)
    finally:
        done.set()
        if watcher.is_alive():
            watcher.join(timeout=5)


def _drive(run: queue.Run) -> queue.Run:
    queued_at = time.monotonic()
    while True:
        with db.as_service("command line") as connection:
            reaper.reap(connection)
            now = queue.get(connection, run.run_id)
            engine = heartbeats.is_alive(connection, "engine")
        if not now.is_active:
            return now
        if now.status == "pending" and (not engine or time.monotonic() - queued_at > PATIENCE):
            from orchestration.process.launch import execute

            ended = execute(now.run_id)
            if not ended.is_active:
                return ended
        time.sleep(1)


def _watch(run: queue.Run, done: object) -> None:
    """Tell the run's log as it grows."""
    from threading import Event

    assert isinstance(done, Event)
    last, shown = 0, ""
    while True:
        is_last = done.wait(1)
        try:
            with db.as_service("command line") as connection:
                events = queue.events(connection, run.tenant_id, run.run_id, after=last)
                now = queue.get(connection, run.run_id)
        except SynkroError:
            return
        for event in events:
            say(f"  {event.created_at.astimezone():%H:%M:%S} {event.message}")
            last = event.event_id
        text = now.progress.get("message") or ""
        if text and text != shown and not events and now.is_active:
            # the message of the sources holds the counts of both
            total = now.progress.get("total") if now.current_step != "sources" else None
            count = f" {now.progress.get('done')} из {total}" if total else ""
            say(f"  {datetime.now().astimezone():%H:%M:%S} · {text}{count}")
            shown = text
        if is_last:
            return


def sentence(run: queue.Run) -> str:
    state = {
        "pending": "ждёт очереди",
        "running": f"идёт, шаг «{run.current_step}»",
        "cancelling": "останавливается",
        "success": "готов",
        "failed": f"не удался: {run.error}",
        "cancelled": "остановлен",
    }[run.status]
    return f"Запуск {run.run_id} (попытка {run.attempt}): {state}"


def raise_if_failed(run: queue.Run, wait: bool) -> None:
    if wait and run.status != "success":
        raise SynkroError(run.error or "Запуск остановлен до конца.")
