"""What the migrations made is what they say, also after a deploy of dbt and a run with dlt, dbt and Dagster."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest

from synkro.database import db, migrations
from tests.support.e2e import Environment
from tests.support.schema import differences, snapshot, snapshot_in, without_api_views


@pytest.fixture(scope="module")
def migrated(make_database: Callable[[str | None], str]) -> dict[str, str]:
    url = make_database(None)
    migrations.migrate(url)
    return snapshot(url)


def test_a_deploy_and_a_run_alter_nothing(
    e2e: Environment, migrated: dict[str, str], make_database: Callable[[str | None], str], template: str
) -> None:
    deployed = snapshot(make_database(template))
    assert differences(migrated, without_api_views(deployed)) == []
    views = {name for name in deployed if re.match(r"view api\.", name)}
    assert len(views) >= 16, "the deploy made no views: this compares nothing"

    run = e2e.build()
    assert run.status == "success", (run.error, run.error_detail)
    assert differences(deployed, snapshot(db.owner_url())) == []


#: what somebody may do to a schema, and how the snapshot says it
CHANGES = {
    "alter table synkro.reports add column note text": "new: column synkro.reports.note",
    "alter table synkro.reports alter column status drop not null": "changed: column synkro.reports.status",
    "alter table synkro.job_runs alter column attempt set default 7": "changed: column synkro.job_runs.attempt",
    "alter table synkro.watermarks alter column stream type varchar(90)": "changed: column synkro.watermarks.stream",
    "alter table raw_radist.messages add column payload__text text": "new: column raw_radist.messages.payload__text",
    "create table raw_radist._dlt_pipeline_state (state text)": "new: relation raw_radist._dlt_pipeline_state",
    "create schema raw_radist_stg_left": "new: schema raw_radist_stg_left",
    "create table public.runs (id bigint)": "new: relation public.runs",
    "drop index synkro.job_runs_recent": "gone: index synkro.job_runs_recent",
    "alter table synkro.tenants drop constraint tenants_slug_check": "gone: constraint synkro.tenants.tenants_slug_check",
    'drop policy "members read their tenant" on synkro.reports': "gone: policy synkro.reports.members read their tenant",
    'alter policy "members read their tenant" on synkro.reports using (true)': "changed: policy synkro.reports.members",
    "grant delete on synkro.reports to authenticated": "changed: relation synkro.reports",
    "grant update (name) on synkro.tenants to synkro_analyst": "changed: column synkro.tenants.name",
    "grant usage on schema private to authenticated": "changed: schema private",
    "grant usage on schema intermediate to authenticated": "changed: schema intermediate",
    "alter table synkro.reports no force row level security": "changed: relation synkro.reports",
    "alter table private.web_sessions owner to pg_database_owner": "changed: relation private.web_sessions",
    "alter table synkro.tenants disable trigger all": "changed: trigger synkro.tenants",
    "create or replace function synkro.is_super_admin() returns boolean language sql stable security definer set search_path = ''"
    " as 'select true'": "changed: function synkro.is_super_admin()",
    "grant execute on function synkro.refresh_api() to authenticated": "changed: function synkro.refresh_api()",
    "create or replace view api.job_runs with (security_invoker = true) as select tenant_id, run_id, mode, trigger_type,"
    " report_type, status, current_step, progress, error, window_start, window_end, attempt, report_id, created_at, started_at,"
    " finished_at from synkro.job_runs": "changed: view api.job_runs",
    "alter view api.reports reset (security_invoker)": "changed: relation api.reports",
    "alter default privileges in schema synkro grant select on tables to anon": "new: default grants",
    "alter table auth.users add column secret text": "new: column auth.users.secret",
}  # fmt: skip


@pytest.fixture(scope="module")
def altered(make_database: Callable[[str | None], str]) -> str:
    url = make_database(None)
    migrations.migrate(url)
    return url


@pytest.mark.parametrize("change", CHANGES)
def test_the_snapshot_sees_a_change(migrated: dict[str, str], altered: str, change: str) -> None:
    with psycopg.connect(altered) as connection:
        connection.execute(change.encode())
        found = differences(migrated, snapshot_in(connection))
        connection.rollback()
    assert [line for line in found if line.startswith(CHANGES[change])], found
    assert differences(migrated, snapshot(altered)) == []
