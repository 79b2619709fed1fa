"""Never a silent success: a refused row, a lost row and a stream that is down each stand in the log, in the JSON, on the page."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from orchestration.run.ingestion_log import SourcesProgress
from synkro.accounts import embedded
from synkro.connectors.registry import CONNECTORS
from synkro.database import db
from synkro.reporting import public_json, reconciliation, reports
from synkro.runs import queue
from synkro.runs.queue import Event
from synkro.tenancy import users
from tests.app.conftest import running
from tests.app.fixtures import PASSWORD
from tests.support.e2e import Environment, open_environment

STREAMS = sum(len(CONNECTORS[source].streams) for source in ("amocrm", "radist"))


def report_of(run: queue.Run) -> tuple[reports.Report, dict[str, Any], list[reconciliation.Count]]:
    """The report, ``report show --json`` of it, and its counts."""
    assert run.status == "success" and run.report_id, (run.error, run.error_detail)
    with db.as_service("test") as connection:
        report = reports.get(connection, run.report_id)
        shown = public_json.report_json(report, None, reconciliation.of_report(connection, report))
        return report, shown, reconciliation.counts_of(connection, report)


def line_of(shown: dict[str, Any], stream: str) -> dict[str, Any]:
    return next(line for line in shown["reconciliation"] if line["stream"] == stream)


def log_of(run: queue.Run, words: str) -> list[Event]:
    with db.as_service("test") as connection:
        return [event for event in queue.events(connection, run.tenant_id, run.run_id) if words in event.message]


def page_of(e2e: Environment, report: reports.Report) -> str:
    """Everything the reconciliation on the report's page says to a member."""
    with db.as_service("test") as connection:
        if not users.people_of(connection, e2e.tenant_id):
            reader = embedded.add(connection, "reader@example.com", PASSWORD)
            users.grant(connection, reader.user_id, e2e.tenant_id, "user")

    async def look() -> str:
        async with running() as site:
            person = await site.person("reader")
            await person.open(f"/t/{e2e.slug}/reports/{report.report_id}")
            (block,) = person.find(marker="reconciliation").elements
            return " | ".join(str(one.text) for one in block.descendants() if getattr(one, "text", ""))

    # a build runs loops of its own: the page gets one that ends with the look
    return asyncio.run(look())


def test_a_clean_run_has_no_difference_anywhere(mended: Environment) -> None:
    run = mended.build()
    report, shown, counts = report_of(run)
    assert report.is_complete and len(shown["reconciliation"]) == STREAMS
    assert {line["status"] for line in shown["reconciliation"]} == {"complete"}
    assert {line["difference"] for line in shown["reconciliation"]} == {0}
    assert line_of(shown, "messages")["seen"] > 1000 and line_of(shown, "messages")["requests"] > 10
    assert {one.difference for one in counts} == {0}
    assert {one.day is None for one in counts} == {True, False}
    total = {one.entity: one for one in counts if one.day is None}
    assert total["messages"].raw_rows == line_of(shown, "messages")["loaded"]
    assert total["messages"].left_out["group"] > 0, "a positive control: a group's rows are left out and explained"
    assert total["messages"].mart_rows > 1000 and total["leads"].mart_rows > 50
    day = {one.entity: one for one in counts if one.day is not None}
    assert day["messages"].mart_rows == report.numbers["messages"]
    assert day["dialogs"].mart_rows == report.numbers["dialogs"]
    with db.as_service("test") as connection:
        told = queue.events(connection, run.tenant_id, run.run_id)
    assert [event.message for event in told if event.level != "info"] == []
    assert len([event for event in told if "увидено" in event.message]) == STREAMS
    said = page_of(mended, report)
    assert "Сошлось полностью" in said and "Radist: сообщения" in said and "Не сошлось" not in said


def test_a_row_without_id_and_a_row_of_2100_are_shown_with_their_reasons(database: str) -> None:
    with open_environment("refused", with_ai=False) as e2e:
        e2e.fault("amocrm", kind="null_id", path=r"/api/v4/leads\?(?!.*only_deleted)")
        e2e.fault("radist", kind="row_2100", path="/messages", times=1)
        run = e2e.build()
        report, shown, _ = report_of(run)
        leads, messages = line_of(shown, "leads"), line_of(shown, "messages")
        assert (leads["rejected"], leads["reasons"]["no_id"], leads["difference"]) == (1, 1, 0)
        assert (messages["rejected"], messages["reasons"]["future"], messages["difference"]) == (1, 1, 0)
        (line,) = log_of(run, "amoCRM, сделки")
        assert line.level == "warning" and "отклонено 1 (нет номера записи: 1)" in line.message
        (line,) = log_of(run, "Radist, сообщения")
        assert line.level == "warning" and "запись датирована будущим: 1" in line.message
        assert report.is_complete, "both are explained"
        assert "неполные" not in report.telegram_text
        said = page_of(e2e, report)
        assert "нет номера записи: 1" in said and "запись датирована будущим: 1" in said
        assert "отклонено: 2\u00a0строки" in said


def test_a_stream_that_is_down_is_named_everywhere(mended: Environment) -> None:
    mended.fault("amocrm", kind="down", path="/api/v4/contacts")
    run = mended.build()
    report, shown, _ = report_of(run)
    assert line_of(shown, "contacts")["status"] in ("failed", "incomplete")
    assert line_of(shown, "users")["status"] == "complete"
    (said,) = log_of(run, "amoCRM, контакты")
    assert said.level == "warning" and "прочитано полностью" not in said.message
    assert not report.is_complete and not shown["is_complete"]
    assert "Данные неполные: amoCRM" in report.telegram_text
    assert "Не сошлось" in page_of(mended, report)


def test_a_source_that_is_down_leaves_no_stream_unmentioned(mended: Environment) -> None:
    mended.fault("radist", kind="down")
    run = mended.build()
    report, shown, _ = report_of(run)
    radist = [line for line in shown["reconciliation"] if line["source"] == "radist"]
    assert [line["stream"] for line in radist] == [stream.name for stream in CONNECTORS["radist"].streams]
    assert "complete" not in {line["status"] for line in radist}
    assert len(log_of(run, "Radist, ")) == len(radist)
    assert not report.is_complete
    assert "Не прочитано" in page_of(mended, report)


def test_a_row_lost_between_raw_and_the_marts_makes_the_report_incomplete(
    mended: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.dbt import project

    tested = project.test_tenant

    def lose_one(url: str, *arguments: Any, **named: Any) -> Any:
        results = tested(url, *arguments, **named)
        with psycopg.connect(url) as connection:
            connection.execute(
                "delete from marts.fct_messages where ctid = (select ctid from marts.fct_messages"
                " where sent_at >= %s and sent_at < %s limit 1)",
                (mended.window.start, mended.window.end),
            )
        return results

    monkeypatch.setattr(project, "test_tenant", lose_one)
    run = mended.build()
    report, shown, counts = report_of(run)
    lost = [one for one in counts if one.difference]
    assert {(one.entity, one.difference) for one in lost if one.entity == "messages"} == {("messages", 1)}
    assert not report.is_complete and "разница 1" in report.telegram_text
    assert "Данные неполные" in report.telegram_text and "Полные до" not in report.telegram_text
    assert {event.level for event in log_of(run, "Сверка, сообщения")} == {"warning"}
    assert {line["difference"] for line in shown["reconciliation"]} == {0}, "the vendors' half is whole"
    assert "разница 1" in page_of(mended, report)


def test_two_sources_share_one_line_of_progress() -> None:
    shown: list[tuple[str, int, int | None, str]] = []
    progress = SourcesProgress(lambda *said: shown.append(said))
    progress("amocrm", 30, 60, "amoCRM, дней: 30")
    progress("radist", 5, None, "Radist, диалоги: 5")
    progress("radist", 10, 100, "прочитано диалогов: 10")
    assert shown[1] == ("sources", 30, 60, "amoCRM, дней: 30 · Radist, диалоги: 5")
    assert shown[2] == ("sources", 10, 100, "amoCRM, дней: 30 · Radist: прочитано диалогов: 10")
