"""The database of an installation on a hosted project, step by step: migrations, marts, who sees what, dlt's tables.

Sign-in and people stand in ``test_accounts.py``, the whole path of the runbook in ``test_runbook.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import dlt
import psycopg
import pytest
from psycopg.rows import dict_row

from orchestration.dbt.project import deploy
from sandbox.vendors.supabase.project import HostedProject
from synkro.core.errors import ConfigurationError
from synkro.core.settings import settings
from synkro.database import analysts, app_login, db, migrations, rls_audit
from synkro.tenancy import runtime_config, tenants, users
from tests.conftest import entry_points_to
from tests.supabase.conftest import SWITCHES, bin_dir
from tests.support.cluster import APP_PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


@dataclass
class Installed:
    project: HostedProject
    #: how the owner came: the direct connection or the pooler's session mode
    url: str
    #: what auth looked like before us
    auth_before: list[tuple[object, ...]]


#: everything of schema auth that somebody could change: tables, rights, policies, triggers, owners
AUTH = """
select c.relname, pg_get_userbyid(c.relowner), c.relacl::text, c.relrowsecurity, c.relforcerowsecurity,
       (select count(*) from pg_policy where polrelid = c.oid),
       (select count(*) from pg_trigger where tgrelid = c.oid and not tgisinternal),
       (select string_agg(attname, ',' order by attnum) from pg_attribute where attrelid = c.oid and attnum > 0)
from pg_class c where c.relnamespace = 'auth'::regnamespace and c.relkind in ('r', 'S')
union all
select p.proname, pg_get_userbyid(p.proowner), p.proacl::text, null, null, null, null, p.prosrc
from pg_proc p where p.pronamespace = 'auth'::regnamespace
union all
select 'schema', pg_get_userbyid(nspowner), nspacl::text, null, null, null, null, null
from pg_namespace where nspname = 'auth'
order by 1
"""


def rows(url: str, query: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode(), values).fetchall()


@pytest.fixture(scope="module", params=["direct", "session"])
def installed(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Iterator[Installed]:
    """What ``synkro db migrate`` does, through either of the addresses it may be given; the app goes by transaction mode."""
    with HostedProject(bin_dir=bin_dir(pytestconfig), switches=SWITCHES) as project:
        url = project.direct_url if request.param == "direct" else project.session_url
        before = rows(project.superuser_url, AUTH)
        with entry_points_to(url, **project.environment(url)):
            migrations.migrate(url)
            os.environ["SYNKRO_APP_DATABASE_URL"] = project.pooled_url("transaction", db.APP_ROLE, APP_PASSWORD)
            settings.cache_clear()
            app_login.settle(url)
            deploy(url, settings().data_dir, lambda text: None)
            yield Installed(project, url, before)


# --- the migrations ---------------------------------------------------------------------------------------------------


def test_every_migration_is_applied_once(installed: Installed) -> None:
    assert migrations.pending(installed.url) == []
    assert migrations.migrate(installed.url) == []
    written = rows(installed.project.superuser_url, "select count(*) from supabase_migrations.schema_migrations")
    assert written == [(len(migrations.available()),)]


def test_the_apps_login_is_held_back_and_the_owners_is_not(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the pooler, where the owner is no superuser."""
    app_login.check()
    monkeypatch.setenv("SYNKRO_APP_DATABASE_URL", installed.url)
    settings.cache_clear()
    with pytest.raises(ConfigurationError, match=r"BYPASSRLS.*CREATEROLE.*владеет"):
        app_login.check()
    monkeypatch.undo()
    settings.cache_clear()


def test_shared_connections_are_refused_and_left_clean(installed: Installed) -> None:
    """Transaction mode is no way for the owner: nothing is locked, nothing is set for whoever comes next."""
    with pytest.raises(ConfigurationError, match="в режиме транзакций"):
        migrations.migrate(installed.project.transaction_url)
    locks = "select pid from pg_locks where locktype = 'advisory'"
    assert rows(installed.project.superuser_url, locks) == []
    assert rows(installed.project.transaction_url, "show statement_timeout") == [("2min",)]


def test_nothing_of_auth_was_changed(installed: Installed) -> None:
    assert rows(installed.project.superuser_url, AUTH) == installed.auth_before


def test_nothing_of_ours_lies_in_a_schema_of_the_platform(installed: Installed) -> None:
    found = rows(
        installed.project.superuser_url,
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where pg_get_userbyid(c.relowner) = 'postgres' and n.nspname = any (%s)",
        ["public", "extensions", "auth", "storage", "realtime", "vault", "graphql", "graphql_public"],
    )
    assert found == []


def test_everything_of_ours_belongs_to_the_projects_login(installed: Installed) -> None:
    owners = rows(
        installed.project.superuser_url,
        "select distinct pg_get_userbyid(c.relowner) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname in ('synkro', 'private', 'raw', 'marts', 'api')",
    )
    assert owners == [("postgres",)]


def test_a_first_installation_stays_within_the_pool(installed: Installed) -> None:
    came_by_the_pooler = installed.url == installed.project.session_url
    assert bool(installed.project.peak_connections("session")) == came_by_the_pooler
    assert installed.project.pooler.refused == 0


# --- who sees what ----------------------------------------------------------------------------------------------------


def test_every_table_is_closed_to_the_wrong_company(installed: Installed) -> None:
    """The platform's own tables raise no alarm; a right we gave on one of them does."""
    assert rls_audit.findings(installed.url) == []
    with psycopg.connect(installed.project.direct_url, autocommit=True) as owner:
        owner.execute("grant select on auth.users to authenticated")
        try:
            assert any("auth.users" in text for text in rls_audit.findings(installed.url))
        finally:
            owner.execute("revoke select on auth.users from authenticated")


def test_what_only_a_superuser_closes_is_named_and_watched(installed: Installed) -> None:
    """The project's login is none: an analyst may still take an advisory lock, is named, and holds it for one look."""
    with psycopg.connect(installed.project.direct_url, autocommit=True) as owner:
        password = analysts.add(owner, "hosted", [], 60)
        address = analysts.connection_string(installed.project.direct_url, "hosted", password)
        try:
            assert [text for text in rls_audit.findings(installed.url) if "only a superuser may take it away" in text]
            with closing(psycopg.connect(address, autocommit=True)) as session:
                session.execute("set default_transaction_read_only = off")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute("create temporary table mine (one int)")
                session.execute("select pg_advisory_lock(7)")
                assert owner.execute("select pg_try_advisory_lock(7)").fetchone() == (False,)
                with db.as_service("test") as connection:
                    assert analysts.end_overdue(connection) == ["analyst_hosted: advisory lock"]
                owner.execute("set lock_timeout = '10s'")
                owner.execute("select pg_advisory_lock(7)")
        finally:
            analysts.remove(owner, "hosted")
    assert rls_audit.findings(installed.url) == []


@pytest.fixture(scope="module")
def companies(installed: Installed) -> dict[str, tuple[UUID, UUID]]:
    """Two companies, each with a member of its own: slug → (company, member)."""
    made = {}
    for slug in ("first", "second"):
        email = f"{slug}-{uuid4().hex[:8]}@company.example"
        user_id = installed.project.create_user(email, "Пять разных слов и 1 число")
        with db.as_service("test") as connection:
            company = tenants.add(connection, slug.title(), slug, "Asia/Almaty")
            runtime_config.start(connection, company.tenant_id, "Asia/Almaty")
            connection.execute(
                "insert into synkro.user_profiles (user_id, email, full_name) values (%s, %s, %s)",
                (user_id, email, slug),
            )
            users.grant(connection, user_id, company.tenant_id, "user")
        made[slug] = (company.tenant_id, user_id)
    return made


def test_a_member_sees_their_own_company(installed: Installed, companies: dict[str, tuple[UUID, UUID]]) -> None:
    for tenant_id, user_id in companies.values():
        with db.as_user(user_id) as connection:
            found = connection.execute("select tenant_id from synkro.tenants").fetchall()
        assert [row["tenant_id"] for row in found] == [tenant_id]


def test_a_token_of_the_project_opens_the_same_rows(
    installed: Installed, companies: dict[str, tuple[UUID, UUID]]
) -> None:
    """What the Data API does: ``authenticator`` takes the role of the token and its claims."""
    tenant_id, user_id = companies["second"]
    url = db.with_login(installed.project.direct_url, "authenticator", installed.project.password)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("set local role authenticated")
        connection.execute("select set_config('request.jwt.claims', %s, true)", (f'{{"sub": "{user_id}"}}',))
        assert connection.execute("select tenant_id from synkro.tenants").fetchall() == [{"tenant_id": tenant_id}]
        found = connection.execute("select synkro.my_tenants() as mine, auth.uid() as me").fetchone()
        assert found == {"mine": tenant_id, "me": user_id}


def test_an_operator_is_none_for_the_data_api(installed: Installed, companies: dict[str, tuple[UUID, UUID]]) -> None:
    """It asks for no second step: what it shows an operator is what a role in a company shows."""
    tenant_id, user_id = companies["second"]
    with db.as_service("test") as connection:
        users.grant(connection, user_id, None, "super_admin")
    try:
        with db.as_user(user_id) as connection:
            by_the_app = connection.execute("select tenant_id from synkro.tenants").fetchall()
        url = db.with_login(installed.project.direct_url, "authenticator", installed.project.password)
        with psycopg.connect(url, row_factory=dict_row) as connection:
            connection.execute("set local role authenticated")
            connection.execute("select set_config('request.jwt.claims', %s, true)", (f'{{"sub": "{user_id}"}}',))
            by_the_api = connection.execute("select tenant_id from synkro.tenants").fetchall()
    finally:
        with db.as_service("test") as connection:
            users.revoke(connection, user_id, None)
    assert len(by_the_app) > 1 and by_the_api == [{"tenant_id": tenant_id}]


def test_nobody_sees_a_company(installed: Installed, companies: dict[str, tuple[UUID, UUID]]) -> None:
    with db.as_user(uuid4()) as connection:
        assert connection.execute("select count(*) as n from synkro.tenants").fetchone() == {"n": 0}
    url = db.with_login(installed.project.direct_url, "authenticator", installed.project.password)
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("set local role anon")
        connection.execute("select * from synkro.tenants")


def test_a_ban_in_the_dashboard_closes_the_rows(installed: Installed, companies: dict[str, tuple[UUID, UUID]]) -> None:
    _, user_id = companies["first"]

    def seen() -> object:
        with db.as_user(user_id) as connection:
            return connection.execute("select count(*) as n from synkro.tenants").fetchone()

    installed.project.ban(user_id)
    try:
        assert seen() == {"n": 0}
    finally:
        installed.project.ban(user_id, "none")
    assert seen() == {"n": 1}


def test_the_role_of_the_workers_passes_row_security_but_not_rights(installed: Installed) -> None:
    with db.as_service("test") as connection:
        assert connection.execute("select count(*) as n from synkro.tenants").fetchone() != {"n": 0}
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select 1 from auth.users")


# --- dlt ----------------------------------------------------------------------------------------------------------------


def test_dlts_own_tables_are_there_and_closed(installed: Installed) -> None:
    found = rows(
        installed.project.superuser_url,
        "select n.nspname, c.relname, c.relrowsecurity, has_table_privilege('authenticated', c.oid, 'select')"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind = 'r' and c.relname in ('_dlt_loads', '_dlt_version') order by 1, 2",
    )
    assert [row[:2] for row in found] == [
        (schema, table)
        for schema in ("raw_amocrm", "raw_radist", "raw_whatsapp")
        for table in ("_dlt_loads", "_dlt_version")
    ]
    assert all(is_protected and not is_readable for _, _, is_protected, is_readable in found)


def test_dlt_loads_and_merges_as_the_projects_login(installed: Installed, tmp_path: Path) -> None:
    """Its options come in one word, which the pooler drops; it stages in a schema that it makes."""
    destination = dlt.destinations.postgres(installed.url)

    def load(*texts: str) -> None:
        pipeline = dlt.pipeline("attempt", pipelines_dir=str(tmp_path), destination=destination, dataset_name="attempt")
        lines = [{"id": number, "text": text} for number, text in enumerate(texts)]
        pipeline.run(lines, table_name="lines", write_disposition="merge", primary_key="id").raise_on_failed_jobs()

    try:
        load("раз", "два")
        load("раз", "два, поправлено", "три")
        found = rows(installed.project.superuser_url, "select text from attempt.lines order by id")
        assert found == [("раз",), ("два, поправлено",), ("три",)]
    finally:
        with psycopg.connect(installed.project.superuser_url, autocommit=True) as connection:
            connection.execute("drop schema if exists attempt cascade")
            connection.execute("drop schema if exists attempt_staging cascade")
    assert installed.project.pooler.refused == 0
