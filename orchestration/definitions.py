"""The code location: ``build()`` puts the assets, the job, the schedules, the sensors and the worker together.

Dagster loads ``defs`` from here; nothing is built when the module is merely imported by a test or a tool,
because ``defs`` is a function. The dbt manifest is read from the data directory, where deploy left it.
"""

from __future__ import annotations

from dagster import Definitions, definitions, in_process_executor

from orchestration.dbt.project import ensure_manifest
from orchestration.defs import anchoring, delivery, retention, schedules, sensors
from orchestration.defs.assets import insight, intents, marts, sources
from orchestration.defs.jobs import report_job
from orchestration.defs.resources import RunWorker
from synkro.core.settings import settings


def build() -> Definitions:
    manifest = ensure_manifest(settings().data_dir)
    jobs = [report_job(), delivery.delivery_job()]
    return Definitions(
        assets=[
            *sources.vendor_specs(),
            insight.telegram_spec(),
            *marts.control_specs(manifest),
            *marts.exposure_specs(manifest),
            sources.build(),
            intents.build(),
            marts.build(manifest),
            *insight.build(),
        ],
        jobs=jobs,
        schedules=schedules.build(),
        sensors=[*sensors.build(jobs), retention.build(), anchoring.build()],
        resources={"run_worker": RunWorker()},
        # what is launched from an asset's page has no job of ours: it too must be one process, with one worker
        executor=in_process_executor,
    )


@definitions
def defs() -> Definitions:
    return build()
