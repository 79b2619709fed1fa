"""A worker of another machine: takes whole runs from Celery's broker, each in a process of its own.

In: ``SYNKRO_BROKER_URL``, and the database everybody shares. ``CeleryRunLauncher`` puts one task a run into the broker; a
process of the pool executes it from its first step to its last and then ends (``max_tasks_per_child=1``). So a run
stays one process, as on one machine: its steps share the worker's lease, the advisory lock on the tenant and the
directory of dlt, none of which could be handed from machine to machine. The pool's parent has imported
:mod:`orchestration.process.preload`; a run begins where the imports end.

A task is acknowledged when it begins: a worker that dies does not have its run begun again by the broker. Its lease
runs out, and the queue's own rules decide (``synkro/runs/reaper.py``, ``orchestration/defs/schedules.py``).
"""

from __future__ import annotations

import multiprocessing
import os
import socket
from typing import Any

from orchestration.dbt.invoke import ensure_manifest
from synkro.core.errors import ConfigurationError
from synkro.core.settings import settings

QUEUE = "dagster"
#: seconds; longer than a task ever waits in a worker that has not begun it
VISIBILITY = 4 * 3600


def app() -> Any:
    from dagster_celery.make_app import make_app
    from dagster_celery.tasks import create_execute_job_task

    broker = settings().broker_url
    if broker is None:
        raise ConfigurationError("Исполнителю нужен брокер: задайте SYNKRO_BROKER_URL.")
    made = make_app({"broker": broker.get_secret_value(), "backend": broker.get_secret_value()})
    made.conf.update(
        broker_transport_options={"visibility_timeout": VISIBILITY},
        broker_connection_retry_on_startup=True,
        # a broker that comes back finds its workers waiting, however long it was away
        broker_connection_max_retries=None,
        # a worker that holds the next run beside its own keeps it from a free one (25 s of 27 in a fleet of two)
        worker_disable_prefetch=True,
        worker_max_tasks_per_child=1,
        worker_hijack_root_logger=False,
        task_acks_late=False,
    )
    create_execute_job_task(made)
    return made


def node_name() -> str:
    """How the names of this machine's workers begin."""
    return f"synkro-{socket.gethostname()}-"


def main() -> None:
    worker = app()
    # in a process of its own: parsing leaves threads, and what has threads must not fork
    parse = multiprocessing.get_context("spawn").Process(target=ensure_manifest, args=[settings().data_dir])
    parse.start()
    parse.join()
    import orchestration.process.preload  # noqa: F401 - the pool's processes are forked from here

    worker.worker_main(
        [
            "worker", "--pool", "prefork", "--concurrency", str(settings().worker_concurrency), "--queues", QUEUE,
            "--hostname", f"{node_name()}{os.getpid()}", "--without-gossip", "--without-mingle",
            "--loglevel", "INFO",
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
