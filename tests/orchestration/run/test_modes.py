"""The three modes: deals with dialogs, dialogs alone, deals alone. Each is whole without the source it does not read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dagster import AssetKey, DagsterEventType, RunsFilter

from orchestration.process import instance
from orchestration.queue.partitions import RUN_TAG
from synkro.connectors.registry import CONNECTORS
from synkro.core.windows import label_of, week_window
from synkro.database import db
from synkro.reporting import reports
from synkro.runs import queue
from synkro.tenancy import runtime_config
from synkro.tenancy.runtime_config import RuntimeConfig
from tests.support.e2e import open_environment


def shown_of(run: queue.Run) -> tuple[set[AssetKey], dict[tuple[AssetKey, str], bool], list[str]]:
    """What Dagster shows of a run: assets it materialized, how its checks ended, the warnings of its log."""
    dagster = instance.get()
    (made,) = dagster.get_runs(RunsFilter(tags={RUN_TAG: str(run.run_id)}))
    events = dagster.all_logs(made.run_id)
    kinds = [event.dagster_event for event in events if event.dagster_event is not None]
    keys = {event.asset_key for event in kinds if event.event_type is DagsterEventType.ASSET_MATERIALIZATION}
    judged = [
        event.asset_check_evaluation_data
        for event in kinds
        if event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    warnings = [event.user_message for event in events if event.level == 30]
    return (
        {key for key in keys if key is not None},
        {(one.asset_key, one.check_name): one.passed for one in judged},
        warnings,
    )


def raw(source: str) -> set[AssetKey]:
    return {AssetKey([f"raw_{source}", stream]) for stream in (one.name for one in CONNECTORS[source].streams)}


@pytest.mark.parametrize("mode", ["radist_only", "amocrm_only"])
def test_a_mode_reads_its_source_and_is_complete_with_it(database: str, mode: str) -> None:
    with open_environment("town", with_ai=False) as e2e:
        with db.as_service("test") as connection:
            runtime_config.change(connection, e2e.tenant_id, {"mode": mode})
        run = e2e.build()
        assert run.status == "success", (run.error, run.error_detail)
        with db.as_service("test") as connection:
            report = reports.current(connection, e2e.tenant_id)
        assert report is not None and report.is_complete
        silent = "amocrm" if mode == "radist_only" else "radist"
        assert e2e.request_log(silent) == []
        read = "radist" if silent == "amocrm" else "amocrm"
        assert e2e.request_log(read)
        shown, _, warnings = shown_of(run)
        assert raw(read) <= shown and not raw(silent) & shown, "what was not read is as old as it was"
        views = {key.path[1] for key in shown if key.path[0] == "staging"}
        assert any(name.startswith(f"stg_{read}__") for name in views)
        assert not any(name.startswith(f"stg_{silent}__") for name in views)
        assert AssetKey(["marts", "period_summary"]) in shown and AssetKey("telegram_delivery") in shown
        assert not any("was not read" in line for line in warnings), "nobody asked for it"
        if mode == "radist_only":
            assert report.numbers["dialogs"] > 0 and report.numbers["deals"] == 0
        else:
            assert report.numbers["dialogs"] == 0
            assert report.numbers["deals_new"] is not None
            assert "Диалоги" not in report.telegram_text


def test_a_vendor_that_is_down_leaves_its_streams_as_old_as_they_are(database: str) -> None:
    with open_environment("town", with_ai=False) as e2e:
        e2e.fault("amocrm", kind="down")
        run = e2e.build()
        assert run.status == "success", (run.error, run.error_detail)
        shown, checks, warnings = shown_of(run)
        assert raw("radist") <= shown and not raw("amocrm") & shown
        assert AssetKey("report") in shown, "the report is built from what is there"
        leads = AssetKey(["raw_amocrm", "leads"])
        assert not checks[leads, "reconciled"] and not checks[leads, "contract"]
        assert checks[AssetKey(["raw_radist", "messages"]), "contract"]
        (said,) = (line for line in warnings if line.startswith("raw_amocrm/leads was not read: "))
        with db.as_service("test") as connection:
            told = [event.message for event in queue.events(connection, e2e.tenant_id, run.run_id)]
        assert f"amoCRM: {said.partition(': ')[2]}" in told, "the cause people read"


def test_a_week_is_a_report_of_its_own(database: str) -> None:
    """The same models and texts as a day, over seven of them."""
    from orchestration.process.launch import execute

    with open_environment("town", with_ai=False) as e2e:
        zone, start = "Asia/Almaty", RuntimeConfig("Asia/Almaty").business_day_start
        label = label_of(e2e.window, zone) - timedelta(days=7)
        week = week_window(label, start, zone)
        with db.as_service("test") as connection:
            asked, _ = queue.request(
                connection, e2e.tenant_id, week, mode="amocrm_radist", trigger_type="scheduled", report_type="weekly"
            )
        run = execute(asked.run_id)
        assert run.status == "success", (run.error, run.error_detail)
        with db.as_service("test") as connection:
            report = reports.current(connection, e2e.tenant_id, week)
            counted = connection.execute(
                "select (select count(*) from marts.fct_messages where tenant_id = %(t)s and sent_at >= %(a)s and sent_at < %(b)s)"
                " as messages, (select count(*) from marts.fct_waits where tenant_id = %(t)s and opened_at >= %(a)s"
                " and opened_at < %(b)s) as waits",
                {"t": e2e.tenant_id, "a": week.start, "b": week.end},
            ).fetchone()
        assert report is not None and report.is_complete and report.report_type == "weekly"
        assert "недел" in report.telegram_text
        assert counted == {name: report.numbers[name] for name in ("messages", "waits")}
        assert report.numbers["messages"] > 0
