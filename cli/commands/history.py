"""``synkro backfill``: load the history from a day on, as a run of the usual queue."""

from __future__ import annotations

import click

from cli.commands.reports import raise_if_failed, sentence, wait_for
from cli.output import emit, json_option
from services.machine import operator
from services.reports import runs
from synkro.reporting import public_json


@click.command()
@click.argument("slug")
@click.option("--from", "from_day", required=True, help="Первый день истории, например 2026-03-02 (время компании).")
@click.option("--wait", is_flag=True, help="Дождаться конца; если никто не ведёт очередь — выполнить здесь.")
@json_option
def backfill(slug: str, from_day: str, wait: bool, as_json: bool) -> None:
    """Загрузить историю компании с этого дня и построить отчёт за последний закрытый день.

    Прерванную загрузку продолжает следующая с тем же днём или synkro run retry.
    """
    run, _ = runs.load_history(operator(), slug, from_day)
    if wait:
        run = wait_for(run, quiet=as_json)
    emit(public_json.run_json(run, slug), as_json, sentence(run))
    raise_if_failed(run, wait)
