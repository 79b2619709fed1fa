"""The Postgres we bring along: its programs, its cluster's files, and its supervision."""
