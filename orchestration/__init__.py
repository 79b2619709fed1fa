"""Dagster: assets from the vendors to Telegram, the queue's sensor, and the worker that holds a run's lease."""
