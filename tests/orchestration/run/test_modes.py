"""The three modes: deals with dialogs, dialogs alone, deals alone. Each is whole without the source it does not read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from synkro.core.windows import label_of, week_window
from synkro.database import db
from synkro.reporting import reports
from synkro.runs import queue
from synkro.tenancy import runtime_config
from synkro.tenancy.runtime_config import RuntimeConfig
from tests.support.e2e import open_town


@pytest.mark.parametrize("mode", ["radist_only", "amocrm_only"])
def test_a_mode_reads_its_source_and_is_complete_with_it(database: str, mode: str) -> None:
    with open_town("town", with_ai=False) as town:
        with db.as_service("test") as connection:
            runtime_config.change(connection, town.tenant_id, {"mode": mode})
        run = town.build()
        assert run.status == "success", (run.error, run.error_detail)
        with db.as_service("test") as connection:
            report = reports.current(connection, town.tenant_id)
        assert report is not None and report.is_complete
        silent = "amocrm" if mode == "radist_only" else "radist"
        assert town.request_log(silent) == []
        assert town.request_log("radist" if silent == "amocrm" else "amocrm")
        if mode == "radist_only":
            assert report.numbers["dialogs"] > 0 and report.numbers["deals"] == 0
        else:
            assert report.numbers["dialogs"] == 0
            assert report.numbers["deals_new"] is not None
            assert "Диалоги" not in report.telegram_text


def test_a_week_is_a_report_of_its_own(database: str) -> None:
    """The same models and texts as a day, over seven of them."""
    from orchestration.process.launch import execute

    with open_town("town", with_ai=False) as town:
        zone, start = "Asia/Almaty", RuntimeConfig("Asia/Almaty").business_day_start
        label = label_of(town.window, zone) - timedelta(days=7)
        week = week_window(label, start, zone)
        with db.as_service("test") as connection:
            asked, _ = queue.request(
                connection, town.tenant_id, week, mode="amocrm_radist", trigger_type="scheduled", report_type="weekly"
            )
        run = execute(asked.run_id)
        assert run.status == "success", (run.error, run.error_detail)
        with db.as_service("test") as connection:
            report = reports.current(connection, town.tenant_id, week)
            counted = connection.execute(
                "select (select count(*) from marts.fct_messages where tenant_id = %(t)s and sent_at >= %(a)s and sent_at < %(b)s)"
                " as messages, (select count(*) from marts.fct_waits where tenant_id = %(t)s and opened_at >= %(a)s"
                " and opened_at < %(b)s) as waits",
                {"t": town.tenant_id, "a": week.start, "b": week.end},
            ).fetchone()
        assert report is not None and report.is_complete and report.report_type == "weekly"
        assert "недел" in report.telegram_text
        assert counted == {name: report.numbers[name] for name in ("messages", "waits")}
        assert report.numbers["messages"] > 0
