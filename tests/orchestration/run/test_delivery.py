"""A report is built in the evening and sent in the morning: the chats are read once more, and the message says who waits now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from delivery import deliveries
from orchestration.process.launch import execute
from synkro.core import clock
from synkro.database import db
from synkro.metrics import live
from synkro.metrics.queries import Waiting, summary
from synkro.reporting import reports
from synkro.reporting.delivery import deliveries as awaiting
from synkro.reporting.delivery import outbox
from synkro.reporting.reports import Report
from synkro.runs import queue
from synkro.tenancy import runtime_config
from tests.support.e2e import Environment

#: the tests are at 16:20 in Almaty
LATER, PASSED = "17:30", "16:10"
EVERY_DAY = "mon,tue,wed,thu,fri,sat,sun"


def settle(e2e: Environment, at: str) -> None:
    with db.as_service("test") as connection:
        values = {"delivery_time": at, "delivery_days": EVERY_DAY}
        runtime_config.change(connection, e2e.tenant_id, values)


def current(e2e: Environment) -> Report:
    with db.as_service("test") as connection:
        found = reports.current(connection, e2e.tenant_id, e2e.window)
    assert found is not None
    return found


def who_waits(e2e: Environment) -> tuple[live.Live, list[Waiting]]:
    with db.as_service("test") as connection:
        now = live.now(connection, e2e.tenant_id)
        assert now is not None
        return now, live.waiting(connection, e2e.tenant_id)


def numbers(e2e: Environment) -> dict[str, Any] | None:
    with db.as_service("test") as connection:
        return summary(connection, e2e.tenant_id, e2e.window)


def letters(e2e: Environment) -> list[outbox.Item]:
    with db.as_service("test") as connection:
        return outbox.of_report(connection, e2e.tenant_id, current(e2e).report_id)


def line_of(now: live.Live) -> str:
    if not now.unanswered:
        return "Сейчас никто не ждёт ответа"
    return f"Сейчас {'ждёт' if now.unanswered % 10 == 1 else 'ждут'} {now.unanswered}"


def due(e2e: Environment) -> list[queue.Run]:
    with db.as_service("test") as connection:
        return awaiting.enqueue_due(connection, clock.now())


def answer(e2e: Environment, waits: list[Waiting]) -> None:
    for wait in waits:
        e2e.sandbox.world.say(int(wait.dialog_id), "Добрый день! Всё готово, отправили вам расчёт.", kind="manager")


@pytest.fixture
def evening(mended: Environment) -> Environment:
    """The report is built; its delivery is later today."""
    settle(mended, LATER)
    run = execute(mended.request(trigger_type="scheduled").run_id)
    assert run.status == "success", (run.error, run.error_detail)
    assert current(mended).awaits_delivery and letters(mended) == []
    return mended


def test_whoever_was_answered_meanwhile_is_dropped(evening: Environment) -> None:
    sent, report, before = len(evening.sent()), current(evening), numbers(evening)
    then, waits = who_waits(evening)
    ids = {wait for action in report.body.actions[:3] if action.only_waits for wait in action.wait_ids}
    answered = [wait for wait in waits if wait.wait_id in ids] or waits[:2]
    assert answered and due(evening) == [], "its hour has not come"
    answer(evening, answered)
    settle(evening, PASSED)
    (run,) = due(evening)
    assert due(evening) == [], "another tick finds the run"

    ended = execute(run.run_id)

    assert ended.status == "success", (ended.error, ended.error_detail)
    assert ended.report_id == report.report_id
    now, left = who_waits(evening)
    assert now.as_of > then.as_of and clock.now() - now.as_of < timedelta(minutes=5)
    # the company lives on: somebody else may have written meanwhile
    assert not {wait.wait_id for wait in left} & {wait.wait_id for wait in answered}
    (letter,) = evening.sent()[sent:]
    text = letter["text"].replace("\xa0", " ")
    at_end = report.numbers["unanswered_now"]
    assert line_of(now) in text and (at_end == now.unanswered or f"{at_end})" in text)
    told = current(evening)
    dropped = {wait for one in told.metadata["delivery"]["dropped"] for wait in one["wait_ids"]}
    # and those who were answered between the window's end and the build; one given up after seven days is no answer
    of_waits = {wait for one in report.body.actions if one.only_waits for wait in one.wait_ids}
    assert of_waits & {wait.wait_id for wait in answered} <= dropped <= of_waits - {wait.wait_id for wait in left}
    assert told.metadata["delivery"]["live"]["unanswered"] == now.unanswered
    assert not told.awaits_delivery and told.telegram_text.replace("\xa0", " ") in (text, told.telegram_text)
    assert told.followup_deadline_at is not None
    assert timedelta(minutes=55) < told.followup_deadline_at - clock.now() <= timedelta(minutes=60)
    # the numbers of the window's end are what they were, and so are the rows of the run that built them
    assert numbers(evening) == before and told.numbers == report.numbers and told.run_id == report.run_id
    assert due(evening) == [] and len(evening.sent()) == sent + 1


def test_a_source_that_is_down_keeps_nothing(evening: Environment) -> None:
    sent, (then, _) = len(evening.sent()), who_waits(evening)
    evening.fault("radist", kind="down")
    settle(evening, PASSED)
    (run,) = due(evening)

    ended = execute(run.run_id)

    assert ended.status == "success", (ended.error, ended.error_detail)
    (letter,) = evening.sent()[sent:]
    text = letter["text"].replace("\xa0", " ")
    assert (
        f"По данным на {then.as_of + timedelta(hours=5):%H:%M}" in text and "Radist перед отправкой не ответил" in text
    )
    assert who_waits(evening)[0] == then
    assert due(evening) == []


def test_a_run_that_dies_before_it_told_is_repeated(evening: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the reading and the sending: nothing is queued, the next look sends once."""
    sent = len(evening.sent())
    settle(evening, PASSED)
    (run,) = due(evening)
    with monkeypatch.context() as patch:

        def die(*_: object, **__: object) -> None:
            raise RuntimeError("killed")

        patch.setattr(deliveries, "tell", die)
        assert execute(run.run_id).status == "failed"
    assert current(evening).awaits_delivery and letters(evening) == [] and len(evening.sent()) == sent

    (again,) = due(evening)
    assert again.run_id != run.run_id and execute(again.run_id).status == "success"

    assert len(letters(evening)) == 1 and len(evening.sent()) == sent + 1
    assert due(evening) == []


def test_without_a_delivery_time_the_report_goes_out_at_once(mended: Environment) -> None:
    settle(mended, "")
    sent = len(mended.sent())
    run = execute(mended.request(trigger_type="scheduled").run_id)
    assert run.status == "success", (run.error, run.error_detail)
    (letter,) = mended.sent()[sent:]
    now, _ = who_waits(mended)
    assert line_of(now) in letter["text"].replace("\xa0", " ")
    assert not current(mended).awaits_delivery


@pytest.mark.assurance
def test_what_a_person_asks_for_is_not_kept_back(evening: Environment) -> None:
    """And the version that waited does not come after it."""
    sent = len(evening.sent())
    run = evening.build()
    assert run.status == "success", (run.error, run.error_detail)
    assert len(evening.sent()) == sent + 1
    settle(evening, PASSED)
    assert due(evening) == []
