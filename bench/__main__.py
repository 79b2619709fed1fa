"""``make bench``: every measurement, one after the other."""

from __future__ import annotations

from bench import ingestion_landing, main_job

if __name__ == "__main__":
    ingestion_landing.main()
    main_job.main()
