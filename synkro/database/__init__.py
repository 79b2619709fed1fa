"""Postgres: the entry points, migrations, logins, the audit of row level security, the addresses we are given."""
