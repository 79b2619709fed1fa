"""The sweep finds nothing on a fresh installation, and goes red on every kind of hole we could think of."""

from __future__ import annotations

import psycopg
import pytest

from synkro import isolation
from synkro.settings import settings

HOLES = {
    "a policy was dropped": ('drop policy "members read their tenant" on synkro.reports', "synkro.reports"),
    "row level security off": ("alter table synkro.job_runs disable row level security", "synkro.job_runs"),
    "not forced": ("alter table synkro.job_runs no force row level security", "synkro.job_runs"),
    "a policy for all": (
        "create policy everyone on marts.fct_messages for select to authenticated using (true)",
        "marts.fct_messages",
    ),
    "a mart lost its policy": ('drop policy "members read their tenant" on marts.fct_waits', "marts.fct_waits"),
    "a new table of a tenant": ("create table synkro.notes (tenant_id uuid not null)", "synkro.notes"),
    "raw granted to people": ("grant select on raw_radist.messages to authenticated", "raw_radist.messages"),
    "a column granted to people": (
        "grant select (ciphertext) on private.integration_secrets to authenticated",
        "private.integration_secrets",
    ),
    "truncate granted": ("grant truncate on synkro.reports to authenticated", "TRUNCATE"),
    "a definer's view": (
        "create view api.leak as select * from synkro.reports; grant select on api.leak to authenticated",
        "api.leak",
    ),
    "a materialised view": (
        "create materialized view marts.leak as select * from marts.fct_messages; grant select on marts.leak to synkro_analyst",
        "marts.leak",
    ),
    "a definer's function": (
        "create function synkro.leak() returns bigint language sql security definer set search_path = ''"
        " as 'select count(*) from synkro.reports'; grant execute on function synkro.leak() to authenticated",
        "synkro.leak()",
    ),
    "a key without the tenant": ("create unique index on synkro.reports (report_id)", "synkro.reports"),
    "an analyst under another name": (
        "create role sweep_anna login; grant synkro_analyst to sweep_anna",
        "sweep_anna",
    ),
    "a nullable tenant": (
        "alter table synkro.outbox add constraint c check (true); create table synkro.n (tenant_id uuid)",
        "synkro.n",
    ),
}


def test_a_fresh_installation_is_closed(database: str) -> None:
    assert isolation.findings(database) == []


def test_a_full_rebuild_of_the_marts_leaves_it_closed(database: str) -> None:
    """What dbt replaces comes back without policies unless the build puts them on: look after the rebuild."""
    from orchestration.dbt import full_refresh

    full_refresh(database, settings().data_dir)
    assert isolation.findings(database) == []


def test_the_sweep_looks_at_every_schema(database: str) -> None:
    with psycopg.connect(database) as connection:
        counted = connection.execute(
            "select count(distinct n.nspname) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where c.relkind = 'r' and n.nspname in ('synkro', 'private', 'raw_amocrm', 'raw_radist', 'intermediate', 'marts')"
        ).fetchone()
    assert counted == (6,)


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_is_found(database: str, hole: str) -> None:
    statement, named = HOLES[hole]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement.encode())
        try:
            found = isolation.findings(database)
        finally:
            # a role belongs to the server, not to this test's database
            connection.execute("drop role if exists sweep_anna")
    assert any(named in finding for finding in found), found
