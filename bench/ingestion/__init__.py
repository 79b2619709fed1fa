"""Measurements of ingestion."""
