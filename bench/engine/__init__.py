"""Measurements of the engine: many companies, many partitions, workers of other machines, a hosted server."""
