"""Dagster's definitions: assets, jobs, schedules, sensors, resources, partitions."""
