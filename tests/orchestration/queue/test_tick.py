"""One look of the queue's sensor: partitions come and go with the tenants, every kind of owed run is offered once."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest
from dagster import (
    AddDynamicPartitionsRequest,
    DagsterInstance,
    DagsterRunStatus,
    DeleteDynamicPartitionsRequest,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    build_schedule_context,
)
from dagster._core.test_utils import create_run_for_test, instance_for_test

from orchestration.definitions import build as build_definitions
from orchestration.defs import sensors
from orchestration.defs.delivery import delivery_job
from orchestration.defs.jobs import report_job
from orchestration.defs.schedules import KINDS, REVISIONS, build, submit_due
from orchestration.defs.sensors import maintain, tick
from orchestration.queue import submission
from orchestration.queue.concurrency import LANE_TAG
from orchestration.queue.partitions import RUN_TAG, TENANTS
from orchestration.queue.submission import SUBMIT_AGAIN
from synkro.core import clock
from synkro.core.windows import Window, last_closed
from synkro.database import db
from synkro.reporting import reports, revisions
from synkro.reporting.body import Body
from synkro.runs import queue
from synkro.tenancy import runtime_config, tenants
from tests.orchestration.queue.test_fairness import ORIGIN


def company(connection: db.Connection, slug: str) -> UUID:
    made = tenants.add(connection, slug, slug, "Asia/Almaty")
    runtime_config.start(connection, made.tenant_id, "Asia/Almaty")
    return made.tenant_id


def changes(result: SensorResult) -> tuple[set[str], set[str]]:
    """Partitions added and retired."""
    asked = result.dynamic_partitions_requests or []
    added = {key for one in asked if isinstance(one, AddDynamicPartitionsRequest) for key in one.partition_keys}
    gone = {key for one in asked if isinstance(one, DeleteDynamicPartitionsRequest) for key in one.partition_keys}
    return added, gone


def test_partitions_follow_the_tenants(database: str) -> None:
    with db.as_service("test") as connection:
        ids = {slug: company(connection, slug) for slug in ("alpha", "beta", "gamma", "delta")}
        tenants.set_status(connection, ids["beta"], "paused")
        tenants.set_status(connection, ids["gamma"], "disabled")
    with DagsterInstance.ephemeral() as instance:
        assert changes(tick(instance)) == ({"alpha", "beta", "delta"}, set()), "a paused one keeps its history in view"
        instance.add_dynamic_partitions(TENANTS, ["alpha", "beta", "delta"])
        with db.as_service("test") as connection:
            tenants.set_status(connection, ids["beta"], "disabled")
            tenants.set_status(connection, ids["gamma"], "active")
            connection.execute("delete from synkro.tenants where slug = 'delta'")
        assert changes(tick(instance)) == ({"gamma"}, {"beta", "delta"})


def test_a_follow_up_that_is_due_is_offered_once(database: str) -> None:
    now = clock.now()
    window = Window(now - timedelta(hours=26), now - timedelta(hours=2))
    with db.as_service("test") as connection:
        tenant = company(connection, "alpha")
        draft = reports.Draft(
            report_type="forced", window=window, period_start=date(2026, 3, 2), period_end=date(2026, 3, 2), as_of=None,
            is_complete=False, summary_text="", body=Body(), numbers={}, coverage={}, claims=[],
        )  # fmt: skip
        report = reports.publish(connection, tenant, None, draft, [])
        revisions.note(connection, tenant, report.report_id, ["radist"], revisions.Plan(1, 4, now))
    with DagsterInstance.ephemeral() as instance:
        assert all(submit_due(instance, kind) == [] for kind in KINDS if kind != REVISIONS)
        assert tick(instance).run_requests == [], "the queue's sensor decides nothing of what is due"
        (offered,) = submit_due(instance, REVISIONS)
        assert submit_due(instance, REVISIONS) == [] and tick(instance).run_requests == []
        assert instance.get_dynamic_partitions(TENANTS) == ["alpha"], "its partition was there before it"
    with db.as_service("test") as connection:
        (run,) = queue.of_window(connection, tenant, window)
    assert (run.job_type, run.status) == ("followup", "pending")
    assert (offered.tags[RUN_TAG], offered.tags[LANE_TAG], offered.tags["dagster/priority"]) == (
        str(run.run_id),
        "main",
        "-1",
    )


def test_what_a_company_is_owed_is_submitted_by_the_schedule_of_its_kind(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.as_service("test") as connection:
        owed = company(connection, "alpha"), company(connection, "beta")
        for tenant in (*owed, company(connection, "gamma")):
            runtime_config.change(connection, tenant, {"is_schedule_enabled": tenant in owed})
    schedules = {schedule.name: schedule for schedule in build()}
    assert set(schedules) == {"daily_due", "weekly_due", "monthly_due", "revisions_due", "deliveries_due"}
    monkeypatch.setattr(submission, "MOST_A_TICK", 1)
    # a schedule opens its instance by reference, which an ephemeral one has not
    with instance_for_test() as instance:
        repository = build_definitions().get_repository_def()

        def ticked(kind: str) -> list[RunRequest]:
            context = build_schedule_context(instance=instance, repository_def=repository)
            return list(schedules[f"{kind}_due"].evaluate_tick(context).run_requests or [])

        assert ticked("weekly") == ticked("revisions") == ticked("deliveries") == []
        (first,) = ticked("daily")
        assert ticked("daily") == [], "the window stands in the queue, whoever asks again"
        (second,) = tick(instance).run_requests or []
        assert tick(instance).run_requests == [], "what did not fit in the tick is the sensor's"
    assert {first.tags["tenant"], second.tags["tenant"]} == {"alpha", "beta"}
    with db.as_service("test") as connection:
        made = [run for tenant in owed for run in queue.active(connection, tenant)]
    assert {str(run.run_id) for run in made} == {first.tags[RUN_TAG], second.tags[RUN_TAG]}
    assert {(run.trigger_type, run.report_type) for run in made} == {("scheduled", "daily")}


def test_a_look_is_a_run_of_a_job_of_its_own(database: str) -> None:
    """By the schedule at its hour, and by the queue's sensor when it was left."""
    now = clock.now()
    with db.as_service("test") as connection:
        tenant = company(connection, "alpha")
        config = runtime_config.change(connection, tenant, {"delivery_time": "08:30"})
        window = last_closed(now, config.business_day_start, config.timezone)
        draft = reports.Draft(
            report_type="daily", window=window, period_start=window.end.date(), period_end=window.end.date(), as_of=None,
            is_complete=True, summary_text="", body=Body(), numbers={}, coverage={}, claims=[], awaits_delivery=True,
        )  # fmt: skip
        reports.publish(connection, tenant, None, draft, [])
    jobs = [report_job(), delivery_job()]
    with instance_for_test() as instance:
        repository = build_definitions().get_repository_def()
        looks = next(schedule for schedule in build() if schedule.name == "deliveries_due")

        def asked() -> list[RunRequest]:
            context = build_schedule_context(instance=instance, repository_def=repository)
            return list(looks.evaluate_tick(context).run_requests or [])

        (look,) = asked()
        assert asked() == []
        with db.as_service("test") as connection:
            connection.execute("update synkro.job_runs set picked_at = null")
        sensor = sensors.build(jobs)[0]
        # as the daemon makes it: partitions are looked up through the instance's reference
        context = SensorEvaluationContext(
            instance_ref=instance.get_ref(), last_tick_completion_time=None, last_run_key=None, cursor=None,
            repository_name=None, repository_def=repository,
        )  # fmt: skip
        (left,) = sensor.evaluate_tick(context).run_requests or []
    assert look.job_name == left.job_name == "delivery_job" and look.tags[RUN_TAG] == left.tags[RUN_TAG]
    assert look.tags["dagster/priority"] == "5"


@pytest.mark.parametrize(
    ("found", "is_offered"),
    [
        (None, True),
        (DagsterRunStatus.QUEUED, False),
        (DagsterRunStatus.STARTING, False),
        (DagsterRunStatus.FAILURE, True),
        (DagsterRunStatus.SUCCESS, True),
    ],
)
def test_a_row_offered_in_vain_is_offered_again(
    database: str, found: DagsterRunStatus | None, is_offered: bool
) -> None:
    """… but not while Dagster, or the broker behind it, has a run for it that has not begun."""
    now = clock.now()
    with db.as_service("test") as connection:
        tenant = company(connection, "alpha")
        window = Window(now - timedelta(hours=26), now - timedelta(hours=2))
        run, _ = queue.request(
            connection, tenant, window, mode="amocrm_radist", report_type="forced", trigger_type="manual"
        )
    with DagsterInstance.ephemeral() as instance:
        (first,) = tick(instance).run_requests or []
        if found is not None:
            create_run_for_test(instance, tags=first.tags, status=found, remote_job_origin=ORIGIN)
        assert tick(instance).run_requests == [], "it was offered a moment ago"
        with db.as_service("test") as connection:
            connection.execute("update synkro.job_runs set picked_at = now() - %s", (SUBMIT_AGAIN * 2,))
        again = tick(instance).run_requests or []
        assert [request.tags[RUN_TAG] for request in again] == [str(run.run_id)] * is_offered
        assert all(request.run_key != first.run_key for request in again), "Dagster knows a run key for ever"


@pytest.mark.parametrize("is_tagged", [True, False], ids=["offered here", "launched by a backfill"])
@pytest.mark.parametrize(
    ("status", "closed", "shown", "becomes"),
    [
        ("failed", 31, DagsterRunStatus.STARTED, DagsterRunStatus.FAILURE),
        ("cancelled", 31, DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED),
        ("failed", 20, DagsterRunStatus.STARTED, DagsterRunStatus.STARTED),
        ("running", None, DagsterRunStatus.STARTED, DagsterRunStatus.STARTED),
        ("failed", 31, DagsterRunStatus.STARTING, DagsterRunStatus.STARTING),
    ],
    ids=["long over", "stopped", "its process may be writing still", "under way", "not begun"],
)
def test_a_run_that_died_unseen_keeps_no_place_in_dagster(
    database: str, status: str, closed: int | None, shown: DagsterRunStatus, becomes: DagsterRunStatus, is_tagged: bool
) -> None:
    now = clock.now()
    with DagsterInstance.ephemeral() as instance:
        with db.as_service("test") as connection:
            tenant = company(connection, "alpha")
            run, _ = queue.request(
                connection, tenant, Window(now - timedelta(hours=26), now - timedelta(hours=2)), mode="amocrm_radist",
                trigger_type="manual", report_type="daily",
            )  # fmt: skip
            tags = {RUN_TAG: str(run.run_id)} if is_tagged else {}
            known = create_run_for_test(instance, job_name="report_job", status=shown, tags=tags)
            foreign = create_run_for_test(instance, job_name="report_job", status=DagsterRunStatus.STARTED)
            connection.execute(
                "update synkro.job_runs set status = %s, dagster_run_id = %s, finished_at = now() - make_interval(secs => %s),"
                " lease_until = case when %s = 'running' then now() + interval '1 minute' end where run_id = %s",
                (status, known.run_id, closed, status, run.run_id),
            )
        tick(instance)
        shown_after_submission = instance.get_run_by_id(known.run_id)
        assert shown_after_submission is not None and shown_after_submission.status is shown, "that is maintenance"
        done = maintain(instance)
        assert done.stale_runs == (shown is not becomes) and (done.sentence() == "убирать нечего") == (shown is becomes)
        told = {made.run_id: made.status for made in instance.get_runs()}
    assert told[known.run_id] is becomes
    assert told[foreign.run_id] is DagsterRunStatus.STARTED, "one that has no row of ours yet"
