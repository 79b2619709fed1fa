"""Integrations, runtime configuration, calendar, topics of a company."""
