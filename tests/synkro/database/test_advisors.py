"""What Supabase's advisors look for, asked of the whole catalogue: migrations and the marts of a deploy.

Supabase shows its advisors on the dashboard of a project; here the classes that apply to us are asked of every schema of ours, also of
those that are not exposed. ``tests/deploy/test_supabase_cli.py`` asks Supabase's own by its CLI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

#: schemas of the product: a new one is looked at by itself
_OURS = "n.nspname <> all (array['information_schema', 'supabase_migrations', 'dagster', 'public', 'extensions']) and n.nspname !~ '^pg_'"
_TABLE = "pg_class c join pg_namespace n on n.oid = c.relnamespace"

#: Supabase's name of the class → the things that are wrong
LINTS = {
    "unindexed_foreign_keys": f"select k.conrelid::regclass || '.' || k.conname from pg_constraint k join {_TABLE} on c.oid = k.conrelid"
    f" where k.contype = 'f' and {_OURS} and not exists (select from pg_index x where x.indrelid = k.conrelid"
    " and (string_to_array(x.indkey::text, ' ')::smallint[])[1:cardinality(k.conkey)] @> k.conkey)",
    "auth_users_exposed": "select distinct v.oid::regclass::text from pg_class v join pg_rewrite r on r.ev_class = v.oid"
    " join pg_depend d on d.objid = r.oid where v.relnamespace = 'api'::regnamespace and d.refobjid = 'auth.users'::regclass",
    "auth_rls_initplan": "select p.polrelid::regclass || '.' || p.polname from pg_policy p,"
    " lateral (select coalesce(pg_get_expr(p.polqual, p.polrelid), '') || ' ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')"
    " as said) e, lateral (select regexp_replace(e.said, 'SELECT (auth|synkro)\\.\\w+\\([^()]*\\)', '', 'g') as bare) b"
    " where b.bare ~ '(auth\\.(uid|jwt|role|email)|synkro\\.\\w+|current_setting)\\('",
    "no_primary_key": f"select c.oid::regclass::text from {_TABLE} where c.relkind in ('r', 'p') and {_OURS}"
    " and not exists (select from pg_index x where x.indrelid = c.oid and x.indisunique and x.indpred is null)",
    "multiple_permissive_policies": "select p.polrelid::regclass || ' ' || r.role::regrole || ' ' || v.verb"
    " from pg_policy p cross join unnest(p.polroles) as r (role) join (values ('r'), ('a'), ('w'), ('d')) as v (verb)"
    " on p.polcmd in (v.verb::\"char\", '*') where p.polpermissive group by p.polrelid, r.role, v.verb having count(*) > 1",
    "policy_exists_rls_disabled": "select p.polrelid::regclass || '.' || p.polname from pg_policy p join pg_class c on c.oid = p.polrelid"
    " where not c.relrowsecurity",
    "duplicate_index": "select x.indrelid::regclass || ': ' || string_agg(x.indexrelid::regclass::text, ', ' order by x.indexrelid::regclass::text)"
    f" from pg_index x join {_TABLE} on c.oid = x.indexrelid where {_OURS}"
    " group by x.indrelid, regexp_replace(pg_get_indexdef(x.indexrelid), '^.* INDEX \\S+ ON', '') having count(*) > 1",
    "redundant_index": "select x.indexrelid::regclass::text from pg_index x join pg_index y on y.indrelid = x.indrelid"
    f" and y.indexrelid <> x.indexrelid join {_TABLE} on c.oid = x.indexrelid where {_OURS} and not x.indisunique"
    " and x.indpred is null and y.indpred is null and x.indexprs is null and x.indoption::text = left(y.indoption::text, length(x.indoption::text))"
    " and (y.indkey::text || ' ') like (x.indkey::text || ' %') and x.indclass::text = left(y.indclass::text, length(x.indclass::text))",
    "security_definer_view": f"select c.oid::regclass::text from {_TABLE} where c.relkind = 'v' and {_OURS}"
    " and not coalesce(c.reloptions @> array['security_invoker=true'], false)"
    " and exists (select from aclexplode(c.relacl) a where a.grantee = 0 or a.grantee::regrole::text = any"
    " (array['anon', 'authenticated', 'synkro_app', 'synkro_analyst']))",
    "function_search_path_mutable": "select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
    f" where {_OURS} and not exists (select from unnest(p.proconfig) s where s like 'search_path=%')",
    "rls_disabled": f"select c.oid::regclass::text from {_TABLE} where c.relkind in ('r', 'p') and {_OURS}"
    " and not (c.relrowsecurity and c.relforcerowsecurity)",
    "extension_in_public": "select extname::text from pg_extension where extnamespace = 'public'::regnamespace",
    "rls_references_user_metadata": "select p.polrelid::regclass || '.' || p.polname from pg_policy p"
    " where concat(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) like '%user_metadata%'",
    "materialized_view_or_foreign_table_in_api": f"select c.oid::regclass::text from {_TABLE} where c.relkind in ('m', 'f') and {_OURS}",
    "table_in_api": f"select c.oid::regclass::text from {_TABLE} where n.nspname = 'api' and c.relkind not in ('v')",
    "unsupported_reg_types": f"select c.oid::regclass || '.' || a.attname from pg_attribute a join {_TABLE} on c.oid = a.attrelid"
    f" where {_OURS} and a.atttypid::regtype::text like 'reg%' and a.attnum > 0",
    "fkey_to_auth_unique": "select k.conrelid::regclass || '.' || k.conname from pg_constraint k join pg_index x on x.indexrelid = k.conindid"
    " where k.contype = 'f' and k.confrelid = 'auth.users'::regclass and not x.indisprimary",
    "sensitive_columns_exposed": f"select c.oid::regclass || '.' || a.attname from pg_attribute a join {_TABLE} on c.oid = a.attrelid"
    " where n.nspname = 'api' and a.attname ~ '(password|secret|token|cipher|api_key|salt|session_hash)'",
    "rls_policy_always_true": "select p.polrelid::regclass || '.' || p.polname from pg_policy p"
    " where 'true' in (pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))",
    "anon_may_something": f"select n.nspname || ': schema' from pg_namespace n where {_OURS} and n.nspname <> 'auth'"
    " and has_schema_privilege('anon', n.oid, 'usage, create')"
    f" union all select c.oid::regclass::text from {_TABLE} where {_OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f')"
    " and (has_table_privilege('anon', c.oid, 'select, insert, update, delete, truncate, references, trigger')"
    " or has_any_column_privilege('anon', c.oid, 'select, insert, update, references'))"
    f" union all select c.oid::regclass::text from {_TABLE} where {_OURS} and case when c.relkind = 'S' then"
    " has_sequence_privilege('anon', c.oid, 'usage, select, update') else false end",
    "anyone_may_execute": "select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
    f" where {_OURS} and n.nspname <> 'auth' and has_function_privilege('anon', p.oid, 'execute')",
    "in_public": f"select c.oid::regclass::text from {_TABLE} where n.nspname in ('public', 'graphql_public')"
    " union all select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
    " where n.nspname in ('public', 'graphql_public')",
}  # fmt: skip


#: found and meant: lists of work and dlt's own tables, whose rows nobody looks up by a key
MEANT = {
    "no_primary_key": [
        "intermediate.int_changes", "intermediate.int_deal_owners", "intermediate.int_touched", "intermediate.int_touched_cases",
        "intermediate.int_touched_phones",
        "raw_amocrm._dlt_loads", "raw_amocrm._dlt_version", "raw_radist._dlt_loads", "raw_radist._dlt_version",
        "raw_whatsapp._dlt_loads", "raw_whatsapp._dlt_version",
    ],
}  # fmt: skip

#: class → what somebody might write, and what is then found
PLANTED = {
    "unindexed_foreign_keys": (
        "create table synkro.t (id int primary key, person uuid references auth.users (id))", "synkro.t.t_person_fkey",
    ),
    "auth_users_exposed": ("create view api.people with (security_invoker = true) as select email from auth.users", "api.people"),
    "auth_rls_initplan": (
        'alter policy "people change their own profile" on synkro.user_profiles using (user_id = auth.uid())',
        "synkro.user_profiles.people change their own profile",
    ),
    "no_primary_key": ("create table synkro.t (tenant_id uuid)", "synkro.t"),
    "multiple_permissive_policies": (
        "create policy more on synkro.reports for all to authenticated using (tenant_id is not null)",
        "synkro.reports authenticated r",
    ),
    "policy_exists_rls_disabled": (
        "alter table synkro.reports disable row level security", "synkro.reports.members read their tenant",
    ),
    "duplicate_index": (
        "create index one on synkro.outbox (payload); create index two on synkro.outbox (payload)",
        "synkro.outbox: synkro.one, synkro.two",
    ),
    "redundant_index": ("create index one on synkro.reports (tenant_id)", "synkro.one"),
    "security_definer_view": (
        "create view marts.leak as select * from synkro.reports; grant select on marts.leak to synkro_analyst", "marts.leak",
    ),
    "function_search_path_mutable": ("create function private.f() returns int language sql as 'select 1'", "private.f()"),
    "rls_disabled": ("alter table marts.fct_waits no force row level security", "marts.fct_waits"),
    "extension_in_public": ("create extension if not exists pg_trgm schema public", "pg_trgm"),
    "rls_references_user_metadata": (
        "create policy mine on synkro.telegram_updates to authenticated"
        " using ((select auth.jwt() -> 'user_metadata' ->> 'tenant') = tenant_id::text)",
        "synkro.telegram_updates.mine",
    ),
    "materialized_view_or_foreign_table_in_api": ("create materialized view api.m as select 1 as one", "api.m"),
    "table_in_api": ("create table api.t (id int primary key)", "api.t"),
    "unsupported_reg_types": ("alter table synkro.reports add column made_by regproc", "synkro.reports.made_by"),
    "fkey_to_auth_unique": (
        "alter table auth.users add constraint one_email unique (email);"
        " alter table synkro.user_profiles add constraint to_email foreign key (email) references auth.users (email)",
        "synkro.user_profiles.to_email",
    ),
    "sensitive_columns_exposed": (
        "create view api.s with (security_invoker = true) as select session_hash from private.web_sessions", "api.s.session_hash",
    ),
    "rls_policy_always_true": (
        "create policy everyone on marts.fct_waits for select to authenticated using (true)", "marts.fct_waits.everyone",
    ),
    "anon_may_something": ("grant insert (body) on marts.fct_messages to anon", "marts.fct_messages"),
    "anyone_may_execute": ("create function private.f() returns int language sql as 'select 1'", "private.f()"),
    "in_public": ("create function public.f() returns int language sql as 'select 1'", "public.f()"),
}  # fmt: skip


@pytest.fixture(scope="module")
def deployed(make_database: Callable[[str | None], str], template: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(make_database(template)) as connection:
        connection.execute("set search_path = pg_catalog")
        connection.commit()
        yield connection


def found(connection: psycopg.Connection[Any], lint: str) -> list[str]:
    with connection.transaction(force_rollback=True):
        return sorted({row[0] for row in connection.execute(LINTS[lint].encode())})


@pytest.mark.parametrize("lint", LINTS)
def test_nothing_is_found(deployed: psycopg.Connection[Any], lint: str) -> None:
    assert found(deployed, lint) == MEANT.get(lint, [])


@pytest.mark.parametrize("lint", LINTS)
def test_what_is_wrong_is_found(deployed: psycopg.Connection[Any], lint: str) -> None:
    statement, named = PLANTED[lint]
    with deployed.transaction(force_rollback=True):
        deployed.execute(statement.encode())
        assert named in found(deployed, lint)


def test_every_function_is_well_formed(deployed: psycopg.Connection[Any]) -> None:
    """plpgsql_check compiles what Postgres looks at when it runs: a column that is no more, a cast, a variable nobody reads."""
    if not deployed.execute("select 1 from pg_available_extensions where name = 'plpgsql_check'").fetchone():
        pytest.skip(
            "this server has no plpgsql_check: apt-get install postgresql-15-plpgsql-check, then --postgres system"
        )
    with deployed.transaction(force_rollback=True):
        deployed.execute(
            "create schema checks; create extension plpgsql_check schema checks; set local search_path = pg_catalog, checks"
        )
        said = deployed.execute(
            f"""
            select f.id::regprocedure::text, c.message from (
              select p.oid as id, coalesce(t.tgrelid, 0) as relation from pg_proc p join pg_namespace n on n.oid = p.pronamespace
              join pg_language l on l.oid = p.prolang left join pg_trigger t on t.tgfoid = p.oid
              where l.lanname = 'plpgsql' and {_OURS} and (p.prorettype <> 'trigger'::regtype or t.oid is not null)
            ) f cross join lateral plpgsql_check_function_tb(f.id, f.relation) c
            """.encode()
        ).fetchall()
    assert said == []
