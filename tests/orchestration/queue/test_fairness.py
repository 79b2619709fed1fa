"""Dagster's own queue under our limits, over simulated hours: a heavy company delays nobody, a person goes first.

What decides is the real daemon's choice (its private ``_get_runs_to_dequeue``) over a real instance with the limits of
``dagster.yaml``; only the runs' work is a number of seconds.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import yaml
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test, instance_for_test
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from orchestration.queue import concurrency
from orchestration.queue.coordinator import TenantCoordinator, tags_for
from orchestration.queue.submission import tags_of
from synkro.core.settings import ROOT
from synkro.runs import queue as runs
from synkro.tenancy.tenants import Tenant

#: a queued run has to name where its code would be
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin("127.0.0.1", 1, location_name="synkro"), "__repository__"),
    "report_job",
)
NOW = datetime(2026, 3, 2, 17, 10, tzinfo=UTC)
MINUTE, TWO_HOURS = 60.0, 7200.0


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    template = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    wanted = {name: template[name] for name in ("run_coordinator", "concurrency")}
    with instance_for_test(overrides=wanted) as made:
        assert isinstance(made.run_coordinator, TenantCoordinator)
        yield made


def row(trigger: str = "scheduled", **more: Any) -> runs.Run:
    values: dict[str, Any] = {"mode": "amocrm_radist", "report_type": "daily", "status": "pending"} | more
    return runs.Run(
        tenant_id=uuid4(), run_id=uuid4(), trigger_type=trigger, current_step="queued", window_start=NOW,
        window_end=NOW.replace(day=3), attempt=1, created_at=NOW, **values,
    )  # fmt: skip


def company(slug: str) -> Tenant:
    return Tenant(uuid4(), slug, slug, "active", "Asia/Almaty", NOW)


def tags(slug: str, usual: float | None = None, trigger: str = "scheduled") -> dict[str, str]:
    return tags_of(row(trigger), company(slug), usual)


def work(instance: DagsterInstance, queue: list[tuple[dict[str, str], float]]) -> dict[str, tuple[float, float]]:
    """Tenant → seconds from the start of the batch at which its (last) run began and ended."""
    seconds, names = {}, {}
    for wanted, length in queue:
        run = create_run_for_test(
            instance, job_name="report_job", tags=wanted, status=DagsterRunStatus.QUEUED, remote_job_origin=ORIGIN
        )
        seconds[run.run_id], names[run.run_id] = length, wanted["tenant"]
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
    clock, going = 0.0, list[tuple[float, str]]()
    found: dict[str, tuple[float, float]] = {}
    for _ in range(10 * len(queue)):
        for run in daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), None):
            event(instance, run.run_id, DagsterEventType.RUN_START)
            heapq.heappush(going, (clock + seconds[run.run_id], run.run_id))
            found[names[run.run_id]] = (clock, clock + seconds[run.run_id])
        if not going:
            return found
        clock, ended = heapq.heappop(going)
        event(instance, ended, DagsterEventType.RUN_SUCCESS)
    raise AssertionError("the queue does not empty")


def event(instance: DagsterInstance, run_id: str, kind: DagsterEventType) -> None:
    instance.report_dagster_event(DagsterEvent(event_type_value=kind.value, job_name="report_job"), run_id)


@pytest.mark.parametrize("lane", [concurrency.SIDE, concurrency.MAIN])
def test_a_heavy_company_delays_the_others_by_nothing(instance: DagsterInstance, lane: str) -> None:
    """With the heavy one among the ordinary (the control) the others wait far more than the 10 % allowed."""
    others = [(tags(f"company_{n}", MINUTE), MINUTE) for n in range(9)]
    alone = work(instance, others)
    heavy = tags("heavy", TWO_HOURS) | {concurrency.LANE_TAG: lane}
    assert tags("heavy", TWO_HOURS)[concurrency.LANE_TAG] == concurrency.SIDE
    together = work(instance, [(heavy, TWO_HOURS), *others])
    delays = [together[name][1] / alone[name][1] - 1 for name in alone]
    assert (max(delays) <= 0.1) is (lane == concurrency.SIDE), delays
    assert together["heavy"][0] == 0, "nor does it wait itself"


def test_a_person_goes_before_the_nightly_batch_and_bulk_goes_last(instance: DagsterInstance) -> None:
    night = [(tags(f"company_{n}", MINUTE), MINUTE) for n in range(12)]
    person = (tags("asked", MINUTE, "manual"), MINUTE)
    began = work(instance, [*night, person])
    assert began["asked"][0] == 0.0 and max(start for start, _ in began.values()) == 3 * MINUTE

    rebuilt = [{"dagster/partition": f"2026-03-01|old_{n}", "dagster/backfill": "x"} for n in range(5)]
    bulk = [({**given, **tags_for(given)}, MINUTE) for given in rebuilt]
    # two at a time though six places are free: whoever comes meanwhile finds four of them
    assert sorted(start / MINUTE for start, _ in work(instance, bulk).values()) == [0, 0, 1, 1, 2]


def test_what_is_heavy() -> None:
    assert concurrency.lane(row(), None) == concurrency.lane(row(), concurrency.HEAVY_SECONDS) == concurrency.MAIN
    assert concurrency.lane(row(), concurrency.HEAVY_SECONDS + 1) == concurrency.SIDE
    assert concurrency.lane(replace(row(), history_from=NOW), None) == concurrency.SIDE
    assert concurrency.lane(replace(row(), job_type="rebuild"), 1.0) == concurrency.SIDE
