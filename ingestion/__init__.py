"""The vendors' rows into raw: amoCRM and Radist, read-only, by dlt. The entry point is ``pipelines.py``."""
