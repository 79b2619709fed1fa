"""The code location: ``build()`` puts the assets, the job, the sensor and the worker together.

Dagster loads ``defs`` from here; nothing is built when the module is merely imported by a test or a tool,
because ``defs`` is a function. The dbt manifest is read from the data directory, where deploy left it.
"""

from __future__ import annotations

from dagster import Definitions, definitions

from orchestration import sensors
from orchestration.assets import insight, marts, sources
from orchestration.dbt import ensure_manifest
from orchestration.jobs import report_job
from orchestration.resources import RunWorker
from synkro.settings import settings


def build() -> Definitions:
    return Definitions(
        assets=[
            *sources.vendor_specs(),
            insight.telegram_spec(),
            sources.build(),
            marts.build(ensure_manifest(settings().data_dir)),
            *insight.build(),
        ],
        jobs=[report_job()],
        sensors=[sensors.build()],
        resources={"run_worker": RunWorker()},
    )


@definitions
def defs() -> Definitions:
    return build()
