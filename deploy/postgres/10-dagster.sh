#!/bin/sh
# Dagster keeps its runs in a database of its own, by a login that opens nothing else. Run by the image once, with a new volume.
set -e
test -n "$DAGSTER_DATABASE_PASSWORD"
psql -v ON_ERROR_STOP=1 -v password="$DAGSTER_DATABASE_PASSWORD" --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-postgres}" <<'SQL'
create role dagster login password :'password';
create database dagster owner dagster;
revoke connect, temporary on database dagster from public;
SQL
