"""When a report is due: the tenant's own clock decides, also over a change of clocks and after an outage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from orchestration.defs.schedules import due, enqueue_due
from synkro.core.windows import label_of
from synkro.database import db
from synkro.runs import leases, queue
from synkro.tenancy import runtime_config, tenants
from synkro.tenancy.runtime_config import RuntimeConfig
from tests.support.moment import stamped

ALMATY = RuntimeConfig(timezone="Asia/Almaty", is_schedule_enabled=True)


def at(text: str, zone: str = "Asia/Almaty") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


#: the schedule has been on for years
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def keys(config: RuntimeConfig, now: datetime, since: datetime = LONG_AGO, kind: str = "daily") -> list[str]:
    return [one.key for one in due(config, now, since) if one.report_type == kind]


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        ("2026-03-02 22:00", "daily:2026-03-01"),  # until 22:01 the last closed day is the 1st
        ("2026-03-02 22:05", "daily:2026-03-01"),  # the 2nd closed at 22:01 and is scheduled for 22:10
        ("2026-03-02 22:10", "daily:2026-03-02"),
        ("2026-03-03 09:00", "daily:2026-03-02"),
    ],
)
def test_the_day_is_due_at_its_time(now: str, newest: str) -> None:
    assert keys(ALMATY, at(now))[-1] == newest


def test_a_morning_report_comes_the_next_morning() -> None:
    config = replace(ALMATY, scheduled_run_time=time(9, 0))
    assert keys(config, at("2026-03-02 23:00"))[-1] == "daily:2026-03-01"
    assert keys(config, at("2026-03-03 09:00"))[-1] == "daily:2026-03-02"


def test_a_day_of_a_clock_change_has_its_report() -> None:
    config = replace(ALMATY, timezone="Europe/Berlin")
    found = due(config, at("2026-03-29 22:10", "Europe/Berlin"), LONG_AGO)[-1]
    assert (found.key, found.window.hours) == ("daily:2026-03-29", 23)


def test_days_missed_in_an_outage_come_once_each_and_in_order() -> None:
    """Red when only the last closed day is looked at, or the newest is queued first."""
    found = due(replace(ALMATY, is_weekly_enabled=False, is_monthly_enabled=False), at("2026-03-11 23:00"), LONG_AGO)

    assert [one.key[-5:] for one in found] == ["03-05", "03-06", "03-07", "03-08", "03-09", "03-10", "03-11"]
    assert [one.at for one in found] == sorted(one.at for one in found)


def test_what_fell_due_before_the_schedule_was_on_is_not_owed() -> None:
    """Switched on in the night after the 10th: that day is reported at once, the days before it never."""
    assert keys(ALMATY, at("2026-03-11 02:00"), at("2026-03-11 01:00")) == ["daily:2026-03-10"]
    assert keys(ALMATY, at("2026-03-11 02:00"), at("2026-03-09 22:05")) == ["daily:2026-03-09", "daily:2026-03-10"]
    assert keys(ALMATY, at("2026-03-10 02:00"), at("2026-03-10 01:00"), "weekly") == []


@pytest.mark.parametrize(
    ("now", "week"),
    [
        ("2026-03-09 22:09", "weekly:2026-02-23"),  # Monday before the hour: still the week before the last
        ("2026-03-09 22:10", "weekly:2026-03-02"),
        ("2026-03-15 23:00", "weekly:2026-03-02"),  # the next week has closed and waits for its Monday
    ],
)
def test_the_week_is_due_on_monday(now: str, week: str) -> None:
    assert keys(ALMATY, at(now), kind="weekly")[-1] == week


def test_a_week_is_seven_business_days() -> None:
    found = [one for one in due(ALMATY, at("2026-03-09 22:10"), LONG_AGO) if one.report_type == "weekly"][-1]
    assert (found.window.start, found.window.end) == (at("2026-03-01 22:01"), at("2026-03-08 22:01"))


def test_the_month_is_due_on_its_first_working_day() -> None:
    """March 1, 2026 is a Sunday and the 2nd a holiday: the report of February comes on the 3rd."""
    office = {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
    config = replace(ALMATY, calendar={"weekly": office, "holidays": ["2026-03-02"]})

    assert keys(config, at("2026-03-03 22:09"), kind="monthly") == []
    assert keys(config, at("2026-03-03 22:10"), kind="monthly") == ["monthly:2026-02"]
    assert keys(ALMATY, at("2026-03-01 22:10"), kind="monthly") == ["monthly:2026-02"]


def test_days_come_before_the_week_that_holds_them() -> None:
    kinds = [one.report_type for one in due(ALMATY, at("2026-03-02 22:10"), at("2026-03-01 22:05"))]
    assert kinds == ["daily", "monthly", "daily", "weekly"]


def test_off_means_off() -> None:
    assert due(replace(ALMATY, is_schedule_enabled=False), at("2026-03-02 23:00"), LONG_AGO) == []
    quiet = replace(ALMATY, is_weekly_enabled=False, is_monthly_enabled=False)
    assert {one.report_type for one in due(quiet, at("2026-03-10 23:00"), LONG_AGO)} == {"daily"}


@pytest.fixture
def two(database: str) -> tuple[UUID, UUID]:
    with db.as_service("test") as connection:
        made = []
        for slug in ("alpha", "beta"):
            tenant = tenants.add(connection, slug, slug, "Asia/Almaty")
            runtime_config.start(connection, tenant.tenant_id, "Asia/Almaty")
            runtime_config.change(connection, tenant.tenant_id, {"is_schedule_enabled": True})
            made.append(tenant.tenant_id)
    return made[0], made[1]


def test_each_tenant_is_queued_once_whatever_happens_to_the_run(two: tuple[UUID, UUID]) -> None:
    now = at("2026-03-02 22:11")
    with db.as_service("test") as connection:
        assert len(enqueue_due(connection, now)) == 2
        assert enqueue_due(connection, now + timedelta(seconds=5)) == []
        for run in queue.active(connection):
            leases.finish(connection, leases.claim(connection, run.run_id), "failed", error="сбой")
        connection.execute("update synkro.job_runs set finished_at = %s", (stamped(now),))
        assert enqueue_due(connection, now + timedelta(minutes=10)) == []
        assert len(enqueue_due(connection, now + timedelta(days=1))) == 2


def test_a_failed_day_is_tried_again_a_few_times_and_a_stopped_one_is_not(two: tuple[UUID, UUID]) -> None:
    now = at("2026-03-02 22:11")
    with db.as_service("test") as connection:
        tenants.set_status(connection, two[1], "paused")
        tried_after = []
        for minutes in range(0, 24 * 60, 5):
            moment = now + timedelta(minutes=minutes)
            if not enqueue_due(connection, moment):
                continue
            tried_after.append(minutes)
            for run in queue.active(connection):
                leases.finish(connection, leases.claim(connection, run.run_id), "failed", error="сбой")
                connection.execute(
                    "update synkro.job_runs set finished_at = %s where run_id = %s", (stamped(moment), run.run_id)
                )
        # the pauses double: 30, 60, 120, 240 minutes, then a person has to look
        assert tried_after[:5] == [0, 30, 90, 210, 450] and 450 in tried_after[-2:]
        tenants.set_status(connection, two[1], "active")
        (waiting,) = enqueue_due(connection, now)
        queue.request_stop(connection, waiting.tenant_id, waiting.run_id)
        # its pause would be over: what keeps it from being tried again is that a person stopped it
        connection.execute(
            "update synkro.job_runs set finished_at = %s where run_id = %s", (stamped(now), waiting.run_id)
        )
        assert enqueue_due(connection, now + timedelta(hours=2)) == []


@pytest.mark.parametrize(("status", "again"), [("failed", True), ("cancelled", False), ("success", False)])
def test_only_a_day_that_failed_is_asked_for_again(two: tuple[UUID, UUID], status: str, again: bool) -> None:
    now = at("2026-03-02 22:11")
    with db.as_service("test") as connection:
        assert len(enqueue_due(connection, now)) == 2
        connection.execute("update synkro.job_runs set status = %s, finished_at = %s", (status, stamped(now)))
        assert bool(enqueue_due(connection, now + timedelta(hours=2))) is again


def test_a_paused_tenant_is_quiet(two: tuple[UUID, UUID]) -> None:
    with db.as_service("test") as connection:
        tenants.set_status(connection, two[0], "paused")
        assert [run.tenant_id for run in enqueue_due(connection, at("2026-03-02 22:11"))] == [two[1]]


def test_a_new_time_takes_effect_at_once(two: tuple[UUID, UUID]) -> None:
    with db.as_service("test") as connection:
        tenants.set_status(connection, two[1], "paused")
        runtime_config.change(connection, two[0], {"scheduled_run_time": "23:30"})
        assert enqueue_due(connection, at("2026-03-02 23:00")) == []
        assert len(enqueue_due(connection, at("2026-03-02 23:31"))) == 1


def test_an_outage_is_made_good_once_and_in_order(two: tuple[UUID, UUID]) -> None:
    now = at("2026-03-06 23:00")
    with db.as_service("test") as connection:
        tenants.set_status(connection, two[1], "paused")
        connection.execute("update synkro.tenants set status_since = %s", (stamped(at("2026-03-03 00:00")),))
        connection.execute("update synkro.tenant_runtime_configs set created_at = '2026-03-03'")
        made = enqueue_due(connection, now)
        labels = [label_of(run.window, "Asia/Almaty").day for run in made if run.report_type == "daily"]
        assert labels == [3, 4, 5, 6]
        assert enqueue_due(connection, now + timedelta(minutes=1)) == []


def test_what_fell_due_while_paused_is_not_made_good(two: tuple[UUID, UUID]) -> None:
    with db.as_service("test") as connection:
        connection.execute("update synkro.tenant_runtime_configs set created_at = '2026-01-01'")
        connection.execute("update synkro.tenants set status_since = %s", (stamped(at("2026-01-01 00:00")),))
        tenants.set_status(connection, two[1], "paused")
        tenants.set_status(connection, two[1], "active")
        made = enqueue_due(connection, at("2026-03-06 23:00"))
        assert len([run for run in made if run.tenant_id == two[1]]) == 1
        assert len([run for run in made if run.tenant_id == two[0]]) > 5


def test_the_queue_is_looked_at_with_three_queries(two: tuple[UUID, UUID]) -> None:
    """Whatever the number of tenants: this is asked every five seconds."""
    now, asked = at("2026-03-02 22:11"), 0

    class Counting:
        def __init__(self, connection: db.Connection) -> None:
            self._connection = connection

        def execute(self, *arguments: Any) -> Any:
            nonlocal asked
            asked += 1
            return self._connection.execute(*arguments)

    with db.as_service("test") as connection:
        enqueue_due(connection, now)
        assert enqueue_due(Counting(connection), now) == []  # type: ignore[arg-type]
    assert asked == 3
