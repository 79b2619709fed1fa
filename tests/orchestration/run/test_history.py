"""A history asked for after the fact: the run reads it, the marts hold every day of it, the numbers are built anew."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from orchestration.process.launch import execute
from orchestration.run.window_registration import COMPARE_DAYS
from synkro.core import clock
from synkro.core.windows import business_day_window, label_of
from synkro.database import db
from synkro.runs import history, queue
from synkro.tenancy import runtime_config
from tests.support.e2e import TIMEZONE, Environment

CONFIG = runtime_config.RuntimeConfig(TIMEZONE)


def backfill(e2e: Environment, back: int) -> tuple[queue.Run, date]:
    """Load the history from so many days before the window on, and wait."""
    day = label_of(e2e.window, TIMEZONE) - timedelta(days=back)
    with db.as_service("test") as connection:
        config = runtime_config.current(connection, e2e.tenant_id)
        run, _ = history.request(connection, e2e.tenant_id, config, day.isoformat(), clock.now())
    ended = execute(run.run_id)
    assert ended.status == "success", (ended.error, ended.error_detail)
    return ended, day


def held(e2e: Environment) -> dict[date, int]:
    """Messages of the marts by business day, the left out groups counted back in."""
    with db.as_service("test") as connection:
        rows = connection.execute(
            "select m.sent_at from raw_radist.messages as m where m.tenant_id = %(t)s"
            " and exists (select from marts.fct_messages as f where f.tenant_id = m.tenant_id"
            "  and f.dialog_id = m.chat_id::text and f.message_id = m.id)"
            " union all select m.sent_at from raw_radist.messages as m"
            " join intermediate.int_dialogs as d on d.tenant_id = m.tenant_id and d.chat_id = m.chat_id"
            " where m.tenant_id = %(t)s and d.excluded_reason is not null",
            {"t": e2e.tenant_id},
        )
        found: dict[date, int] = {}
        for row in rows:
            day = history.day_of(row["sent_at"], CONFIG)
            found[day] = found.get(day, 0) + 1
    return found


def expected(e2e: Environment, first: date) -> dict[date, int]:
    """What the company says it wrote on each day up to the window's, computed from its own diary."""
    found = {}
    day = first
    while day <= label_of(e2e.window, TIMEZONE):
        window = business_day_window(day, CONFIG.business_day_start, TIMEZONE)
        said = e2e.sandbox.world.expected(window.start, window.end).messages
        if count := sum(len(ids) for ids in said.values()):
            found[day] = count
        day += timedelta(days=1)
    return found


def since(e2e: Environment) -> dict[str, date | None]:
    with db.as_service("test") as connection:
        depths = history.depths(connection, e2e.tenant_id)
    return {source: history.since(depths, source, CONFIG) for source in ("amocrm", "radist")}


def built(e2e: Environment) -> set[date]:
    with db.as_service("test") as connection:
        rows = connection.execute(
            "select label_date from marts.period_summary where tenant_id = %s", (e2e.tenant_id,)
        ).fetchall()
    return {row["label_date"] for row in rows}


@pytest.mark.assurance
def test_a_history_becomes_days_of_the_marts_and_a_deeper_one_adds_the_older(mended: Environment) -> None:
    run, day = backfill(mended, 5)
    assert run.history_from is not None and since(mended) == {"amocrm": day, "radist": day}
    with db.as_service("test") as connection:
        log = [event.message for event in queue.events(connection, run.tenant_id, run.run_id)]
    assert any(message.startswith("Загружаем историю с") for message in log)
    shallow = held(mended)
    assert {d: n for d, n in shallow.items() if d >= day} == {**expected(mended, day), **_today(shallow, mended)}

    deeper, day = backfill(mended, COMPARE_DAYS - 5)
    assert deeper.attempt == run.attempt + 1 and since(mended) == {"amocrm": day, "radist": day}
    deep = held(mended)
    wanted = expected(mended, day)
    assert len(wanted) > 15, "a positive control: the company wrote on most of these days"
    assert {d: n for d, n in deep.items() if day <= d <= label_of(mended.window, TIMEZONE)} == wanted
    assert set(wanted) - {min(wanted)} <= built(mended), "each day to compare with has its numbers"

    # the usual run afterwards neither reads the history again nor forgets how far it reaches
    usual = mended.build()
    assert usual.status == "success" and usual.history_from is None
    assert since(mended) == {"amocrm": day, "radist": day}
    assert {d: n for d, n in held(mended).items() if d in wanted} == wanted


def _today(found: dict[date, int], e2e: Environment) -> dict[date, int]:
    """Messages after the window: of a day that is not over."""
    return {day: n for day, n in found.items() if day > label_of(e2e.window, TIMEZONE)}
