"""A diagonal of ``make drills``: a real ``synkro serve`` whose every process is killed once, each in another step of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from synkro.database import db
from synkro.runs import reaper
from tests.chaos.installation import Installation, installation, wait_for
from tests.chaos.kill_matrix import Drill

pytestmark = [pytest.mark.slow, pytest.mark.assurance]


@pytest.fixture(scope="module")
def made() -> Iterator[Installation]:
    with installation() as started:
        yield started


def test_whatever_dies_the_run_ends_and_the_numbers_are_the_same(made: Installation) -> None:
    outcomes = Drill(made, is_fast=True).play(
        [
            ("worker", "load"),
            ("postgres", "send"),
            ("webserver", "extract"),
            ("code server", "dbt"),
            ("daemon", "ai"),
            ("app", "save"),
        ]
    )
    assert not [outcome.line() for outcome in outcomes if outcome.failure]
    assert [outcome.ended for outcome in outcomes if outcome.process == "worker"] == ["failed"]


def test_a_request_to_stop_ends_all_of_it_in_the_middle_of_a_run(made: Installation) -> None:
    with made.held("extract") as is_held:
        asked = made.e2e.request()
        wait_for("the run under way", is_held)
        assert made.stop() < 20
    with db.as_service("test") as connection:
        # what had no time to write its end has it when its lease runs out
        connection.execute("update synkro.job_runs set lease_until = now() where lease_until > now()")
        reaper.reap(connection)
    ended = made.run(asked.run_id)
    assert ended.status == "failed" and ended.error
