"""The processes of Dagster: instance, storage, code server, web server, workers of other machines, cleanup, retention."""
