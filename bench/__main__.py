"""``make bench``: every measurement at a size that takes minutes; each module's own ``--help`` tells the whole one."""

from __future__ import annotations

from bench import ai, main_job, marts, run, scale
from bench.engine import partitions
from bench.ingestion import request_pace, staging_load

if __name__ == "__main__":
    staging_load.main()
    request_pace.main(["--scale", "0.05"])
    marts.main([])
    ai.main()
    main_job.main()
    partitions.main([])
    run.main(["--days", "1"])
    scale.main([])
