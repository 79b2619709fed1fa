"""What a database is made of, as text: two snapshots are equal when nobody altered, dropped, granted or added anything."""

from __future__ import annotations

import re
from typing import Any

import psycopg

from synkro.database import rls_audit

#: dbt makes what stands in these; whose they are and who enters them is the migrations'
OF_DBT = ("staging", "intermediate", "marts")

_SCHEMAS = "n.nspname <> all (%(foreign)s) and n.nspname !~ '^pg_'"
_OURS = f"{_SCHEMAS} and n.nspname <> all (%(dbt)s)"


def _acl(column: str) -> str:
    """A list of grants without the order they were made in."""
    return (
        "(select string_agg(coalesce(nullif(a.grantee, 0)::regrole::text, 'public') || '=' || a.privilege_type || a.is_grantable, ' ')"
        f" from (select * from aclexplode({column}) order by coalesce(nullif(grantee, 0)::regrole::text, ''), privilege_type) as a)"
    )


#: kind of thing → its name and everything that is said of it
_PARTS = {
    "schema": f"select n.nspname, concat_ws(' ', n.nspowner::regrole, {_acl('n.nspacl')}) from pg_namespace n where {_SCHEMAS}",
    "relation": f"select c.oid::regclass, concat_ws(' ', c.relkind, c.relpersistence, c.relowner::regrole, c.relrowsecurity,"
    f" c.relforcerowsecurity, c.reloptions, {_acl('c.relacl')}) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
    f" where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and {_OURS}",
    "column": f"select c.oid::regclass || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull,"
    f" a.attidentity, a.attgenerated, a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid), {_acl('a.attacl')})"
    " from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
    " left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum"
    f" where c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped and {_OURS}",
    "constraint": "select k.conrelid::regclass || '.' || k.conname, concat_ws(' ', pg_get_constraintdef(k.oid), k.convalidated)"
    f" from pg_constraint k join pg_namespace n on n.oid = k.connamespace where k.conrelid <> 0 and {_OURS}",
    "index": "select x.indexrelid::regclass, concat_ws(' ', pg_get_indexdef(x.indexrelid), x.indisvalid) from pg_index x"
    f" join pg_class c on c.oid = x.indexrelid join pg_namespace n on n.oid = c.relnamespace where {_OURS}",
    "policy": "select p.polrelid::regclass || '.' || p.polname, concat_ws(' ', p.polcmd, p.polpermissive, p.polroles::regrole[],"
    " pg_get_expr(p.polqual, p.polrelid), '/', pg_get_expr(p.polwithcheck, p.polrelid))"
    f" from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace where {_OURS}",
    "function": f"select p.oid::regprocedure, concat_ws(' ', p.proowner::regrole, pg_get_functiondef(p.oid), {_acl('p.proacl')})"
    f" from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.prokind <> 'a' and {_OURS}"
    " and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')",
    "trigger": "select t.tgrelid::regclass || '.' || t.tgname, concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)"
    " from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace"
    f" where not t.tgisinternal and {_OURS}",
    "view": "select c.oid::regclass, pg_get_viewdef(c.oid) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
    f" where c.relkind in ('v', 'm') and {_OURS}",
    "sequence": "select s.seqrelid::regclass, concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin,"
    " s.seqcycle) from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace"
    f" where {_OURS}",
    "type": "select t.oid::regtype, concat_ws(' ', t.typtype, t.typbasetype::regtype,"
    " array(select e.enumlabel from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder))"
    " from pg_type t join pg_namespace n on n.oid = t.typnamespace"
    f" where t.typtype in ('e', 'd', 'r') and {_OURS}",
    "default grants": f"select concat_ws(' ', d.defaclrole::regrole, n.nspname, d.defaclobjtype), {_acl('d.defaclacl')}"
    f" from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace where n.oid is null or {_SCHEMAS}",
    "extension": "select extname, extversion from pg_extension where extname <> 'plpgsql_check'",
    "event trigger": "select evtname, evtevent from pg_event_trigger",
    "publication": "select pubname, puballtables from pg_publication",
}


def snapshot(url: str) -> dict[str, str]:
    """``"column synkro.reports.status"`` → everything the catalogue says of it, over every schema that is ours."""
    with psycopg.connect(url) as connection:
        return snapshot_in(connection)


def snapshot_in(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """The same, of what this transaction sees."""
    found = {}
    # the catalogue prints names whole when their schema is in no search path
    connection.execute("set local search_path = pg_catalog")
    for kind, query in _PARTS.items():
        parameters = {"foreign": [*rls_audit.FOREIGN, "public"], "dbt": list(OF_DBT)}
        for name, said in connection.execute(query.encode(), parameters):
            found[f"{kind} {name}"] = str(said)
    strangers = (
        "select c.oid::regclass::text from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind <> 'i'"
        " and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')"
    )
    for (name,) in connection.execute(strangers):
        found[f"relation {name}"] = "in public"
    return found


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """A sentence for each thing that is not as it was."""
    gone = [f"gone: {name}" for name in sorted(before.keys() - after.keys())]
    new = [f"new: {name}" for name in sorted(after.keys() - before.keys())]
    other = [
        f"changed: {name}: {before[name]} → {after[name]}"
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    ]
    return gone + new + other


def without_api_views(found: dict[str, str]) -> dict[str, str]:
    """Without what ``synkro.refresh_api()`` makes over the marts."""
    made = re.compile(r"(relation|column|view) api\.(?!reports\b|job_runs\b)")
    return {name: said for name, said in found.items() if not made.match(name)}
