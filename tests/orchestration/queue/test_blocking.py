"""What blocks a report: marts that contradict themselves, and vendors of whose rows not one can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from synkro.database import db
from synkro.reporting import reports
from synkro.runs import queue
from tests.support.e2e import Environment, connect


@contextmanager
def lying(table: str, column: str) -> Iterator[None]:
    """The server itself adds one to a number whenever it is written; the rows that stand are wrong already."""
    with psycopg.connect(db.owner_url(), autocommit=True) as connection:
        connection.execute(
            f"create function public.lies() returns trigger language plpgsql as"
            f" $$ begin new.{column} := new.{column} + 1; return new; end $$"
        )
        connection.execute(
            f"create trigger lies before insert or update on {table} for each row execute function public.lies()"
        )
        try:
            connection.execute(f"update {table} set {column} = {column}")
            yield
        finally:
            connection.execute("drop function public.lies() cascade")


def made(tenant_id: UUID, run: queue.Run) -> dict[str, Any]:
    with db.as_service("test") as connection:
        return {
            "report": reports.current(connection, tenant_id, run.window),
            "log": [
                (event.level, event.step, event.message) for event in queue.events(connection, tenant_id, run.run_id)
            ],
        }


def test_marts_that_contradict_themselves_make_no_report(mended: Environment) -> None:
    first = mended.build()
    assert first.status == "success", (first.error, first.error_detail)
    letters = len(mended.sent())
    with lying("marts.period_summary", "waits"):
        run = mended.build()
    assert run.status == "failed" and run.current_step == "marts"
    told = "Числа противоречат друг другу: 3\u00a0проверки витрин не прошли."
    assert run.error is not None and run.error.startswith(told) and "Отчёт не построен" in run.error, run.error
    names = "parts_of_a_window_make_its_summary, parts_sum_to_the_difference, summary_follows_from_its_rows"
    assert names in (run.error_detail or "")
    found = made(mended.tenant_id, run)
    assert found["report"].run_id == first.run_id, "what was published stands"
    assert any(level == "error" and told in message for level, _, message in found["log"])
    assert len(mended.sent()) == letters, "nobody is told numbers that are wrong"

    # the cause gone, the next run writes the row as it is
    again = mended.build()
    assert again.status == "success", (again.error, again.error_detail)
    assert made(mended.tenant_id, again)["report"].run_id == again.run_id


@pytest.mark.parametrize("is_amocrm_readable", [False, True], ids=["of both vendors", "of one"])
def test_rows_nobody_can_read_block_when_no_vendor_is_left(mended: Environment, is_amocrm_readable: bool) -> None:
    tenant_id = connect("one" if is_amocrm_readable else "both", mended.sandbox.addresses)
    letters = len(mended.sent())
    spoilt: dict[str, Any] = {"kind": "null_id", "every": True, "times": 100_000}
    mended.fault("radist", path="/messages/", **spoilt)
    if not is_amocrm_readable:
        mended.fault("amocrm", path=r"/api/v4/leads\?", **spoilt)
    run = Environment(mended.sandbox, tenant_id, "", mended.window).build()
    found = made(tenant_id, run)
    if is_amocrm_readable:
        assert run.status == "success", (run.error, run.error_detail)
        assert not found["report"].is_complete, "the half that can be read is told, as a half"
    else:
        assert (run.status, run.current_step) == ("failed", "sources")
        assert run.error is not None and run.error.startswith("Отчёт не построен: amoCRM: "), run.error
        assert "; Radist: " in run.error and run.error.endswith("Передайте это оператору."), run.error
        assert found["report"] is None and len(mended.sent()) == letters
        with db.as_service("test") as connection:
            rows = connection.execute("select from marts.fct_messages where tenant_id = %s", (tenant_id,)).fetchall()
        assert rows == [], "the marts were not begun"
