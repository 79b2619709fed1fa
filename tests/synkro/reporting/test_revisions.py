"""When a report that lacks something is tried again, how often, and whether anybody hears of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import reports, revisions
from synkro.reporting.body import Body
from synkro.runs import leases, queue
from synkro.tenancy import runtime_config, tenants
from synkro.tenancy.runtime_config import RuntimeConfig

NOW = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
CONFIG = RuntimeConfig("Asia/Almaty")
WINDOW = Window(NOW - timedelta(hours=24), NOW)


@pytest.mark.parametrize(
    ("gaps", "is_complete", "skipped", "refusals", "lacking"),
    [
        ([], True, {}, [], []),
        ([], True, {"no_text": 3, "too_long": 1}, [], []),
        ([{"source": "radist"}], False, {}, [], ["radist"]),
        ([{"source": "radist"}, {"source": "amocrm"}], False, {"provider": 2}, [], ["ai", "amocrm", "radist"]),
        ([], False, {}, [], ["data"]),
        ([], True, {"budget": 5}, ["tenant_day"], ["ai"]),
        # what a person decided is not tried again
        ([], True, {"budget": 5}, ["report"], []),
        ([], True, {"budget": 5}, ["tenant_month", "call"], []),
    ],
)
def test_what_a_report_lacks(
    gaps: list[dict[str, Any]], is_complete: bool, skipped: dict[str, int], refusals: list[str], lacking: list[str]
) -> None:
    assert revisions.lacks(gaps, is_complete, skipped, refusals) == lacking


def test_pauses_double_and_attempts_end() -> None:
    plans = [revisions.plan(CONFIG, ["radist"], made, NOW) for made in range(5)]
    assert [p.at - NOW if p else None for p in plans] == [timedelta(minutes=m) for m in (30, 60, 120, 240)] + [None]
    assert revisions.pause(RuntimeConfig("UTC", followup_pause_minutes=300), 3) == timedelta(hours=6)
    assert revisions.plan(CONFIG, [], 0, NOW) is None


def test_a_daily_cap_is_waited_for_until_it_opens() -> None:
    late = datetime(2026, 3, 2, 23, 50, tzinfo=UTC)
    found = revisions.plan(CONFIG, ["ai"], 0, NOW, {"tenant_day"})
    assert found is not None and found.at == datetime(2026, 3, 3, 0, 1, tzinfo=UTC)
    # a source that failed too is not kept waiting for the money
    both = revisions.plan(CONFIG, ["ai", "radist"], 0, NOW, {"tenant_day"})
    assert both is not None and both.at == NOW + timedelta(minutes=30)
    soon = revisions.plan(CONFIG, ["ai"], 0, late, {"installation_day"})
    assert soon is not None and soon.at == late + timedelta(minutes=30)


def test_only_a_revision_that_has_more_is_told() -> None:
    assert revisions.is_news(None, ["radist"])
    assert revisions.is_news(["ai", "radist"], ["ai"]) and revisions.is_news(["ai"], [])
    assert not revisions.is_news(["radist"], ["radist"]) and not revisions.is_news(["radist"], ["amocrm"])
    assert revisions.gained(["ai", "radist"], []) == "данные Radist и AI-раздел"


@pytest.fixture
def tenant(database: str) -> UUID:
    with db.as_service("test") as connection:
        made = tenants.add(connection, "alpha", "alpha", "Asia/Almaty")
        runtime_config.start(connection, made.tenant_id, "Asia/Almaty")
    return made.tenant_id


def publish(connection: db.Connection, tenant_id: UUID, lacking: list[str], at: datetime | None) -> reports.Report:
    draft = reports.Draft(
        report_type="forced", window=WINDOW, period_start=date(2026, 3, 2), period_end=date(2026, 3, 2), as_of=None,
        is_complete=not lacking, summary_text="", body=Body(), numbers={}, coverage={}, claims=[],
    )  # fmt: skip
    made = reports.publish(connection, tenant_id, None, draft, [])
    revisions.note(connection, tenant_id, made.report_id, lacking, revisions.Plan(1, 4, at) if at else None)
    return made


def end(connection: db.Connection, run: queue.Run, status: queue.Status) -> None:
    leases.finish(connection, leases.claim(connection, run.run_id), status)


def test_attempts_that_fail_are_repeated_until_they_are_spent(tenant: UUID) -> None:
    """Whatever kills an attempt, the next one stands planned before it starts."""
    with db.as_service("test") as connection:
        first, _ = queue.request(
            connection, tenant, WINDOW, mode="amocrm_radist", trigger_type="manual", report_type="forced"
        )
        end(connection, first, "success")
        report = publish(connection, tenant, ["radist"], NOW + timedelta(minutes=30))
        assert revisions.enqueue_due(connection, NOW) == []
        moments = []
        for minutes in range(0, 24 * 60, 10):
            now = NOW + timedelta(minutes=minutes)
            for run in revisions.enqueue_due(connection, now):
                moments.append(minutes)
                assert (run.job_type, run.trigger_type, run.report_type) == ("followup", "system", "forced")
                assert revisions.enqueue_due(connection, now) == [], "one at a time"
                end(connection, run, "failed")
        # the first 30 minutes after the report, the next after 60, 120 and 240
        assert moments == [30, 90, 210, 450]
        assert revisions.next_attempts(connection, tenant) == {}
        assert revisions.lacking_of(connection, tenant, report.report_id) == ["radist"]

        # a person who asks again gets a new series
        again, _ = queue.request(
            connection, tenant, WINDOW, mode="amocrm_radist", trigger_type="manual", report_type="forced"
        )
        end(connection, again, "success")
        assert revisions.attempts(connection, tenant, WINDOW) == 0


def test_nothing_is_tried_for_a_paused_tenant_or_after_a_stop_or_a_whole_version(tenant: UUID) -> None:
    due = NOW + timedelta(hours=1)
    with db.as_service("test") as connection:
        publish(connection, tenant, ["ai"], NOW)
        tenants.set_status(connection, tenant, "paused")
        assert revisions.enqueue_due(connection, due) == []
        tenants.set_status(connection, tenant, "active")
        (run,) = revisions.enqueue_due(connection, due)
        queue.request_stop(connection, tenant, run.run_id)
        assert revisions.enqueue_due(connection, due + timedelta(days=1)) == []
        assert revisions.next_attempts(connection, tenant) == {}, "the pages promise nothing either"
        publish(connection, tenant, ["ai"], NOW)
        publish(connection, tenant, [], None)
        assert revisions.enqueue_due(connection, due + timedelta(days=2)) == []
