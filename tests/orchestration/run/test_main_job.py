"""The main job, through Dagster, against simulated vendors over HTTP: what it promises when all goes well and when not."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from delivery.sender import send_due
from synkro.connectors import integrations
from synkro.database import db
from synkro.metrics import queries
from synkro.reporting import reports
from synkro.reporting.delivery import outbox
from synkro.runs import queue
from tests.support.e2e import Environment


def current(e2e: Environment) -> reports.Report:
    with db.as_service("test") as connection:
        found = reports.current(connection, e2e.tenant_id, e2e.window)
    assert found is not None
    return found


def mart(e2e: Environment) -> dict[str, Any]:

    with db.as_service("test") as connection:
        found = queries.summary(connection, e2e.tenant_id, e2e.window)
    assert found is not None
    # a report knows its window itself
    return {key: value for key, value in found.items() if key not in ("window_start", "window_end")}


def log_of(run: queue.Run) -> list[str]:
    with db.as_service("test") as connection:
        return [event.message for event in queue.events(connection, run.tenant_id, run.run_id)]


def test_a_day_becomes_a_report_and_a_message(mended: Environment) -> None:
    before = len(mended.sent())
    run = mended.build()
    assert run.status == "success", (run.error, run.error_detail)
    report = current(mended)
    assert run.report_id == report.report_id
    assert report.is_complete and report.as_of is not None and report.as_of >= mended.window.end
    assert report.numbers == mart(mended), "the report's numbers are the mart's"
    assert report.numbers["messages"] > 0 and report.numbers["waits"] > 0
    messages = mended.sent()[before:]
    assert len(messages) == 1
    assert messages[0]["text"].split() == report.telegram_text.split()
    assert report.status == "sent"
    assert report.coverage["read"] + sum(report.coverage["skipped"].values()) == report.coverage["total"]


def test_every_claim_stands_word_for_word_in_a_message(e2e: Environment) -> None:
    report = current(e2e)
    assert report.claims, "a positive control: the day gives claims"
    with db.as_service("test") as connection:
        for claim in report.claims:
            rows = connection.execute(
                "select body from marts.fct_messages where tenant_id = %s and dialog_id = %s and message_id = any (%s)",
                (e2e.tenant_id, claim["dialog_id"], claim["message_ids"]),
            ).fetchall()
            bodies = [" ".join(row["body"].split()) for row in rows]
            assert any(" ".join(claim["quote"].split()) in body for body in bodies), claim


def test_nothing_is_written_to_the_vendors(e2e: Environment) -> None:
    for vendor in ("amocrm", "radist"):
        assert e2e.violations(vendor) == []
        asked = e2e.request_log(vendor)
        assert len(asked) > 5
        assert {entry["method"] for entry in asked} == {"GET"}


def test_the_same_window_again_is_a_new_version_with_the_same_numbers(mended: Environment) -> None:
    first = current(mended)
    calls = len([entry for entry in mended.request_log("llm") if entry["method"] == "POST"])
    run = mended.build()
    assert run.status == "success" and run.attempt == 2
    second = current(mended)
    assert second.version == first.version + 1
    differing = {key for key in first.numbers if first.numbers[key] != second.numbers[key]} - {"as_of", "built_at"}
    assert differing == set()
    again = [entry for entry in mended.request_log("llm") if entry["method"] == "POST"][calls:]
    assert len(again) <= 1, "no dialog is read twice; only the wording of the report may be asked for"


def test_radist_down_makes_an_incomplete_report_that_says_so(mended: Environment) -> None:
    mended.fault("radist", kind="down")
    run = mended.build()
    assert run.status == "success", run.error
    report = current(mended)
    assert not report.is_complete
    assert "Radist" in report.telegram_text
    with db.as_service("test") as connection:
        assert integrations.load(connection, mended.tenant_id, "radist").status == "error"


@pytest.mark.assurance
def test_a_refused_token_is_named_and_the_rest_is_reported(mended: Environment) -> None:
    mended.fault("amocrm", kind="unauthorized_after_refresh")
    run = mended.build()
    assert run.status == "success", run.error
    report = current(mended)
    assert not report.is_complete
    assert any("amoCRM" in line for line in log_of(run))
    with db.as_service("test") as connection:
        assert integrations.load(connection, mended.tenant_id, "amocrm").last_error


def test_both_sources_down_fail_with_the_cause_and_a_retry_succeeds(mended: Environment) -> None:
    assert mended.build().status == "success"
    standing = current(mended)
    mended.fault("amocrm", kind="down")
    mended.fault("radist", kind="down")
    run = mended.build()
    assert run.status == "failed"
    assert run.error and "amoCRM" in run.error and "Radist" in run.error
    assert "Traceback" not in run.error
    assert current(mended).report_id == standing.report_id, "a failed run replaces nothing"
    mended.mend()
    assert mended.build().status == "success"
    assert current(mended).is_complete


@pytest.mark.assurance
def test_telegram_down_keeps_the_letter_and_delivers_it_later(mended: Environment) -> None:
    mended.fault("telegram", kind="down")
    before = len(mended.sent())
    run = mended.build()
    assert run.status == "success", run.error
    report = current(mended)
    with db.as_service("test") as connection:
        letters = outbox.of_report(connection, mended.tenant_id, report.report_id)
    assert [letter.status for letter in letters] == ["pending"]
    assert letters[0].last_error
    mended.mend()
    with db.as_service("test") as connection:
        connection.execute("update synkro.outbox set next_attempt_at = now() where status = 'pending'")
    assert send_due(tenant_id=mended.tenant_id).sent >= 1
    assert len(mended.sent()) > before


@pytest.mark.assurance
def test_the_model_down_leaves_the_numbers(mended: Environment) -> None:
    with db.as_service("test") as connection:
        connection.execute("delete from synkro.dialog_readings where tenant_id = %s", (mended.tenant_id,))
    mended.fault("llm", kind="down")
    run = mended.build()
    assert run.status == "success", run.error
    report = current(mended)
    assert report.numbers == mart(mended)
    assert report.body.stored()["header"]["reader"]["note"], "the report says that the model did not read"


def test_a_person_stops_a_run(mended: Environment) -> None:
    mended.fault("amocrm", kind="timeout", seconds=6)
    run = mended.request()

    def stop() -> None:
        for _ in range(1200):
            with db.as_service("test") as connection:
                if queue.get(connection, run.run_id).status == "running":
                    queue.request_stop(connection, run.tenant_id, run.run_id)
                    return
            time.sleep(0.05)

    from orchestration.process.launch import execute

    stopper = threading.Thread(target=stop)
    stopper.start()
    ended = execute(run.run_id)
    stopper.join()
    assert ended.status == "cancelled"
    assert ended.report_id is None
