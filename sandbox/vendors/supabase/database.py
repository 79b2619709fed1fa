"""What the database of a hosted project holds before anybody's migrations: roles, schemas, ``auth``, grants, settings.

``lay_out(url)`` takes a superuser's address of an empty database on any Postgres from 15 to 18. Roles belong to the whole
cluster and are made once. The facts and their sources are in ``README.md``.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from sandbox.vendors.supabase.auth_tables import PROTECTED, TABLES

#: name -> attributes; the project's own login is made apart, under the name the caller wants
ROLES = {
    "supabase_admin": "login superuser createdb createrole replication bypassrls",
    "anon": "nologin inherit",
    "authenticated": "nologin inherit",
    "service_role": "nologin inherit bypassrls",
    "authenticator": "login noinherit",
    "supabase_auth_admin": "login noinherit nocreaterole",
    "supabase_storage_admin": "login noinherit createrole",
    "supabase_realtime_admin": "nologin noinherit",
    "supabase_replication_admin": "login replication",
    "supabase_read_only_user": "login bypassrls",
    "dashboard_user": "nologin createdb createrole replication",
    "pgbouncer": "login",
}
LOGIN = "login nosuperuser inherit createdb createrole replication bypassrls"
#: everybody else's statements end by the database's own setting, two minutes
SETTINGS = {
    "anon": {"statement_timeout": "3s"},
    "authenticated": {"statement_timeout": "8s"},
    "authenticator": {"statement_timeout": "8s", "lock_timeout": "8s"},
    "supabase_auth_admin": {"search_path": "auth", "idle_in_transaction_session_timeout": "60000"},
    "supabase_storage_admin": {"search_path": "storage"},
}
API_ROLES = "anon, authenticated, service_role"

_SCHEMAS = """
create schema extensions authorization {login};
create schema auth authorization supabase_admin;
create schema storage authorization supabase_admin;
create schema realtime authorization supabase_admin;
create schema vault authorization supabase_admin;
create schema graphql authorization supabase_admin;
create schema graphql_public authorization supabase_admin;
create schema pgbouncer authorization pgbouncer;
create publication supabase_realtime;
alter publication supabase_realtime owner to {login};

grant usage on schema public, extensions, auth, storage, realtime, graphql_public to {api}, {login};
grant usage on schema vault, graphql to {login};
grant usage on schema extensions, auth, storage, realtime to dashboard_user;
grant create on schema extensions to {login}, dashboard_user;
grant all on schema auth to supabase_auth_admin;
grant all on schema storage to supabase_storage_admin;
grant all on schema realtime to supabase_realtime_admin;
"""

_STORAGE = """
create table storage.buckets (id text primary key, name text not null unique, owner uuid, public boolean default false,
  created_at timestamptz default now(), updated_at timestamptz default now());
create table storage.objects (id uuid primary key default gen_random_uuid(), bucket_id text references storage.buckets,
  name text, owner uuid, created_at timestamptz default now(), updated_at timestamptz default now(), metadata jsonb,
  unique (bucket_id, name));
create table storage.migrations (id integer primary key, name varchar(100) not null unique, hash varchar(40) not null,
  executed_at timestamp default current_timestamp);
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
alter table storage.migrations enable row level security;
alter table storage.buckets owner to supabase_storage_admin;
alter table storage.objects owner to supabase_storage_admin;
alter table storage.migrations owner to supabase_storage_admin;
grant all on storage.buckets, storage.objects to {login}, {api};
create table realtime.schema_migrations (version bigint primary key, inserted_at timestamp);
alter table realtime.schema_migrations owner to supabase_admin;
"""

#: PostgREST hears of every change of the schema: so each DDL statement of a migration also sends a notification
_WATCH = """
create function extensions.pgrst_ddl_watch() returns event_trigger language plpgsql as $$
begin
  if exists (select from pg_event_trigger_ddl_commands() c where c.schema_name is distinct from 'pg_temp') then
    notify pgrst, 'reload schema';
  end if;
end $$;
create function extensions.pgrst_drop_watch() returns event_trigger language plpgsql as $$
begin
  if exists (select from pg_event_trigger_dropped_objects() o where not o.is_temporary) then
    notify pgrst, 'reload schema';
  end if;
end $$;
create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();
"""


def lay_out(url: str, *, login: str = "postgres", password: str, exposes_public: bool = False) -> None:
    """Make the database a project's; every role that logs in gets ``password``.

    ``login``: the project's own login, never a superuser, owner of the database. ``exposes_public``: the default
    privileges of schema ``public`` that projects had until October 2026.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        is_superuser = connection.execute("select rolsuper from pg_roles where rolname = %s", (login,)).fetchone()
        if is_superuser and is_superuser[0]:
            raise ValueError(f"{login} is a superuser of this cluster: give the project's login another name")
        with connection.transaction():
            _roles(connection, login, password)
            _database(connection, login)
            _run(connection, _SCHEMAS, login)
            _auth(connection, login)
            _run(connection, _STORAGE, login)
            _defaults(connection, login, exposes_public)
            _run(connection, _WATCH, login)


def _run(connection: psycopg.Connection[Any], text: str, login: str) -> None:
    connection.execute(sql.SQL(text).format(login=sql.Identifier(login), api=sql.SQL(API_ROLES)))


def _roles(connection: psycopg.Connection[Any], login: str, password: str) -> None:
    there = {row[0] for row in connection.execute("select rolname from pg_roles")}
    for name, attributes in {**ROLES, login: LOGIN}.items():
        if name in there:
            continue
        made = sql.SQL("create role {} {}").format(sql.Identifier(name), sql.SQL(attributes))
        if "nologin" not in attributes:
            made += sql.SQL(" password {}").format(sql.Literal(password))
        connection.execute(made)
    for name, settings in SETTINGS.items():
        for setting, value in settings.items():
            connection.execute(
                sql.SQL("alter role {} set {} = {}").format(
                    sql.Identifier(name), sql.Identifier(setting), sql.Literal(value)
                )
            )
    # the backslash is really there: the entry names no schema that exists
    text = 'alter role {login} set search_path to "\\$user", public, extensions'
    connection.execute(sql.SQL(text).format(login=sql.Identifier(login)))
    # from 16 on the right to make roles no longer lets one give away roles one is no administrator of
    admin = "with admin option" if connection.info.server_version >= 160000 else ""
    subscription = ", pg_create_subscription" if connection.info.server_version >= 160000 else ""
    for text in (
        f"grant {API_ROLES} to authenticator",
        f"grant {API_ROLES} to {{login}} {admin}",
        f"grant authenticator to {{login}} {admin}",
        f"grant pg_monitor, pg_read_all_data, pg_signal_backend{subscription} to {{login}}",
        "grant authenticator to supabase_storage_admin",
        "grant pg_read_all_data to supabase_read_only_user",
    ):
        connection.execute(sql.SQL(text).format(login=sql.Identifier(login)))


def _database(connection: psycopg.Connection[Any], login: str) -> None:
    name = sql.Identifier(connection.info.dbname)
    for text in (
        "alter database {name} owner to {login}",
        "grant all on database {name} to {login}, dashboard_user",
        "grant create on database {name} to supabase_auth_admin",
        # real projects have it in postgresql.conf; here it must not reach the other databases of the cluster
        "alter database {name} set statement_timeout = '2min'",
    ):
        connection.execute(sql.SQL(text).format(name=name, login=sql.Identifier(login)))


def _auth(connection: psycopg.Connection[Any], login: str) -> None:
    for kind in ("tables", "sequences", "routines"):
        _run(
            connection,
            f"alter default privileges for role supabase_auth_admin in schema auth grant all on {kind}"
            " to {login}, dashboard_user",
            login,
        )
    connection.execute("set local role supabase_auth_admin")
    connection.execute("set local search_path = auth")
    connection.execute(TABLES.encode())
    for table in PROTECTED:
        _run(connection, f"alter table {table} enable row level security", login)
        if table == "schema_migrations":
            _run(connection, "revoke all on schema_migrations from {login}, dashboard_user", login)
        # SELECT can be passed on, the other rights cannot
        _run(connection, f"grant select on {table} to {{login}} with grant option", login)
    connection.execute("set local search_path = default")
    connection.execute("set local role none")


def _defaults(connection: psycopg.Connection[Any], login: str, exposes_public: bool) -> None:
    receivers = "{login}, {api}" if exposes_public else "{login}"
    for owner in ("{login}", "supabase_admin"):
        for kind in ("tables", "functions", "sequences"):
            text = f"alter default privileges for role {owner} in schema public grant all on {kind} to {receivers}"
            _run(connection, text, login)
