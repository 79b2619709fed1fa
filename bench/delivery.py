"""The look before a delivery: a busy company's evening report, and its chats read once more at half past eight.

    python -m bench.delivery                # some 2,000 messages a day, about three minutes
    python -m bench.delivery --clients 40

The report is built at 22:30 from a vendor that answers at once. From then on Radist is asked at its own pace (five requests a
second, one listing), as a real account is. Printed: the day's messages, the dialogs that changed in the night, the seconds of
each step of the look, and the whole of it; the aim is 15 seconds for 2,000 messages a day.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest import mock
from uuid import UUID

from bench.run import FRIDAY, history
from bench.support.environment import installation
from sandbox.company.builder import SIZES
from sandbox.server import start
from synkro.connectors import integrations
from synkro.core import clock
from synkro.database import db
from synkro.reporting.delivery import deliveries
from synkro.runs import queue
from synkro.tenancy import runtime_config

#: UTC: 22:30 and 08:30 in Almaty
EVENING, MORNING = timedelta(hours=17, minutes=30), timedelta(hours=27, minutes=30)
AIM = 15.0


def look(tenant_id: UUID) -> tuple[queue.Run, float]:
    """Make the report await its delivery, and look as the schedule does; returns the run and its seconds."""
    from orchestration.process.launch import execute

    with db.as_service("bench") as connection:
        radist = integrations.load(connection, tenant_id, "radist")
        at_its_own_pace = {name: value for name, value in radist.public.items() if name != "requests_per_second"}
        integrations.save_public(connection, tenant_id, "radist", at_its_own_pace)
        values = {"delivery_time": "08:30", "delivery_days": "mon,tue,wed,thu,fri,sat,sun"}
        runtime_config.change(connection, tenant_id, values)
        connection.execute("update synkro.reports set awaits_delivery = true where tenant_id = %s", (tenant_id,))
        (run,) = deliveries.enqueue_due(connection, clock.now())
    begun = time.monotonic()
    return execute(run.run_id), time.monotonic() - begun


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=float, default=125, help="new clients a workday of the simulated company")
    parser.add_argument("--past", type=int, default=13, help="days of history read before")
    asked = parser.parse_args(arguments)
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = now - timedelta(days=(now.weekday() - FRIDAY) % 7 or 7)
    moment = [day + EVENING]
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
    with (
        installation(with_marts=True),
        mock.patch.dict(SIZES, {"busy": replace(SIZES["large"], per_day=asked.clients)}),
        start(
            "busy",
            now=lambda: moment[0],
            first_day=(day - timedelta(days=asked.past)).date(),
            last_day=(day + timedelta(days=1)).date(),
        ) as sandbox,
    ):
        gc.freeze()
        tenant_id = history(sandbox, "bench", moment[0])
        with db.as_service("bench") as connection:
            before = connection.execute(
                "select count(*) filter (where sent_at >= %s) as day, count(*) as every from marts.fct_messages"
                " where tenant_id = %s",
                (moment[0] - timedelta(days=1), tenant_id),
            ).fetchone()
        moment[0] = day + MORNING
        run, seconds = look(tenant_id)
        with db.as_service("bench") as connection:
            steps = connection.execute(
                "select step, (metadata ->> 'seconds')::float as seconds from synkro.job_run_events"
                " where run_id = %s and metadata ? 'seconds' order by event_id",
                (run.run_id,),
            ).fetchall()
            read = connection.execute(
                "select stream, requests, loaded from synkro.stream_loads where run_id = %s order by 1", (run.run_id,)
            ).fetchall()
    assert before is not None
    print(
        f"messages: {before['day']} of the day, {before['every']} of all; the look ended as {run.status} {run.error or ''}"
    )
    for row in read:
        print(f"  {row['stream']}: {row['requests']} requests, {row['loaded']} rows")
    for row in steps:
        print(f"  {row['step']}: {row['seconds']:.1f} s")
    print(f"the whole look, Dagster's part included: {seconds:.1f} s (aim {AIM:.0f} s)")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
