"""Run one queued row in this process, through Dagster: for the command line and for machines without a daemon."""

from __future__ import annotations

import logging
import traceback
from uuid import UUID

from orchestration.process import instance
from synkro.core.windows import business_date
from synkro.database import db
from synkro.runs import leases, queue
from synkro.tenancy import runtime_config, tenants

logger = logging.getLogger(__name__)


def execute(run_id: UUID) -> queue.Run:
    """Execute the run and return it as it ended. The run's own row says why it failed; nothing is raised for that."""
    dagster = instance.get()
    # imported here: definitions need the manifest, and dagster itself takes seconds
    from orchestration.definitions import build
    from orchestration.queue.partitions import TENANTS, key_of
    from orchestration.queue.submission import job_of, tags_of

    with db.as_service("launch") as connection:
        run = queue.get(connection, run_id)
        tenant = tenants.by_id(connection, run.tenant_id)
        config = runtime_config.current(connection, run.tenant_id)
        queue.offer(connection, run_id)
    if tenant.slug not in dagster.get_dynamic_partitions(TENANTS):
        dagster.add_dynamic_partitions(TENANTS, [tenant.slug])
    label = business_date(run.window_start, config.business_day_start, config.timezone)
    refusal = ""
    try:
        build().resolve_job_def(job_of(run)).execute_in_process(
            instance=dagster,
            partition_key=key_of(tenant.slug, label),
            tags=tags_of(run, tenant),
            # people read the run's own log; Dagster keeps its events in its storage
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    except Exception:
        # a resource that fails to start is raised whatever raise_on_error says; usually the row tells the cause
        refusal = traceback.format_exc()
        logger.info("run %s ended with an error", run_id, exc_info=True)
    with db.as_service("launch") as connection:
        ended = queue.get(connection, run_id)
        if ended.status == "pending":
            # nothing claimed it: Dagster refused the launch itself
            worker_run = leases.claim(connection, run_id)
            leases.finish(
                connection,
                worker_run,
                "failed",
                error="Dagster не смог начать запуск. Проверьте synkro doctor и повторите.",
                detail=refusal,
            )
            ended = queue.get(connection, run_id)
    return ended
