"""``synkro report`` and ``synkro run``: ask for a report, watch it, stop it, run it again."""

from __future__ import annotations

import time
from datetime import datetime

import click

from cli.environment import say
from cli.output import emit, json_option, table
from services.machine import operator
from services.reports import published, runs
from synkro.core.errors import DataError, NotFoundError, SynkroError
from synkro.database import db
from synkro.reporting import public_json
from synkro.runs import heartbeats, queue, reaper

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
    run, _ = runs.request(operator(), slug, from_iso, to_iso, "--exceed-limits" if exceed_limits else "")
    if wait:
        run = wait_for(run, quiet=as_json)
    emit(public_json.run_json(run, slug), as_json, sentence(run))
    raise_if_failed(run, wait)


@report.command("list")
@click.argument("slug")
@click.option("--limit", default=20, show_default=True)
@json_option
def report_list(slug: str, limit: int, as_json: bool) -> None:
    """Последние отчёты компании."""
    found = published.recent(operator(), slug, limit=limit)
    emit(
        [item.to_json() for item in found],
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
                for item in (one.report for one in found)
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
    who = operator()
    found = published.by_id(who, report_id, slug) if report_id else published.current(who, slug, from_iso, to_iso)
    if found is None:
        raise NotFoundError(f"Отчёта ещё нет. Постройте его: synkro report run {slug} --wait.")
    emit(found.to_json(), as_json, found.report.telegram_text or found.report.summary_text)


@click.group()
def run() -> None:
    """Запуски."""


@run.command("list")
@click.argument("slug", required=False)
@click.option("--limit", default=20, show_default=True)
@json_option
def run_list(slug: str | None, limit: int, as_json: bool) -> None:
    """Последние запуски (одной компании или все)."""
    _reap()
    found = runs.recent(operator(), slug, limit)
    emit(
        [public_json.run_json(item, tenant.slug) for item, tenant in found],
        as_json,
        table(
            ["КОМПАНИЯ", "СОСТОЯНИЕ", "ШАГ", "ПОПЫТКА", "КОНЕЦ ОКНА", "НОМЕР"],
            [
                [
                    tenant.slug,
                    item.status,
                    item.current_step,
                    item.attempt,
                    f"{item.window_end:%Y-%m-%d %H:%M}",
                    item.run_id,
                ]
                for item, tenant in found
            ],
            "Запусков пока нет.",
        ),
    )


@run.command("show")
@click.argument("run_id")
@json_option
def run_show(run_id: str, as_json: bool) -> None:
    """Состояние запуска и его журнал."""
    _reap()
    who = operator()
    found, tenant = runs.run_of(who, run_id)
    events = runs.events(who, found)
    lines = [f"{event.created_at:%H:%M:%S} {event.step}: {event.message}" for event in events]
    emit(public_json.run_json(found, tenant.slug), as_json, "\n".join([sentence(found), *lines]))


@run.command("stop")
@click.argument("run_id")
@json_option
def run_stop(run_id: str, as_json: bool) -> None:
    """Остановить запуск."""
    who = operator()
    before, tenant = runs.run_of(who, run_id)
    if not before.is_active:
        raise DataError(f"Запуск уже завершён (состояние: {before.status}): останавливать нечего.")
    found = runs.stop(who, run_id)
    emit(public_json.run_json(found, tenant.slug), as_json, sentence(found))


@run.command("retry")
@click.argument("run_id")
@click.option("--wait/--no-wait", default=True, help="Дождаться конца.", show_default=True)
@json_option
def run_retry(run_id: str, wait: bool, as_json: bool) -> None:
    """Запустить то же окно ещё раз."""
    _reap()
    who = operator()
    tenant = runs.run_of(who, run_id)[1]
    made, _ = runs.retry(who, run_id)
    if wait:
        made = wait_for(made, quiet=as_json)
    emit(public_json.run_json(made, tenant.slug), as_json, sentence(made))
    raise_if_failed(made, wait)


def _reap() -> None:
    """No engine may be alive: what its death left under way is closed before it is shown."""
    with db.as_service("command line") as connection:
        reaper.reap(connection)


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
