"""A report that lacks a source or the AI's part goes out on time, says when it is tried again, and is revised once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from orchestration.process.launch import execute
from synkro.connectors import integrations
from synkro.core import clock
from synkro.database import db
from synkro.reporting import reports, revisions
from synkro.runs import queue
from tests.support.e2e import Environment


def current(e2e: Environment) -> reports.Report:
    with db.as_service("test") as connection:
        found = reports.current(connection, e2e.tenant_id, e2e.window)
    assert found is not None
    return found


def due(e2e: Environment) -> datetime | None:
    with db.as_service("test") as connection:
        return revisions.next_attempts(connection, e2e.tenant_id).get(current(e2e).report_id)


def follow_up(e2e: Environment) -> queue.Run:
    """What the queue's sensor and the daemon do when the moment has come."""
    moment = due(e2e)
    assert moment is not None
    with db.as_service("test") as connection:
        assert revisions.enqueue_due(connection, moment - timedelta(seconds=1)) == []
        (run,) = revisions.enqueue_due(connection, moment)
    return execute(run.run_id)


def local(moment: datetime) -> str:
    return f"{moment + timedelta(hours=5):%H:%M}"


def test_a_source_that_was_down_is_added_by_a_revision(mended: Environment) -> None:
    mended.fault("radist", kind="down")
    run = mended.build()
    assert run.status == "success", (run.error, run.error_detail)
    first, sent = current(mended), len(mended.sent())
    moment = due(mended)
    assert not first.is_complete and moment is not None
    assert timedelta(minutes=25) < moment - clock.now() <= timedelta(minutes=30)
    assert (
        f"Следующая попытка: {local(moment)}" in first.telegram_text.replace("\xa0", " ")
        or local(moment) in first.telegram_text
    ), first.telegram_text

    # still down: no version, no message, a longer pause
    assert follow_up(mended).status == "success"
    assert current(mended).report_id == first.report_id and len(mended.sent()) == sent
    later = due(mended)
    assert later is not None and later - clock.now() > timedelta(minutes=55)

    mended.mend()
    run = follow_up(mended)
    assert run.status == "success", (run.error, run.error_detail)
    revised = current(mended)
    assert (revised.version, revised.is_complete) == (first.version + 1, True)
    assert revised.body.stored()["revision"] == {"of_version": first.version, "gained": "данные Radist"}
    assert due(mended) is None
    letters = mended.sent()[sent:]
    assert len(letters) == 1 and "Уточнённый отчёт: добавлено — данные Radist" in letters[0]["text"]
    with db.as_service("test") as connection:
        kept = reports.versions(connection, revised)
    assert first.report_id in {one.report_id for one in kept}
    assert revisions.AI not in lacking(mended)


def ai_of(e2e: Environment) -> integrations.Integration:
    with db.as_service("test") as connection:
        return integrations.load(connection, e2e.tenant_id, "ai")


@pytest.mark.assurance
def test_the_ai_part_is_added_later(mended: Environment) -> None:
    with db.as_service("test") as connection:
        connection.execute("delete from synkro.dialog_readings where tenant_id = %s", (mended.tenant_id,))
    mended.fault("llm", kind="down")
    run = mended.build()
    assert run.status == "success", (run.error, run.error_detail)
    first, sent = current(mended), len(mended.sent())
    moment = due(mended)
    assert first.is_complete and lacking(mended) == ["ai"] and moment is not None
    note = first.body.stored()["header"]["reader"]["note"]
    assert "AI-раздел недоступен" in note and local(moment) in note
    assert note in first.summary_text
    down = ai_of(mended)
    assert down.status == "error" and "прервалось" in (down.last_error or "")

    mended.mend()
    run = follow_up(mended)
    assert run.status == "success", (run.error, run.error_detail)
    revised = current(mended)
    assert lacking(mended) == [] and due(mended) is None
    assert (ai_of(mended).status, ai_of(mended).last_error) == ("ok", None)
    assert revised.coverage["read"] > first.coverage["read"]
    same = {key for key in first.numbers if first.numbers[key] != revised.numbers[key]}
    assert same <= {"as_of", "built_at"}, "the numbers were there from the first"
    letters = mended.sent()[sent:]
    assert len(letters) == 1 and "Уточнённый отчёт: добавлено — AI-раздел" in letters[0]["text"]


def test_too_few_dialogs_make_the_short_form_and_no_follow_up(mended: Environment) -> None:
    from synkro.tenancy import runtime_config

    with db.as_service("test") as connection:
        runtime_config.change(connection, mended.tenant_id, {"min_dialogs_for_report": 10_000})
    try:
        asked = len([entry for entry in mended.request_log("llm") if entry["method"] == "POST"])
        run = mended.build()
        assert run.status == "success", (run.error, run.error_detail)
        report = current(mended)
        assert report.body.stored()["too_little_data"] and "Мало данных" in report.telegram_text
        assert lacking(mended) == [] and due(mended) is None
        assert len([entry for entry in mended.request_log("llm") if entry["method"] == "POST"]) == asked
    finally:
        with db.as_service("test") as connection:
            runtime_config.change(connection, mended.tenant_id, {"min_dialogs_for_report": 1})


def lacking(e2e: Environment) -> list[str]:
    report = current(e2e)
    with db.as_service("test") as connection:
        return revisions.lacking_of(connection, e2e.tenant_id, report.report_id)
