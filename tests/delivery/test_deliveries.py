"""Reports that await their delivery: told once, the days off in short before the last, late rather than never."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from delivery import deliveries
from delivery.sender import send_due
from synkro.core import clock
from synkro.core.windows import business_day_window, last_closed
from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.body import Body
from synkro.reporting.delivery import deliveries as awaiting
from synkro.reporting.delivery import outbox
from synkro.reporting.reports import Report
from synkro.runs import queue
from synkro.tenancy import runtime_config, tenants
from tests.delivery.bodies import ordinary
from tests.delivery.conftest import Company, Telegram

ALWAYS = {"delivery_time": "08:30", "delivery_days": "mon,tue,wed,thu,fri,sat,sun"}


def published(company: Company, back: int = 0, **changes: Any) -> Report:
    """The report of a business day, ``back`` days before the last that closed, awaiting its delivery."""
    with db.as_service("test") as connection:
        config = runtime_config.current(connection, company.tenant_id)
        last = last_closed(clock.now(), config.business_day_start, config.timezone)
        day = last.end.date() - timedelta(days=back)
        window = business_day_window(day, config.business_day_start, config.timezone)
        body = Body.read({**ordinary(), "header": {**ordinary()["header"], "date": day.isoformat()}})
        draft = reports.Draft(
            report_type="daily", window=window, period_start=day, period_end=day, as_of=window.end, is_complete=True,
            summary_text="", body=body, numbers={"unanswered_now": 36}, coverage={}, claims=[], awaits_delivery=True,
        )  # fmt: skip
        return reports.publish(connection, company.tenant_id, None, replace(draft, **changes), [])


def settle(company: Company, **values: object) -> None:
    with db.as_service("test") as connection:
        runtime_config.change(connection, company.tenant_id, values)


@pytest.fixture
def company(make_company: Callable[..., Company], telegram: Telegram) -> Iterator[Company]:
    made = make_company(telegram.chat())
    settle(made, **ALWAYS)
    yield made
    with db.as_service("test") as connection:
        connection.execute("update synkro.reports set awaits_delivery = false")


def tell(company: Company, *told: Report) -> list[UUID]:
    with db.as_service("test") as connection:
        found = deliveries.tell(connection, company.tenant_id, [one.report_id for one in told])
    return [one.report_id for one in found]


def test_days_off_come_in_short_before_the_last_day(company: Company) -> None:
    """Red when all of them are told in full, or the newest goes first."""
    first, second, last = (published(company, back) for back in (2, 1, 0))

    assert tell(company, last, first, second) == [first.report_id, second.report_id, last.report_id]

    texts = [company.row(one).payload["plain"] for one in (first, second, last)]
    assert ["Сделать сегодня" in text for text in texts] == [False, False, True]
    with db.as_service("test") as connection:
        order = [outbox.claim(connection, tenant_id=company.tenant_id) for _ in range(3)]
    assert [one.report_id for one in order if one] == [first.report_id, second.report_id, last.report_id]
    kept = company.report(first)
    assert kept.metadata["delivery"]["is_short"] and not company.report(last).metadata["delivery"]["is_short"]
    assert kept.telegram_text == texts[0] and not kept.awaits_delivery


def test_a_week_beside_a_day_is_told_in_full(company: Company) -> None:
    day = published(company)
    week = published(company, 9, report_type="weekly")
    tell(company, day, week)
    assert all("Сделать" in company.row(one).payload["plain"] for one in (day, week))


def test_two_at_once_tell_it_once(company: Company) -> None:
    """The run that looked and the sender get there together: the second waits for the first and finds nothing left."""
    report = published(company)
    told: list[list[UUID]] = []
    has_told, may_commit = threading.Event(), threading.Event()

    def first() -> None:
        with db.as_service("test") as connection:
            told.append([one.report_id for one in deliveries.tell(connection, company.tenant_id, [report.report_id])])
            has_told.set()
            may_commit.wait(20)

    threads = [threading.Thread(target=first), threading.Thread(target=lambda: told.append(tell(company, report)))]
    threads[0].start()
    assert has_told.wait(20)
    threads[1].start()
    may_commit.set()
    for thread in threads:
        thread.join(20)
    assert sorted(map(len, told)) == [0, 1]
    assert len(company.rows(report)) == 1


def test_an_earlier_version_does_not_wait_beside_a_later_one(company: Company) -> None:
    first = published(company)
    second = published(company)
    assert tell(company, first, second) == [second.report_id]
    with db.as_service("test") as connection:
        assert not reports.get(connection, first.report_id).awaits_delivery


def test_a_revision_of_what_nobody_was_told_is_no_revision(company: Company) -> None:
    published(company)
    revised = published(
        company, body=Body.read({**ordinary(), "revision": {"of_version": 1, "gained": "данные Radist"}})
    )
    tell(company, revised)
    assert "Уточнённый" not in company.row(revised).payload["plain"]
    again = published(company, body=Body.read({**ordinary(), "revision": {"of_version": 2, "gained": "данные Radist"}}))
    tell(company, again)
    assert "Уточнённый отчёт: добавлено — данные Radist" in company.row(again).payload["plain"]


def test_the_sender_tells_what_no_look_has_got_to(company: Company) -> None:
    """After the grace, once; not while a look is at work, and not what a person stopped."""
    report = published(company)
    with db.as_service("test") as connection:
        (owed,) = awaiting.owed(connection, company.tenant_id)
        late = clock.now() - owed.at
        assert late > deliveries.GRACE, "the moment of the tests lies after the hour of the delivery"
        (run,) = [r for r in awaiting.enqueue_due(connection, clock.now()) if r.tenant_id == company.tenant_id]
        assert awaiting.enqueue_due(connection, clock.now()) == []
        assert deliveries.tell_overdue(connection) == 0, "the look has its time"
        connection.execute(
            "update synkro.job_runs set created_at = created_at - %s where run_id = %s", (deliveries.GRACE, run.run_id)
        )
        assert deliveries.tell_overdue(connection) == 1
        assert deliveries.tell_overdue(connection) == 0
    assert (run.job_type, run.trigger_type) == ("delivery", "scheduled")
    assert len(company.rows(report)) == 1
    assert "перечитать не успели" in company.report(report).metadata["delivery"]["problem"]


def test_a_look_that_a_person_stops_ends_the_wait(company: Company) -> None:
    report = published(company)
    with db.as_service("test") as connection:
        (run,) = [r for r in awaiting.enqueue_due(connection, clock.now()) if r.tenant_id == company.tenant_id]
        queue.request_stop(connection, company.tenant_id, run.run_id)
        assert deliveries.tell_overdue(connection) == 0
        assert awaiting.enqueue_due(connection, clock.now()) == []
    assert company.rows(report) == [] and not company.report(report).awaits_delivery
    assert company.report(report).metadata["delivery"] == {"left_out": "stopped"}


def test_a_setting_that_changes_in_between_counts_at_once(company: Company) -> None:
    published(company)

    def due() -> int:
        with db.as_service("test") as connection:
            return len(awaiting.due(connection, clock.now(), company.tenant_id))

    assert due() == 1
    later = (clock.now() + timedelta(minutes=30)).astimezone(ZoneInfo("Asia/Almaty"))
    settle(company, delivery_time=f"{later:%H:%M}")
    assert due() == 0
    settle(company, delivery_time="")
    assert due() == 1
    with db.as_service("test") as connection:
        tenants.set_status(connection, company.tenant_id, "paused")
    assert due() == 0
    with db.as_service("test") as connection:
        tenants.set_status(connection, company.tenant_id, "active")
    assert due() == 1


def test_nobody_is_told_of_what_is_too_old(company: Company) -> None:
    report = published(company, 9)
    with db.as_service("test") as connection:
        assert awaiting.enqueue_due(connection, clock.now()) == [] and deliveries.tell_overdue(connection) == 0
    assert company.rows(report) == [] and company.report(report).metadata["delivery"] == {"left_out": "too old"}


def test_questions_are_taken_from_the_delivery_on(company: Company) -> None:
    report = published(company)
    tell(company, report)
    assert company.report(report).followup_deadline_at is None
    before = clock.now()
    assert send_due(tenant_id=company.tenant_id).sent == 1
    deadline = company.report(report).followup_deadline_at
    assert deadline is not None and timedelta(minutes=59) < deadline - before < timedelta(minutes=61)
