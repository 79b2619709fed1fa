"""The report: its inputs, figures, headline, actions, aggregates of readings, and the builder that puts them together."""
