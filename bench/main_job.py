"""The main job on a small company: the first build with its history, then a repeat of the same window.

Prints the seconds of each step, the processor seconds of this process, and repeat ÷ first.
"""

from __future__ import annotations

import time

from bench.support.environment import installation
from synkro.database import db
from synkro.runs import queue
from tests.support.e2e import Environment, open_environment


def steps(run: queue.Run) -> dict[str, float]:
    """Seconds by step, as the run's own log has them."""
    with db.as_service("bench") as connection:
        events = queue.events(connection, run.tenant_id, run.run_id)
    return {event.step: event.metadata["seconds"] for event in events if "seconds" in event.metadata}


def measure(e2e: Environment) -> tuple[float, float, dict[str, float]]:
    """Wall seconds, processor seconds and seconds by step of one build."""
    wall, cpu = time.perf_counter(), time.process_time()
    run = e2e.build()
    if run.status != "success":
        raise SystemExit(f"the run ended as {run.status}: {run.error}")
    return time.perf_counter() - wall, time.process_time() - cpu, steps(run)


def main() -> None:
    with installation(with_marts=True), open_environment("bench") as e2e:
        measure(e2e)  # imports and caches: not what is measured
        first = measure(e2e)
        again = measure(e2e)
    for name, (wall, cpu, by_step) in {"build": first, "repeat": again}.items():
        told = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in by_step.items())
        print(f"main job, {name}: {wall:.1f} s wall, {cpu:.1f} s cpu ({told})")
    print(f"main job, repeat ÷ build: {again[0] / first[0]:.2f}")
