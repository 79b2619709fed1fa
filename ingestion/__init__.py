"""The vendors' rows into raw: amoCRM and Radist, read-only, by dlt. The door is ``pipelines.py``."""
