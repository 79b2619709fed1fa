"""A thousand companies at one scheduled time: a table of how many workers it takes, and the queue itself, for real.

    python -m bench.scale                      # the table, from the measured costs below: a second
    python -m bench.scale --ticks 1000         # 1,000 companies' schedules through the real schedule and sensor: a minute

The table is a simulation: every run has a cost drawn from the three sizes below, starts when a worker is free and the
daemon has come to launch it, and shares the database's processors with the others. What the costs are and how they were
taken is in docs/scale.md; ``--cpu-run``, ``--cpu-database`` and ``--wait`` put others in their place.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from uuid import UUID

from bench.support.environment import installation
from synkro.core import windows
from synkro.database import db
from synkro.runs import queue
from synkro.tenancy import runtime_config, tenants

SEED = 7
#: seconds the daemon needs to launch one run; it launches four at once
LAUNCH = 0.5
LAUNCHERS = 4
#: seconds more between the end of a run and the claim of the next in its place (bench.engine.celery_workers: 2.1 together with the launch)
HANDOVER = 1.6
#: connections: of a run at most (tests/orchestration/process/test_hosted_limits.py), of everything else together
CONNECTIONS_A_RUN = 8
CONNECTIONS_ELSE = 30
#: megabytes of a run, forked from a process that has everything imported, and of that process
MEMORY_A_RUN = 230
MEMORY_A_WORKER = 330
#: messages a second to different chats of one bot; a chat takes one a second
TELEGRAM = 30


@dataclass(frozen=True)
class Cost:
    """One run; seconds. ``wait``: for the vendors' own limits and the model, nobody's processor."""

    share: float
    messages: int
    cpu_run: float
    cpu_database: float
    wait: float


#: the middle one is measured with bench.run, the others are scaled from it: what dbt spends however
#: small the day, the rest with its messages; the waits are the vendors' limits (7 and 5 requests a second) and 2 s a dialog
#: of the model with eight dialogs at once
COSTS = (
    Cost(share=0.70, messages=200, cpu_run=4.0, cpu_database=2.0, wait=15.0),
    Cost(share=0.27, messages=2_000, cpu_run=9.5, cpu_database=5.0, wait=75.0),
    Cost(share=0.03, messages=10_000, cpu_run=35.0, cpu_database=22.0, wait=330.0),
)


@dataclass(frozen=True)
class Night:
    seconds: float
    #: 95 of 100 companies have their report by then
    most: float
    database_cores: float
    worker_cores: float


def simulate(companies: int, workers: int, costs: tuple[Cost, ...] = COSTS, database_cores: float = 8.0) -> Night:
    """All rows are there at 0; runs are launched in their order as places get free.

    A run's length is its own processor seconds, its waits and its share of the database: with more runs at work than the
    database has processors for, what they ask of it takes longer in proportion.
    """
    pick = random.Random(SEED)
    jobs = pick.choices(costs, [cost.share for cost in costs], k=companies)
    wanted = sum(job.cpu_database for job in jobs) / sum(job.cpu_run + job.cpu_database + job.wait for job in jobs)
    crowd = max(1.0, workers * wanted / database_cores)
    places = [0.0] * workers
    launchers = [0.0] * LAUNCHERS
    ends = []
    for job in jobs:
        free = heapq.heappop(places)
        launched = max(heapq.heappop(launchers), free) + LAUNCH
        heapq.heappush(launchers, launched)
        end = launched + HANDOVER + job.cpu_run + job.cpu_database * crowd + job.wait
        heapq.heappush(places, end)
        ends.append(end)
    ends.sort()
    return Night(
        seconds=ends[-1],
        most=ends[int(len(ends) * 0.95) - 1],
        database_cores=sum(job.cpu_database for job in jobs) / ends[-1],
        worker_cores=sum(job.cpu_run for job in jobs) / ends[-1],
    )


def table(companies: int, costs: tuple[Cost, ...], minutes: float, cores: float) -> None:
    print(f"{companies} companies at one time; the database has {cores:.0f} processors; goal {minutes:.0f} minutes")
    print(
        "| workers | all done, min | 95 % done, min | processors of the workers | of the database | connections | GB |"
    )
    print("|---|---|---|---|---|---|---|")
    enough = 0
    for workers in (1, 2, 4, 8, 16, 24, 32, 48, 64):
        night = simulate(companies, workers, costs, cores)
        if not enough and night.seconds <= minutes * 60:
            enough = workers
        print(
            f"| {workers} | {night.seconds / 60:.0f} | {night.most / 60:.0f} | {night.worker_cores:.1f} |"
            f" {night.database_cores:.1f} | {workers * CONNECTIONS_A_RUN + CONNECTIONS_ELSE} |"
            f" {workers * (MEMORY_A_RUN + MEMORY_A_WORKER) / 1024:.1f} |"
        )
    print(f"enough for {minutes:.0f} minutes: {enough or 'none of these'}")
    print(f"Telegram, if one bot wrote to all of them: {companies / TELEGRAM:.0f} s; each company has a bot of its own")


# --- the queue's ticks, for real --------------------------------------------------------------------------


def found(count: int) -> list[UUID]:
    """Companies whose schedules are on: all owe the day that closed last."""
    with db.as_service("bench") as connection:
        made = []
        for number in range(count):
            tenant = tenants.add(connection, f"Company {number}", f"company_{number}", "Asia/Almaty")
            runtime_config.start(connection, tenant.tenant_id, "Asia/Almaty")
            runtime_config.change(connection, tenant.tenant_id, {"is_schedule_enabled": True})
            made.append(tenant.tenant_id)
        return made


def click(tenant_id: UUID) -> UUID:
    """A person asks for the day before the one that is owed."""
    with db.as_service("bench") as connection:
        config = runtime_config.current(connection, tenant_id)
        day = windows.last_closed(datetime.now(UTC) - timedelta(days=1), config.business_day_start, config.timezone)
        return queue.request(connection, tenant_id, day, mode=config.mode, trigger_type="manual", report_type="daily")[
            0
        ].run_id


def ticks(count: int) -> None:
    """The ticks of schedule and sensor, from the schedule's moment until every row is offered; a person asks in the middle of it."""
    from dagster import DagsterInstance

    from orchestration.defs.schedules import submit_due
    from orchestration.defs.sensors import tick
    from orchestration.queue.submission import MOST_A_TICK

    load = os.getloadavg()[0]
    with installation(), DagsterInstance.ephemeral() as instance:
        companies = found(count)
        spent: list[tuple[float, float]] = []
        offered: list[str] = []
        person, place = "", -1
        while True:
            if not person and len(offered) > count // 4:
                person = str(click(companies[-1]))
            wall, cpu = time.perf_counter(), time.process_time()
            requests = list((tick(instance).run_requests or []) if spent else submit_due(instance, "daily"))
            spent.append((time.perf_counter() - wall, time.process_time() - cpu))
            names = [str(request.tags["synkro/run_id"]) for request in requests]
            if person in names and place < 0:
                place = names.index(person)
            offered += names
            if not requests:
                break
    offering, (quiet, quiet_cpu) = spent[1:-1], spent[-1]
    print(
        f"{count} companies, {MOST_A_TICK} rows a tick: {len(offered)} rows offered in {len(spent) - 1} ticks, each once:"
        f" {len(set(offered)) == len(offered)}; the person's row stood at place {place} of its tick"
    )
    print(f"the tick that queues them all: {spent[0][0]:.1f} s ({spent[0][1]:.1f} of processor); one that offers: median"
          f" {median(wall for wall, _ in offering):.2f} s ({median(cpu for _, cpu in offering):.2f}); one that finds nothing"
          f" to offer: {quiet:.2f} s ({quiet_cpu:.2f}); load {load:.1f} → {os.getloadavg()[0]:.1f}")  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--database-cores", type=float, default=8)
    for name, what in (
        ("cpu-run", "processor seconds of a run's process"),
        ("cpu-database", "of the database"),
        ("wait", "seconds"),
    ):
        parser.add_argument(f"--{name}", type=float, help=f"{what}, of every run, instead of the measured ones")
    parser.add_argument(
        "--ticks", type=int, default=0, metavar="COMPANIES", help="the sensor's ticks instead of the table"
    )
    asked = parser.parse_args(arguments)
    if asked.ticks:
        ticks(asked.ticks)
        return
    given = {name: getattr(asked, name) for name in ("cpu_run", "cpu_database", "wait")}
    costs = tuple(
        replace(cost, **{name: value for name, value in given.items() if value is not None}) for cost in COSTS
    )
    table(asked.companies, costs, asked.minutes, asked.database_cores)


if __name__ == "__main__":
    main()
