"""A sweep over the whole catalogue: is every table closed to the wrong tenant?

Reads ``pg_catalog``, not a list of names, so that a table nobody thought of is looked at too. Used by
``synkro doctor`` and by the tests, also after a full rebuild of the marts, which silently drops row level security
from what it replaces. Run as the owner: other roles do not see every catalogue row.
"""

from __future__ import annotations

from typing import Any

import psycopg

from synkro.database import analysts, connections

#: schemas of Postgres, of Dagster, of the migration tools and of Supabase hold no tenant's rows
FOREIGN = (
    "pg_catalog", "information_schema", "supabase_migrations", "dagster", "extensions", "graphql", "graphql_public",
    "realtime", "storage", "vault", "net", "cron", "pgbouncer", "supabase_functions",
)  # fmt: skip
#: … and whatever a role of Supabase's owns: ``auth`` of a hosted project is its, of the embedded server ours. What an extension
#: brings is its own wherever it lies
OURS = """n.nspname not like 'pg\\_%%' and n.nspname <> all (%(foreign)s)
  and pg_get_userbyid(n.nspowner) not like 'supabase\\_%%' and pg_get_userbyid(n.nspowner) <> 'pgbouncer'"""
_NO_EXTENSION = "not exists (select from pg_depend d where d.objid = {oid} and d.deptype = 'e')"
#: people come in as these; service_role is the workers' and sees every tenant by design
PEOPLE = ("public", "anon", "authenticated", "synkro_app", "synkro_analyst")
#: functions people may execute with their owner's rights: they answer «which tenants are mine», or hash a client's id with the salt
DEFINERS = {
    "synkro.is_super_admin()",
    "synkro.my_tenants()",
    "synkro.my_admin_tenants()",
    "synkro.client_key(of_tenant uuid, client_id text)",
}
#: rows of the whole installation: a global role or a global action has no tenant
TENANTLESS = {"synkro.user_roles", "synkro.audit_log"}
#: keys that identify a row by itself and are never looked up by tenant
OWN_KEYS = {"synkro.user_roles", "synkro.audit_log"}

_TABLES = f"""
select n.nspname || '.' || c.relname as name, c.relkind::text as kind, c.relrowsecurity as rls, c.relforcerowsecurity as forced,
       coalesce(array_to_string(c.reloptions, ','), '') as options, c.oid, pg_get_userbyid(c.relowner) as owner
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and {OURS} and {_NO_EXTENSION.format(oid="c.oid")}
order by 1
"""

#: what we ourselves have granted in schemas of others: to our own logins by anybody, to people by us
_FOREIGN_GRANTS = f"""
select n.nspname || '.' || c.relname as name, a.privilege_type as verb, coalesce(r.rolname, 'public') as role
from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join lateral
     (select c.relacl as acl union all
      select attacl from pg_attribute where attrelid = c.oid and attacl is not null) s cross join lateral
     aclexplode(s.acl) a left join pg_roles r on r.oid = a.grantee
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not ({OURS})
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
  and {_NO_EXTENSION.format(oid="c.oid")}
  and (r.rolname in ('synkro_app', 'synkro_analyst') or r.rolname like 'analyst\\_%%'
       or (pg_get_userbyid(a.grantor) = current_user and pg_get_userbyid(c.relowner) <> current_user
           and coalesce(r.rolname, 'public') = any (%(people)s)))
order by 1, 2, 3
"""

_GRANTS = """
select distinct a.privilege_type as verb, coalesce(r.rolname, 'public') as role
from (select relacl as acl from pg_class where oid = %(oid)s
      union all select attacl from pg_attribute where attrelid = %(oid)s and attacl is not null) s,
     lateral aclexplode(s.acl) a left join pg_roles r on r.oid = a.grantee
where coalesce(r.rolname, 'public') = any (%(people)s)
"""

_POLICIES = """
select polcmd::text as command, pg_get_expr(polqual, polrelid) as using_, pg_get_expr(polwithcheck, polrelid) as check_,
       array(select rolname::text from pg_roles where oid = any (polroles)) as roles
from pg_policy where polrelid = %(oid)s and polpermissive
"""

#: functions of Postgres that let one login stop or fill the whole server; PUBLIC has them until a migration takes them
SERVER_FUNCTIONS = r"^(pg_(try_)?advisory_.*|lo_.*|loread|lowrite|pg_logical_emit_message)$"

#: who of those that write their own SQL, or hold only a key, may execute them; ``curable``: this login may take them away
_SERVER_FUNCTIONS = """
select r.name as role, array_agg(distinct p.proname::text order by p.proname::text) as functions,
       bool_and(pg_has_role(current_user, p.proowner, 'usage')) as curable
from pg_proc p cross join (select 'public' as name union all select rolname from pg_roles
     where rolname in ('anon', 'authenticated', 'synkro_analyst') or starts_with(rolname, 'analyst_')) r
where p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ %(functions)s
  and exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
              where a.privilege_type = 'EXECUTE'
                and a.grantee = coalesce((select oid from pg_roles where rolname = r.name), 0))
group by 1 order by 1
"""

_NAMES = {"foreign": list(FOREIGN), "people": list(PEOPLE)}
_VERBS = {"SELECT": "r", "INSERT": "a", "UPDATE": "w", "DELETE": "d"}


def findings(url: str) -> list[str]:
    """What is wrong, a sentence each; empty when every table is closed."""
    with connections.connect(url, "question", row_factory=psycopg.rows.dict_row) as connection:
        found: list[str] = []
        for table in connection.execute(_TABLES, _NAMES).fetchall():
            found += _relation(connection, table)
        found += [
            f"{row['name']}: not ours, yet {row['role']} may {row['verb']} it by our grant"
            for row in connection.execute(_FOREIGN_GRANTS, _NAMES)
        ]
        return [
            *found,
            *_keys(connection),
            *_functions(connection),
            *_server(connection),
            *_roles(connection),
            *_analysts(connection),
            *_exposed(connection),
        ]


def _relation(connection: psycopg.Connection[Any], table: dict[str, Any]) -> list[str]:
    name, kind = table["name"], table["kind"]
    parameters = {"oid": table["oid"], "people": list(PEOPLE)}
    grants = connection.execute(_GRANTS, parameters).fetchall()
    found = []
    if kind in ("m", "f") and grants:
        return [f"{name}: a materialised view or foreign table cannot hold policies, yet people may read it"]
    if kind == "v":
        if grants and "security_invoker=true" not in table["options"]:
            found.append(f"{name}: a view without security_invoker shows its owner's rows")
        # no policy stands on a view, and the Data API answers anon to whoever holds the publishable key
        return found + [f"{name}: {g['role']} may {g['verb']}" for g in grants if g["role"] in ("anon", "public")]
    if kind not in ("r", "p"):
        return found
    # dlt's landing tables come and go with a run; what matters is that nobody may read them
    is_landing = "_stg_" in name.split(".")[0]
    if not is_landing and not (table["rls"] and table["forced"]):
        found.append(f"{name}: row level security is not enabled and forced")
    if grants and not table["rls"]:
        found.append(f"{name}: granted to {grants[0]['role']} without row level security")
    policies = connection.execute(_POLICIES, parameters).fetchall()
    for grant in grants:
        verb, role = grant["verb"], grant["role"]
        if verb not in _VERBS:
            found.append(f"{name}: {role} may {verb}, which no policy can restrict")
        elif not any(p["command"] in ("*", _VERBS[verb]) and (not p["roles"] or role in p["roles"]) for p in policies):
            found.append(f"{name}: {role} may {verb} and no policy says which rows")
    for policy in policies:
        if "true" in (policy["using_"], policy["check_"]):
            found.append(f"{name}: a policy lets every row through")
    return found


def _keys(connection: psycopg.Connection[Any]) -> list[str]:
    """Tables of tenants: ``tenant_id`` is there, never null, and leads every unique key."""
    rows = connection.execute(
        f"""
        select n.nspname || '.' || c.relname as name, a.attnotnull as is_set,
               array(select i.relname::text from pg_index x join pg_class i on i.oid = x.indexrelid
                     where x.indrelid = c.oid and x.indisunique and x.indkey[0] <> a.attnum) as wrong
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
        where c.relkind in ('r', 'p') and {OURS} and n.nspname not like '%%\\_stg\\_%%'
        order by 1
        """,
        _NAMES,
    ).fetchall()
    found = []
    for row in rows:
        if not row["is_set"] and row["name"] not in TENANTLESS:
            found.append(f"{row['name']}: tenant_id may be null")
        if row["wrong"] and row["name"] not in OWN_KEYS and row["name"] != "synkro.tenants":
            found.append(f"{row['name']}: unique without tenant_id first: {', '.join(row['wrong'])}")
    return found


def _functions(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute(
        f"""
        select n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' as name,
               coalesce(array_to_string(p.proconfig, ','), '') as config
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where p.prosecdef and {OURS} and {_NO_EXTENSION.format(oid="p.oid")}
          and exists (select from unnest(%(people)s::text[]) r where r <> 'public' and r in (select rolname from pg_roles)
                      and has_function_privilege(r, p.oid, 'execute'))
        """,
        _NAMES,
    ).fetchall()
    found = [
        f"{row['name']}: people may execute it with its owner's rights" for row in rows if row["name"] not in DEFINERS
    ]
    return found + [
        f"{row['name']}: runs with its owner's rights and an open search_path"
        for row in rows
        if "search_path=" not in row["config"]
    ]


def _server(connection: psycopg.Connection[Any]) -> list[str]:
    """What the server lends to everybody: advisory locks, large objects, temporary tables.

    Functions this login may not take away count as soon as there is an analyst who could use them.
    """
    cure = "run «select private.close_server_functions()» as a superuser"
    watched = "only a superuser may take it away; sessions of analysts that hold such a lock are ended meanwhile"
    found = []
    for row in connection.execute(_SERVER_FUNCTIONS, {"functions": SERVER_FUNCTIONS}).fetchall():
        if row["curable"] or _has_analysts(connection):
            first, count = row["functions"][0], len(row["functions"])
            what = first if count == 1 else f"{first} and {count - 1} more functions of the server"
            found.append(f"{row['role']} may execute {what}: {cure if row['curable'] else watched}")
    roles = connection.execute(
        "select coalesce(r.rolname, 'public') as role from pg_database d"
        " cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a"
        " left join pg_roles r on r.oid = a.grantee"
        " where d.datname = current_database() and a.privilege_type = 'TEMPORARY'"
        " and (a.grantee = 0 or r.rolname in ('anon', 'authenticated', 'synkro_analyst') or starts_with(r.rolname, 'analyst_'))"
        " order by 1"
    ).fetchall()
    return found + [f"{row['role']} may make temporary tables: {cure}" for row in roles]


def _has_analysts(connection: psycopg.Connection[Any]) -> bool:
    rows = connection.execute("select from pg_roles where starts_with(rolname, 'analyst_') limit 1").fetchall()
    return bool(rows)


def _analysts(connection: psycopg.Connection[Any]) -> list[str]:
    """Logins of analysts: few connections, the limits a session begins with, and no right beyond reading."""
    rows = connection.execute(
        "select rolname, rolconnlimit, coalesce(rolconfig, '{}') as config,"
        " rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as is_strong"
        " from pg_roles where starts_with(rolname, 'analyst_') order by 1"
    ).fetchall()
    cure = "make it anew: synkro analyst remove, synkro analyst add"
    found = []
    for row in rows:
        set_ = dict(item.split("=", 1) for item in row["config"])
        if not 0 <= row["rolconnlimit"] <= analysts.CONNECTIONS:
            found.append(f"role {row['rolname']}: more than {analysts.CONNECTIONS} connections at once; {cure}")
        if missing := [
            name for name in ("statement_timeout", *analysts.DEFAULTS) if set_.get(name, "0") in ("0", "0s", "0ms")
        ]:
            found.append(f"role {row['rolname']}: no {', '.join(missing)}; {cure}")
        if row["is_strong"]:
            found.append(f"role {row['rolname']}: an analyst only reads; {cure}")
    return found


def _roles(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute(
        "select rolname, rolsuper, rolbypassrls, exists (select from pg_class where relowner = r.oid) as owns"
        " from pg_roles r where rolname = any (%s)",
        (list(PEOPLE),),
    ).fetchall()
    misnamed = connection.execute(
        "select m.rolname from pg_auth_members a join pg_roles m on m.oid = a.member join pg_roles g on g.oid = a.roleid"
        # whoever made the role may hold it to pass it on
        " where g.rolname = 'synkro_analyst' and not a.admin_option and not starts_with(m.rolname, 'analyst_')"
    ).fetchall()
    return [
        f"role {row['rolname']}: must not be superuser, bypass row level security or own tables"
        for row in rows
        if row["rolsuper"] or row["rolbypassrls"] or row["owns"]
    ] + [
        f"role {row['rolname']}: an analyst whose name does not begin with analyst_ may claim to be anyone"
        for row in misnamed
    ]


def _exposed(connection: psycopg.Connection[Any]) -> list[str]:
    """Supabase shows ``public`` and, by pg_graphql, ``graphql_public`` unless told otherwise: nothing of ours lives there,
    and whoever is not signed in enters no schema of ours."""
    ours = connection.execute(
        """
        select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'graphql_public') and c.relkind in ('r', 'p', 'v', 'm', 'f')
          and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
          -- a company's own tables may stand there; ours, dlt's and Dagster's may not
          and (c.relname like '\\_dlt%' or c.relname = 'alembic_version'
               or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
        order by 1
        """
    ).fetchall()
    entered = connection.execute(
        """
        select n.nspname as name from pg_namespace n join pg_roles r on r.rolname = 'anon'
        where (n.nspname in ('synkro', 'private', 'api', 'staging', 'intermediate', 'marts', 'dagster') or n.nspname like 'raw\\_%')
          and has_schema_privilege(r.oid, n.oid, 'usage')
        order by 1
        """
    ).fetchall()
    return [f"{row['name']}: stands in a schema that Supabase shows" for row in ours] + [
        f"{row['name']}: anon may enter the schema" for row in entered
    ]
