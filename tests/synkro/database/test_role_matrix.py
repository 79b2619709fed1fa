"""Who may do what to every relation, and which layer refuses: the grant, or the row's policy.

The table below is the whole expectation. It is held against the catalogue: a relation that is not in it fails. Every pair of
a role and a verb is tried for real on a row of a company, since a grant that is too wide hides behind a policy and a policy
that is too wide behind a missing grant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import psycopg
import pytest

from synkro.accounts import embedded
from synkro.database import analysts, db, rls_audit
from synkro.tenancy import users
from tests.conftest import entry_points_to
from tests.support import twins
from tests.support.twins import END, OURS, REPORT, RUN, THEIRS

#: refused before a row is looked at, refused for the row, done
Outcome = Literal["grant", "policy", "done"]
VERBS = ("select", "insert", "update", "delete")

#: ``-``: no person holds the grant. Otherwise everyone signed in holds it, and the policy lets these through:
#: members (and the operator), admins (and the operator), the operator alone, or whose row it is.
#: ``service``: the verbs of service_role; ``analyst``: whether a login that was given the company reads it.
#:                              select        insert    update    delete   service  analyst
TABLE = """
synkro.ai_calls                 admins        -         -         -        siud     -
synkro.ai_spend                 admins        -         -         -        siud     -
synkro.analyst_grants           admins        -         -         -        siud     -
synkro.audit_chain              -             -         -         -        s        -
synkro.audit_heads              -             -         -         -        s        -
synkro.audit_log                admins        members   -         -        si       -
synkro.backfills                members       -         -         -        siud     -
synkro.dialog_readings          members       -         -         -        siud     -
synkro.integration_configs      members       admins    admins    -        siud     -
synkro.job_run_events           members       -         -         -        siud     -
synkro.job_runs                 members       members   members   -        siud     -
synkro.mart_watermarks          members       -         -         -        siud     s
synkro.outbox                   members       -         -         -        siud     -
synkro.reconciliations          members       -         -         -        siud     -
synkro.reply_labels             members       members   members   -        siud     -
synkro.report_messages          members       members   -         -        siud     -
synkro.report_windows           members       -         -         -        siud     -
synkro.reports                  members       -         -         -        siud     -
synkro.stream_loads             members       -         -         -        siud     -
synkro.telegram_updates         -             -         -         -        siud     -
synkro.tenant_runtime_configs   members       admins    admins    -        siud     -
synkro.topic_lists              members       admins    -         -        siud     -
synkro.tenants                  members       operator  operator  -        siud     -
synkro.user_profiles            self+admins   -         self      -        siud     -
synkro.user_roles               self+admins   admins    admins    -        siud     -
synkro.watermarks               members       -         -         -        siud     -
synkro.working_intervals        members       -         -         -        siud     -
private.account_links           -             -         -         -        siud     -
private.api_columns             -             -         -         -        -        -
private.decided_dialogs         -             -         -         -        siud     -
private.integration_secrets     -             -         -         -        siud     -
private.invitations             -             -         -         -        siud     -
private.mart_builds             -             -         -         -        sd       -
private.message_acts            -             -         -         -        siud     -
private.message_intents         -             -         -         -        siud     -
private.pseudonym_salt          -             -         -         -        -        -
private.raw_changes             -             -         -         -        sd       -
private.reconciled_dialogs      -             -         -         -        siud     -
private.recovery_codes          -             -         -         -        siud     -
private.second_factors          -             -         -         -        siud     -
private.services                -             -         -         -        siud     -
private.sign_in_counters        -             -         -         -        siud     -
private.sign_in_failures        -             -         -         -        siud     -
private.telegram_codes          -             -         -         -        siud     -
private.vendor_limits           -             -         -         -        siud     -
private.vendor_stops            -             -         -         -        siud     -
private.web_sessions            -             -         -         -        siud     -
private.whatsapp_chats          -             -         -         -        siud     -
private.whatsapp_messages       -             -         -         -        siud     -
auth.users                      -             -         -         -        siud     -
raw_amocrm.*                    -             -         -         -        sd       -
raw_amocrm._dlt_loads           -             -         -         -        -        -
raw_amocrm._dlt_version         -             -         -         -        -        -
raw_radist.*                    -             -         -         -        sd       -
raw_radist._dlt_loads           -             -         -         -        -        -
raw_radist._dlt_version         -             -         -         -        -        -
raw_whatsapp.*                  -             -         -         -        sd       -
raw_whatsapp._dlt_loads         -             -         -         -        -        -
raw_whatsapp._dlt_version       -             -         -         -        -        -
staging.*                       -             -         -         -        s        -
intermediate.*                  -             -         -         -        s        -
marts.*                         members       -         -         -        s        s
api.*                           members       -         -         -        s        s
api.reports                     members       -         -         -        s        -
api.job_runs                    members       -         -         -        s        -
"""


@dataclass(frozen=True)
class Rule:
    #: verb → whom the policy lets through; ``-``: nobody holds the grant
    people: dict[str, str]
    service: str
    analyst: str


RULES = {
    name: Rule(dict(zip(VERBS, verbs, strict=True)), service, analyst)
    for name, *verbs, service, analyst in (line.split() for line in TABLE.strip().splitlines())
}

#: signed in, all of them: what they are in the company whose row is tried
PEOPLE = ("operator", "admin", "member", "neighbour", "revoked", "banned")
LET_THROUGH = {
    "members": {"operator", "admin", "member"},
    "admins": {"operator", "admin"},
    "operator": {"operator"},
    # the row tried is the member's
    "self": {"member"},
    "self+admins": {"member", "operator", "admin"},
}
OTHERS = ("anon", "app", "analyst", "analyst of another", "service")
ANALYST = "matrix_twins"


def rule_of(relation: str) -> Rule | None:
    return RULES.get(relation) or RULES.get(f"{relation.partition('.')[0]}.*")


def expected(rule: Rule, actor: str, verb: str) -> Outcome:
    if actor == "service":
        return "done" if verb[0] in rule.service else "grant"
    if actor in ("anon", "app"):
        return "grant"
    if actor.startswith("analyst"):
        if verb != "select" or rule.analyst == "-":
            return "grant"
        return "done" if actor == "analyst" else "policy"
    wanted = rule.people[verb]
    if wanted == "-":
        return "grant"
    return "done" if actor in LET_THROUGH[wanted] else "policy"


# --- the ground -------------------------------------------------------------------------------------------


@dataclass
class Ground:
    url: str
    people: dict[str, UUID]
    logins: dict[str, str]
    relations: dict[str, list[str]]


@pytest.fixture(scope="module")
def ground(make_database: Callable[[str | None], str], template: str) -> Iterator[Ground]:
    with entry_points_to(make_database(template)) as url:
        twins.fill(url)
        with db.as_service("test") as connection:
            people = {
                name: embedded.add(connection, f"{name}@x.example", "пароль для проверки").user_id
                for name in (*PEOPLE, "newcomer")
            }
            users.grant(connection, people["operator"], None, "super_admin")
            for name in ("admin", "revoked", "banned"):
                users.grant(connection, people[name], OURS, "admin_lite")
            users.grant(connection, people["member"], OURS, "user")
            users.grant(connection, people["neighbour"], THEIRS, "admin_lite")
            users.revoke(connection, people["revoked"], OURS)
            connection.execute(
                "update auth.users set banned_until = now() + interval '1 day' where id = %s", (people["banned"],)
            )
        with psycopg.connect(url, autocommit=True) as owner:
            logins = {}
            for name, tenant_id in ((ANALYST, OURS), (f"{ANALYST}_2", THEIRS)):
                password = analysts.add(owner, name, [tenant_id], 60)
                logins[name] = analysts.connection_string(url, name, password)
            try:
                yield Ground(url, people, logins, relations(owner))
            finally:
                # a role belongs to the server, not to this module's database
                for name in logins:
                    analysts.remove(owner, name)


def relations(owner: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Every relation of ours with its columns that a statement may write."""
    rows = owner.execute(
        "select n.nspname || '.' || c.relname, array_agg(a.attname::text order by a.attnum)"
        " filter (where a.attidentity = '' and a.attgenerated = '')"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname <> all (%s) and n.nspname not like 'pg\\_%%'"
        " group by 1 order by 1",
        (list(rls_audit.FOREIGN),),
    )
    return dict(rows.fetchall())


@contextmanager
def door(ground: Ground, actor: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction as this actor, in which each try is a savepoint."""
    if actor in (*PEOPLE, "service"):
        with db.as_service("matrix") if actor == "service" else db.as_user(ground.people[actor]) as connection:
            yield connection
        return
    urls = {"anon": ground.url, "app": db.app_url(), "analyst": ground.logins[ANALYST]}
    with psycopg.connect(urls.get(actor) or ground.logins[f"{ANALYST}_2"]) as connection:
        if "analyst" in actor:
            # a session of theirs may only read: what the login holds is tried, not its default
            connection.execute("set transaction read write")
        if actor == "anon":
            connection.execute("set local role anon")
        yield connection


#: what a person may insert, as the app would
INSERTS = {
    "synkro.tenants": "(name, slug, timezone) values ('М', 'matrix', 'UTC')",
    "synkro.user_roles": "(user_id, tenant_id, role, created_by) values (%(newcomer)s, %(ours)s, 'user', %(me)s)",
    "synkro.integration_configs": "(tenant_id, kind, public_config) values (%(ours)s, 'radist', '{}')",
    "synkro.tenant_runtime_configs": "(tenant_id, version, is_current, timezone, created_by) values (%(ours)s, 9, false, 'UTC', %(me)s)",
    "synkro.job_runs": "(tenant_id, mode, trigger_type, report_type, window_start, window_end, requested_by)"
    " values (%(ours)s, 'radist_only', 'manual', 'forced', %(end)s, %(end)s + interval '1 h', %(me)s)",
    "synkro.report_messages": "(tenant_id, report_id, question, author_id, author_name, channel)"
    " values (%(ours)s, %(report)s, '?', %(me)s, 'М', 'web')",
    "synkro.reply_labels": "(tenant_id, dialog_id, message_id, needs_reply, was_needs_reply, author_id)"
    " values (%(ours)s, '101', 'another', true, false, %(me)s)",
    "synkro.topic_lists": "(tenant_id, version, pack, created_by) values (%(ours)s, 9, 'core', %(me)s)",
    "synkro.audit_log": "(tenant_id, actor_id, actor, action) values (%(ours)s, %(me)s, 'м', 'matrix')",
}  # fmt: skip
#: a change the policy's check lets through, where a value set to itself is none
SETS = {
    "synkro.reply_labels": "needs_reply = false, author_id = %(me)s",
    "synkro.job_runs": "status = 'cancelling', cancel_requested_at = now()",
}


def statement(
    ground: Ground, connection: psycopg.Connection[Any], actor: str, relation: str, verb: str
) -> tuple[str, dict[str, Any]]:
    columns = ground.relations[relation]
    values = {
        "ours": OURS, "me": ground.people.get(actor), "newcomer": ground.people["newcomer"], "member": ground.people["member"],
        "end": END, "report": REPORT, "run": RUN,
    }  # fmt: skip
    where = "tenant_id = %(ours)s" if "tenant_id" in columns else "true"
    if relation in ("synkro.user_roles", "synkro.user_profiles"):
        where = "user_id = %(member)s"
    elif relation == "synkro.job_runs":
        where += " and run_id = %(run)s"
    if verb == "select":
        return f"select 1 from {relation} where {where}", values
    if verb == "delete":
        return f"delete from {relation} where {where}", values
    if verb == "insert":
        return f"insert into {relation} {INSERTS.get(relation, 'default values')}", values
    held = connection.execute(
        "select coalesce(array_agg(column_name::text), '{}') as held from information_schema.column_privileges"
        " where table_schema = %s and table_name = %s and privilege_type = 'UPDATE' and grantee = current_user",
        relation.split("."),
    ).fetchone()
    assert held is not None
    granted = [name for name in columns if name in (held["held"] if isinstance(held, dict) else held[0])]
    column = (granted or columns)[0]
    return f"update {relation} set {SETS.get(relation, f'{column} = {column}')} where {where}", values


def tried(ground: Ground, connection: psycopg.Connection[Any], actor: str, relation: str, verb: str) -> Outcome:
    text, values = statement(ground, connection, actor, relation, verb)
    try:
        with connection.transaction(force_rollback=True):
            done = connection.execute(text.encode(), values).rowcount
    except psycopg.errors.InsufficientPrivilege as error:
        return "policy" if "row-level security" in str(error) else "grant"
    except psycopg.errors.ObjectNotInPrerequisiteState:
        # a view that no statement can write through
        return "grant"
    except psycopg.errors.IntegrityError:
        # allowed, and then no good row
        return "done"
    if actor == "service":
        return "done"
    return "done" if done else "policy"


# --- the tests --------------------------------------------------------------------------------------------


def test_every_relation_has_its_line(ground: Ground) -> None:
    assert [name for name in ground.relations if rule_of(name) is None] == []
    gone = [name for name in RULES if not name.endswith(".*") and name not in ground.relations]
    empty = [name for name in RULES if not any(relation.startswith(name.rstrip("*")) for relation in ground.relations)]
    assert (gone, empty) == ([], [])


@pytest.mark.parametrize("actor", [*PEOPLE, *OTHERS])
def test_who_is_refused_by_which_layer(ground: Ground, actor: str) -> None:
    wrong = {}
    with door(ground, actor) as connection:
        for relation in ground.relations:
            rule = rule_of(relation)
            assert rule is not None
            for verb in VERBS:
                found, wanted = tried(ground, connection, actor, relation, verb), expected(rule, actor, verb)
                if found != wanted:
                    wrong[f"{verb} {relation}"] = f"{found}, not {wanted}"
    assert not wrong, "\n".join(f"{what}: {said}" for what, said in wrong.items())


#: what one who is no administrator any more might do to be one again; the right each statement needs is there
ANEW = {
    "wake the role": "update synkro.user_roles set is_active = true where user_id = %(me)s and tenant_id = %(ours)s",
    "raise the role": "update synkro.user_roles set role = 'admin_lite', is_active = true where user_id = %(me)s and tenant_id = %(ours)s",
    "a second role": "insert into synkro.user_roles (user_id, tenant_id, role) values (%(me)s, %(ours)s, 'admin_lite')"
    " on conflict (tenant_id, user_id) do update set role = excluded.role, is_active = true",
    "all companies": "insert into synkro.user_roles (user_id, tenant_id, role) values (%(me)s, null, 'super_admin')",
    "a role for another": "insert into synkro.user_roles (user_id, tenant_id, role) values (%(newcomer)s, %(ours)s, 'admin_lite')",
}  # fmt: skip


@pytest.mark.parametrize("actor", ["revoked", "banned", "member", "neighbour"])
@pytest.mark.parametrize("way", ANEW)
def test_nobody_makes_himself_an_administrator(ground: Ground, actor: str, way: str) -> None:
    """The policy refuses: an error for a row that would be, no row for one that is."""
    before = roles(ground)
    values = {"me": ground.people[actor], "ours": OURS, "newcomer": ground.people["newcomer"]}
    try:
        with db.as_user(ground.people[actor]) as connection:
            assert connection.execute(ANEW[way].encode(), values).rowcount == 0
    except psycopg.errors.InsufficientPrivilege as error:
        assert "row-level security" in str(error)
    assert roles(ground) == before


def roles(ground: Ground) -> list[tuple[Any, ...]]:
    with psycopg.connect(ground.url) as owner:
        return owner.execute(
            "select user_id, tenant_id, role, is_active from synkro.user_roles order by 1, 2"
        ).fetchall()
