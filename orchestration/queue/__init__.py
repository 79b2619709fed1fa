"""From a row of the queue to a Dagster run: concurrency classes, submission, waiting for a run, the NOTIFY listener."""
