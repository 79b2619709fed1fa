"""Runs on Celery workers: companies of one scheduled time through a real broker, daemon and two workers.

Everything but the database and the broker is each process's own, down to the data directory.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from sandbox.server import start
from synkro import db, reports
from tests.conftest import doors_open
from tests.fleet import all_ended, at_one_time, fleet
from tests.town import connect

COMPANIES = 20


@pytest.mark.slow
def test_companies_of_one_time_are_shared_by_two_workers(
    make_database: Callable[[str | None], str], template: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    dagster = make_database(None)
    with (
        doors_open(make_database(template)) as url,
        start("small", seed=11, first_day=(now - timedelta(days=3)).date(), last_day=now.date()) as sandbox,
    ):
        for faults in sandbox.faults.values():
            faults.add({"kind": "rate", "per_second": None})
            faults.settle()
        ours = [connect(f"fleet_{number}", sandbox.addresses) for number in range(COMPANIES)]
        with fleet(tmp_path / "fleet", url, dagster, workers=2) as made:
            at_one_time(ours)
            found = all_ended(ours, 900)
            taken = [made.taken(number) for number in range(2)]
        with db.as_service("test") as connection:
            versions = [[report.version for report in reports.recent(connection, one)] for one in ours]
    assert [(run.status, run.attempt) for run in found] == [("success", 1)] * COMPANIES, [run.error for run in found]
    assert versions == [[1]] * COMPANIES, "one report each"
    assert sum(taken) == COMPANIES and all(taken), f"both workers take runs: {taken}"
    messages = sum(asked["path"].endswith("/sendMessage") for asked in sandbox.journals["telegram"].requests())
    assert messages == COMPANIES, "one message each"
    with psycopg.connect(dagster) as connection:
        statuses = connection.execute("select status, count(*) from runs group by status").fetchall()
    assert statuses == [("SUCCESS", COMPANIES)], "Dagster shows every run"
    for number in range(2):
        left = list((tmp_path / "fleet" / f"worker{number}" / "work").iterdir())
        assert left == [], "a run leaves nothing in its worker's directory"
