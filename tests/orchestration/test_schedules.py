"""When a report is due: the tenant's own clock decides, also over a change of clocks and after an outage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from orchestration.schedules import due, enqueue_due
from synkro import db, runs, runtime, tenants
from synkro.runtime import RuntimeConfig

ALMATY = RuntimeConfig(timezone="Asia/Almaty", is_schedule_enabled=True)


def at(text: str, zone: str = "Asia/Almaty") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "key"),
    [
        ("2026-03-02 22:00", None),  # the day of the 2nd is not over, the 1st's report is too old to be due again
        ("2026-03-02 22:05", None),  # closed at 22:01, scheduled for 22:10
        ("2026-03-02 22:10", "daily:2026-03-02"),
        ("2026-03-03 09:00", "daily:2026-03-02"),
    ],
)
def test_the_day_is_due_at_its_time(now: str, key: str | None) -> None:
    found = due(ALMATY, at(now))
    if now == "2026-03-02 22:00":
        # until 22:01 the last closed day is the 1st, which was due the evening before
        assert found is not None and found.key == "daily:2026-03-01"
    else:
        assert (found.key if found else None) == key


def test_a_morning_report_comes_the_next_morning() -> None:
    config = replace(ALMATY, scheduled_run_time=time(9, 0))
    assert due(config, at("2026-03-02 23:00")) is None
    found = due(config, at("2026-03-03 09:00"))
    assert found is not None and found.key == "daily:2026-03-02"


def test_a_day_of_a_clock_change_has_its_report() -> None:
    config = replace(ALMATY, timezone="Europe/Berlin")
    found = due(config, at("2026-03-29 22:10", "Europe/Berlin"))
    assert found is not None and found.window.hours == 23


def test_an_old_day_is_left_to_people() -> None:
    config = replace(ALMATY, scheduled_run_time=time(22, 10))
    found = due(config, at("2026-03-04 22:00"))
    assert found is not None and found.key == "daily:2026-03-03"


def test_off_means_off() -> None:
    assert due(replace(ALMATY, is_schedule_enabled=False), at("2026-03-02 23:00")) is None


@pytest.fixture
def two(database: str) -> tuple[UUID, UUID]:
    with db.as_service("test") as connection:
        made = []
        for slug in ("alpha", "beta"):
            tenant = tenants.add(connection, slug, slug, "Asia/Almaty")
            runtime.start(connection, tenant.tenant_id, "Asia/Almaty")
            runtime.change(connection, tenant.tenant_id, {"is_schedule_enabled": True})
            made.append(tenant.tenant_id)
    return made[0], made[1]


def test_each_tenant_is_queued_once_whatever_happens_to_the_run(two: tuple[UUID, UUID]) -> None:
    now = at("2026-03-02 22:11")
    with db.as_service("test") as connection:
        assert len(enqueue_due(connection, now)) == 2
        assert enqueue_due(connection, now + timedelta(seconds=5)) == []
        for run in runs.active(connection):
            runs.finish(connection, runs.claim(connection, run.run_id), "failed", error="сбой")
        connection.execute("update synkro.job_runs set finished_at = %s", (now,))
        assert enqueue_due(connection, now + timedelta(minutes=10)) == []
        assert len(enqueue_due(connection, now + timedelta(days=1))) == 2


def test_a_failed_day_is_tried_again_a_few_times_and_a_stopped_one_is_not(two: tuple[UUID, UUID]) -> None:
    now = at("2026-03-02 22:11")
    made = 0
    with db.as_service("test") as connection:
        tenants.set_status(connection, two[1], "paused")
        for attempt in range(8):
            moment = now + timedelta(minutes=31 * attempt)
            made += len(enqueue_due(connection, moment))
            for run in runs.active(connection):
                runs.finish(connection, runs.claim(connection, run.run_id), "failed", error="сбой")
            connection.execute("update synkro.job_runs set finished_at = %s", (moment,))
        assert made == 4
        tenants.set_status(connection, two[1], "active")
        (waiting,) = enqueue_due(connection, now)
        runs.request_stop(connection, waiting.tenant_id, waiting.run_id)
        assert enqueue_due(connection, now + timedelta(hours=2)) == []


def test_a_paused_tenant_is_quiet(two: tuple[UUID, UUID]) -> None:
    with db.as_service("test") as connection:
        tenants.set_status(connection, two[0], "paused")
        assert [run.tenant_id for run in enqueue_due(connection, at("2026-03-02 22:11"))] == [two[1]]


def test_a_new_time_takes_effect_at_once(two: tuple[UUID, UUID]) -> None:
    with db.as_service("test") as connection:
        tenants.set_status(connection, two[1], "paused")
        runtime.change(connection, two[0], {"scheduled_run_time": "23:30"})
        assert enqueue_due(connection, at("2026-03-02 23:00")) == []
        assert len(enqueue_due(connection, at("2026-03-02 23:31"))) == 1
