"""The coordinator of Dagster's queue: every run that enters it says whose it is, whoever launched it.

A backfill's runs, and those launched from an asset's page, carry a partition but not the tags our limits count by:
they get them here, before they wait. Dagster calls this in the process that launches (webserver, daemon), so it needs
no database of ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from dagster import DagsterRun, QueuedRunCoordinator
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.storage.tags import PRIORITY_TAG

from orchestration.queue.concurrency import BULK_PRIORITY, LANE_TAG, SIDE
from orchestration.queue.partitions import TENANT_TAG, read_key


class TenantCoordinator(QueuedRunCoordinator):
    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        run = context.dagster_run
        missing = {name: value for name, value in tags_for(run.tags).items() if name not in run.tags}
        if missing:
            self._instance.add_run_tags(run.run_id, missing)
        return super().submit_run(context)


def tags_for(tags: Mapping[str, str]) -> dict[str, str]:
    """What a run launched by hand or by a backfill should carry; nothing for a run without a partition."""
    key = read_key(tags)
    return {TENANT_TAG: key[0], LANE_TAG: SIDE, PRIORITY_TAG: BULK_PRIORITY} if key is not None else {}
