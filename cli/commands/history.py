"""``synkro backfill``: load the history from a day on, as a run of the usual queue."""

from __future__ import annotations

import click

from cli.commands.people import ACTOR
from cli.commands.reports import raise_if_failed, sentence, wait_for
from cli.output import emit, json_option
from synkro.core import clock
from synkro.database import db
from synkro.reporting import public_json
from synkro.runs import history
from synkro.tenancy import audit, runtime_config, tenants


@click.command()
@click.argument("slug")
@click.option("--from", "from_day", required=True, help="Первый день истории, например 2026-03-02 (время компании).")
@click.option("--wait", is_flag=True, help="Дождаться конца; если никто не ведёт очередь — выполнить здесь.")
@json_option
def backfill(slug: str, from_day: str, wait: bool, as_json: bool) -> None:
    """Загрузить историю компании с этого дня и построить отчёт за последний закрытый день.

    Прерванную загрузку продолжает следующая с тем же днём или synkro run retry.
    """
    now = clock.now()
    with db.as_service("command line") as connection:
        tenant = tenants.by_slug(connection, slug)
        tenants.ensure_active(tenant)
        config = runtime_config.current(connection, tenant.tenant_id)
        run, was_made = history.request(connection, tenant.tenant_id, config, from_day, now)
        audit.write(
            connection,
            "run.history",
            tenant_id=tenant.tenant_id,
            actor=ACTOR,
            message=from_day.strip(),
            metadata={"run_id": str(run.run_id), "joined": not was_made},
        )
    if wait:
        run = wait_for(run, quiet=as_json)
    emit(public_json.run_json(run, slug), as_json, sentence(run))
    raise_if_failed(run, wait)
