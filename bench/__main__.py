"""``make bench``: every measurement, one after the other."""

from __future__ import annotations

from bench import main_job

if __name__ == "__main__":
    main_job.main()
