"""What a run needs in memory, loaded by importing this module. Only the fork server of ``code_server`` does that, once.

It holds no thread, no connection and no lock when it forks: nothing here may open one. Parsing dbt's project leaves threads
behind, so the definitions are built here only if somebody has parsed it, as the code server has.
"""

from __future__ import annotations

import gc
import logging

try:
    import dagster_postgres
    import dbt.adapters.postgres
    import dbt.cli.main
    import dlt.destinations.impl.postgres.postgres
    import openai

    import analysis.report.builder
    import analysis.report.dialogs
    import delivery.message
    import delivery.sender
    import ingestion.pipelines
    from orchestration import definitions
    from orchestration.dbt.invoke import is_parsed, warm_up
    from synkro.core.settings import settings

    LOADED = (dagster_postgres, dbt, dlt, openai, analysis, delivery, ingestion)
    if is_parsed(settings().data_dir):
        definitions.defs().get_repository_def().load_all_definitions()
        warm_up(settings().data_dir)
    # what is loaded is never garbage: a collection in a child would only copy its pages
    gc.collect()
    gc.freeze()
except Exception:
    # a run imports for itself what is missing here, and says what is wrong where people read it
    logging.getLogger(__name__).warning("the runs start cold", exc_info=True)
