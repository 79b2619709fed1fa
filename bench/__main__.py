"""``make bench``: every measurement at a size that takes minutes; each module's own ``--help`` tells the whole one."""

from __future__ import annotations

from bench import ai, ingestion_landing, ingestion_pace, main_job, marts, partitions, run, scale

if __name__ == "__main__":
    ingestion_landing.main()
    ingestion_pace.main(["--scale", "0.05"])
    marts.main([])
    ai.main()
    main_job.main()
    partitions.main([])
    run.main(["--days", "1"])
    scale.main([])
