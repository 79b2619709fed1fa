"""The sweep finds nothing on a fresh installation, and goes red on every kind of hole we could think of."""

from __future__ import annotations

import psycopg
import pytest

from synkro.core.settings import settings
from synkro.database import analysts, rls_audit

CURE = "run «select private.close_server_functions()» as a superuser"
ANEW = "make it anew: synkro analyst remove, synkro analyst add"
LIMITS = (
    "; ".join(
        f"alter role analyst_sweep set {name} = {value}"
        for name, value in {**analysts.DEFAULTS, "statement_timeout": "60s"}.items()
    )
    .replace("= 60s", "= '60s'")
    .replace("= 10s", "= '10s'")
    .replace("= 16MB", "= '16MB'")
)
#: what opens a hole, and all that the sweep says of it: the very sentences, because a table is named by several
HOLES: dict[str, tuple[str, list[str]]] = {
    "a policy was dropped": (
        'drop policy "members read their tenant" on synkro.reports',
        ["synkro.reports: authenticated may SELECT and no policy says which rows"],
    ),
    "row level security off": (
        "alter table synkro.job_runs disable row level security",
        [
            "synkro.job_runs: row level security is not enabled and forced",
            "synkro.job_runs: granted to authenticated without row level security",
        ],
    ),
    "not forced": (
        "alter table synkro.job_runs no force row level security",
        ["synkro.job_runs: row level security is not enabled and forced"],
    ),
    "a policy for all": (
        "create policy everyone on marts.fct_messages for select to authenticated using (true)",
        ["marts.fct_messages: a policy lets every row through"],
    ),
    "a mart lost its policy": (
        'drop policy "members read their tenant" on marts.fct_waits',
        [
            "marts.fct_waits: authenticated may SELECT and no policy says which rows",
            "marts.fct_waits: synkro_analyst may SELECT and no policy says which rows",
        ],
    ),
    "a new table of a tenant": (
        "create table synkro.notes (tenant_id uuid not null)",
        ["synkro.notes: row level security is not enabled and forced"],
    ),
    "raw granted to people": (
        "grant select on raw_radist.messages to authenticated",
        ["raw_radist.messages: authenticated may SELECT and no policy says which rows"],
    ),
    "a column granted to people": (
        "grant select (ciphertext) on private.integration_secrets to authenticated",
        ["private.integration_secrets: authenticated may SELECT and no policy says which rows"],
    ),
    "truncate granted": (
        "grant truncate on synkro.reports to authenticated",
        ["synkro.reports: authenticated may TRUNCATE, which no policy can restrict"],
    ),
    "a definer's view": (
        "create view api.leak as select * from synkro.reports; grant select on api.leak to authenticated",
        ["api.leak: a view without security_invoker shows its owner's rows"],
    ),
    "a materialised view": (
        "create materialized view marts.leak as select * from marts.fct_messages; grant select on marts.leak to synkro_analyst",
        ["marts.leak: a materialised view or foreign table cannot hold policies, yet people may read it"],
    ),
    "a definer's function": (
        "create function synkro.leak() returns bigint language sql security definer set search_path = ''"
        " as 'select count(*) from synkro.reports'; grant execute on function synkro.leak() to authenticated",
        ["synkro.leak(): people may execute it with its owner's rights"],
    ),
    "an open search path": (
        "alter function synkro.my_tenants() reset search_path",
        ["synkro.my_tenants(): runs with its owner's rights and an open search_path"],
    ),
    "a key without the tenant": (
        "create unique index on synkro.reports (report_id)",
        ["synkro.reports: unique without tenant_id first: reports_report_id_idx"],
    ),
    "a role of people owns something": (
        "create sequence synkro.s; alter sequence synkro.s owner to synkro_app",
        ["role synkro_app: must not be superuser, bypass row level security or own tables"],
    ),
    "a role of people meets no policy": (
        "alter role authenticated bypassrls",
        ["role authenticated: must not be superuser, bypass row level security or own tables"],
    ),
    "an analyst under another name": (
        "create role sweep_anna login; grant synkro_analyst to sweep_anna",
        ["role sweep_anna: an analyst whose name does not begin with analyst_ may claim to be anyone"],
    ),
    "a view for whoever comes": (
        "grant select on api.reports to anon; grant select on api.job_runs to public",
        ["api.job_runs: public may SELECT", "api.reports: anon may SELECT"],
    ),
    "the schema of the views opened": ("grant usage on schema api to anon", ["api: anon may enter the schema"]),
    "a table of ours where Supabase looks": (
        "create table public.notes (tenant_id uuid not null); alter table public.notes enable row level security,"
        " force row level security; create view public.runs as select * from synkro.job_runs",
        [
            "public.notes: stands in a schema that Supabase shows",
            "public.runs: stands in a schema that Supabase shows",
        ],
    ),
    "an advisory lock for everybody": (
        "grant execute on function pg_advisory_lock(bigint) to public",
        [f"public may execute pg_advisory_lock: {CURE}"],
    ),
    "two functions for analysts": (
        "grant execute on function pg_try_advisory_xact_lock_shared(int, int), lo_from_bytea(oid, bytea) to synkro_analyst",
        [f"synkro_analyst may execute lo_from_bytea and 1 more functions of the server: {CURE}"],
    ),
    "temporary tables for everybody": (
        "do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$",
        [f"public may make temporary tables: {CURE}"],
    ),
    "an analyst without limits": (
        "create role analyst_sweep login connection limit 5; alter role analyst_sweep set work_mem = '4MB'",
        [
            "role analyst_sweep: no statement_timeout, idle_in_transaction_session_timeout, lock_timeout,"
            f" default_transaction_read_only, search_path; {ANEW}"
        ],
    ),
    "an analyst with as many connections as there are": (
        f"create role analyst_sweep login createdb; {LIMITS}",
        [
            f"role analyst_sweep: more than 5 connections at once; {ANEW}",
            f"role analyst_sweep: an analyst only reads; {ANEW}",
        ],
    ),
    "a nullable tenant": (
        "create table synkro.n (tenant_id uuid); alter table synkro.n enable row level security, force row level security",
        ["synkro.n: tenant_id may be null"],
    ),
}


def test_a_fresh_installation_is_closed(database: str) -> None:
    assert rls_audit.findings(database) == []


@pytest.mark.assurance
def test_a_full_rebuild_of_the_marts_leaves_it_closed(database: str) -> None:
    """What dbt replaces comes back without policies unless the build puts them on: look after the rebuild."""
    from orchestration.dbt.project import full_refresh

    full_refresh(database, settings().data_dir)
    assert rls_audit.findings(database) == []


def test_what_a_sweep_finds_of_the_server_the_named_cure_closes(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(HOLES["an advisory lock for everybody"][0].encode())
        connection.execute(HOLES["temporary tables for everybody"][0].encode())
        assert len(rls_audit.findings(database)) == 2
        connection.execute("select private.close_server_functions()")
    assert rls_audit.findings(database) == []


def test_the_sweep_looks_at_every_schema(database: str) -> None:
    with psycopg.connect(database) as connection:
        counted = connection.execute(
            "select count(distinct n.nspname) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where c.relkind = 'r' and n.nspname in ('synkro', 'private', 'raw_amocrm', 'raw_radist', 'raw_whatsapp',"
            " 'intermediate', 'marts')"
        ).fetchone()
    assert counted == (7,)


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_is_found(database: str, hole: str) -> None:
    statement, said = HOLES[hole]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement.encode())
        try:
            found = rls_audit.findings(database)
        finally:
            # a role belongs to the server, not to this test's database
            connection.execute("drop role if exists sweep_anna; drop role if exists analyst_sweep")
            connection.execute("alter role authenticated nobypassrls")
    assert found == said
