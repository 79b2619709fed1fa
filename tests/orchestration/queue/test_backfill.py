"""A backfill over tenants × days, launched as the UI launches it, while a person forces one of its windows.

Real daemon, code server and webserver. Every window is built once, the tenants' runs never overlap, and the
pages of the app show all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from orchestration.defs.jobs import REPORT_JOB
from orchestration.queue.concurrency import LANE_TAG
from orchestration.queue.partitions import TENANT_TAG, key_of
from services import access
from services.reports import runs
from synkro.accounts import embedded
from synkro.core.windows import Window, business_day_window, label_of
from synkro.database import db
from synkro.reporting import reports
from synkro.runs import queue
from synkro.tenancy import users
from synkro.tenancy.runtime_config import RuntimeConfig
from tests.conftest import entry_points_to
from tests.orchestration import dagster_processes
from tests.support.e2e import TIMEZONE, Environment, connect, open_environment

DAYS = 3
CONFIG = RuntimeConfig(TIMEZONE)


@pytest.fixture(scope="module")
def e2e(make_database: Callable[[str | None], str], template: str) -> Iterator[Environment]:
    with entry_points_to(make_database(template)), open_environment("alpha", with_ai=False) as made:
        yield made


@pytest.mark.assurance
@pytest.mark.slow
def test_a_backfill_and_a_forced_window_build_each_window_once(e2e: Environment) -> None:
    beta = connect("beta", e2e.sandbox.addresses, with_ai=False)
    viewer = person(e2e.tenant_id)
    days = windows_of(e2e)
    keys = [str(key_of(slug, label_of(window, TIMEZONE))) for window in days for slug in ("alpha", "beta")]
    sent = len(e2e.sent())
    with dagster_processes.start() as dagster:
        wait(lambda: partitions(dagster) >= {"alpha", "beta"}, 180, "the sensor adds the tenants' partitions")
        backfill_id = dagster.launch_backfill(REPORT_JOB, keys)
        forced, _ = runs.request(viewer, "alpha", days[0].start.isoformat(), days[0].end.isoformat())
        wait(lambda: dagster.backfill(backfill_id)["status"] in ENDED, 900, "the backfill ends")
        ended = dagster.backfill(backfill_id)
        wait(lambda: not active(), 60, "no run is left in the queue")
    assert ended["status"] == "COMPLETED_SUCCESS", ended
    assert [one["status"] for one in ended["runs"]] == ["SUCCESS"] * len(keys)
    tags = [{tag["key"]: tag["value"] for tag in one["tags"]} for one in ended["runs"]]
    assert {(one[TENANT_TAG], one[LANE_TAG]) for one in tags} == {("alpha", "side"), ("beta", "side")}

    with db.as_service("test") as connection:
        made = {
            (tenant, window): queue.of_window(connection, tenant, window)
            for tenant in (e2e.tenant_id, beta)
            for window in days
        }
        versions = {
            place: reports.versions(connection, current)
            for place in made
            if (current := reports.current(connection, *place)) is not None
        }
    assert {len(found) for found in made.values()} == {1}, "every window has one run, the forced one too"
    assert {found[0].status for found in made.values()} == {"success"}
    assert {len(found) for found in versions.values()} == {1} and len(versions) == len(made)
    assert made[e2e.tenant_id, days[0]][0].run_id == forced.run_id
    for tenant in (e2e.tenant_id, beta):
        spans = sorted(spans_of(made[tenant, window][0]) for window in days)
        # without the tenant's tag two of them would start together, and one would wait for the lock in vain
        assert all(later[0] >= earlier[1] for earlier, later in pairwise(spans)), spans
    shown = {run.run_id for run in runs.progress(viewer.user_id, e2e.tenant_id).runs}
    assert {made[e2e.tenant_id, window][0].run_id for window in days} <= shown
    letters = e2e.sent()[sent:]
    assert len(letters) == 1, "the person's report is sent, the rebuilt history is not"


#: states of a backfill after which nothing more happens to it
ENDED = {"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"}


def windows_of(e2e: Environment) -> list[Window]:
    """The last closed days, newest first."""
    label = label_of(e2e.window, TIMEZONE)
    return [
        business_day_window(label - timedelta(days=back), CONFIG.business_day_start, TIMEZONE) for back in range(DAYS)
    ]


def person(tenant_id: UUID) -> access.Viewer:
    with db.as_service("test") as connection:
        made = embedded.add(connection, "owner@example.com", "a long enough password", must_change_password=False)
        users.grant(connection, made.user_id, tenant_id, "user")
    return access.viewer(made, "127.0.0.1")


def partitions(dagster: dagster_processes.Plant) -> set[str]:
    from orchestration.process import instance
    from orchestration.queue.partitions import TENANTS

    return set(instance.get().get_dynamic_partitions(TENANTS))


def active() -> list[queue.Run]:
    with db.as_service("test") as connection:
        return queue.active(connection)


def spans_of(run: queue.Run) -> tuple[datetime, datetime]:
    assert run.started_at is not None and run.finished_at is not None
    return run.started_at, run.finished_at


def wait(condition: Callable[[], Any], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s, {datetime.now(UTC):%H:%M:%S}"
        time.sleep(1)
