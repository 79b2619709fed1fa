"""Twenty companies at one scheduled time on Celery workers: two workers against one.

    python -m bench.engine.celery_workers                          # needs redis-server and the packages of requirements-scale.lock
    python -m bench.engine.celery_workers --tenants 4 --late 0

Each size of the cluster gets an installation of its own and companies nobody has read yet, so both do the same work: the
schedules of all are switched on in one transaction, and the clock runs from the first row to the end of the last run.
``--late``: seconds by which the simulated vendors answer late. A run is mostly waiting: Radist gives an account five
requests a second, and ten readers that each wait a second for their answer still make twice as many. With 0 a run is all
processor, and two workers share the processors with the database, the vendors and the model, which all run here.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from starlette.types import ASGIApp, Receive, Scope, Send

from bench.support.environment import installation
from sandbox.server import BUILDERS, start
from synkro.database import db
from synkro.reporting import reports
from tests.support.celery_cluster import all_ended, at_one_time, cluster
from tests.support.e2e import connect


@dataclass
class Batch:
    #: from the first row to the end of the last run
    seconds: float
    #: of one run, from claim to end
    typical: float
    shares: list[int]


def answering_late(build: Callable[..., ASGIApp], seconds: float) -> Callable[..., ASGIApp]:
    """A vendor of the sandbox whose every answer comes so many seconds later."""

    def made(*parts: Any) -> ASGIApp:
        app = build(*parts)

        async def late(scope: Scope, receive: Receive, send: Send) -> None:
            await asyncio.sleep(seconds)
            await app(scope, receive, send)

        return late

    return made


def measure(workers: int, tenants: int, late: float) -> Batch:
    now = datetime.now(UTC)
    with (
        mock.patch.dict(BUILDERS, {name: answering_late(build, late) for name, build in BUILDERS.items()}),
        installation(with_marts=True) as url,
        tempfile.TemporaryDirectory(prefix="synkro-cluster-") as folder,
        start("small", seed=11, first_day=(now - timedelta(days=5)).date(), last_day=now.date()) as sandbox,
    ):
        for faults in sandbox.faults.values():
            faults.add({"kind": "rate", "per_second": None})
            faults.settle()
        tenant_ids = [connect(f"company_{number}", sandbox.addresses) for number in range(tenants)]
        with cluster(Path(folder), url, db.with_database(url, "dagster"), workers=workers) as made:
            at_one_time(tenant_ids)
            found = all_ended(tenant_ids, 60.0 * tenants)
            shares = [made.taken(number) for number in range(workers)]
        with db.as_service("bench") as connection:
            versions = [report.version for one in tenant_ids for report in reports.recent(connection, one)]
    if [run.status for run in found] != ["success"] * tenants or versions != [1] * tenants:
        raise SystemExit(f"not one report each: {[(run.status, run.error) for run in found]}, versions {versions}")
    ends = [(run.started_at, run.finished_at) for run in found if run.started_at and run.finished_at]
    return Batch(
        seconds=(max(end for _, end in ends) - min(run.created_at for run in found)).total_seconds(),
        typical=median((end - begun).total_seconds() for begun, end in ends),
        shares=shares,
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=20)
    parser.add_argument("--late", type=float, default=1.0, help="seconds by which the vendors answer late")
    asked = parser.parse_args(arguments)
    taken = {}
    for workers in (1, 2):
        load = os.getloadavg()[0]
        batch = taken[workers] = measure(workers, asked.tenants, asked.late)
        print(
            f"{asked.tenants} companies, {workers} worker(s): {batch.seconds:.1f} s, a run {batch.typical:.1f} s,"
            f" runs of each worker {batch.shares}; load before {load:.1f}, after {os.getloadavg()[0]:.1f}"
            f" on {os.cpu_count()} processors",
            flush=True,
        )
    print(f"one worker ÷ two workers: {taken[1].seconds / taken[2].seconds:.2f}")


if __name__ == "__main__":
    main()
