"""What the queue's sensor asks every five seconds reads the last days, however long the years before: 1,000 tenants × 400 days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from orchestration.defs import schedules

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
TENANTS, DAYS = 1_000, 400

#: a run and a whole report for every day of every tenant, as time wrote them. The triggers and the foreign keys have
#: nothing to say here; indexes are made of the rows at the end, in a tenth of the time
ROWS = f"""
set session_replication_role = replica;
set synchronous_commit = off;
create temp table later as
select c.oid::regclass::text as name, pg_get_indexdef(c.oid) as made_by
from pg_index as i join pg_class as c on c.oid = i.indexrelid
where i.indrelid in ('synkro.job_runs'::regclass, 'synkro.reports'::regclass)
  and not exists (select from pg_constraint as k where k.conindid = c.oid);
do $$ declare gone text; begin for gone in select name from later loop execute 'drop index ' || gone; end loop; end $$;
insert into synkro.job_runs
  (tenant_id, run_id, mode, trigger_type, status, window_start, window_end, created_at, finished_at)
select md5(t::text)::uuid, md5(t || ':' || d)::uuid, 'radist_only', 'scheduled', 'success',
       '{NOW}'::timestamptz - (d + 1) * interval '1 day', '{NOW}'::timestamptz - d * interval '1 day',
       '{NOW}'::timestamptz - d * interval '1 day', '{NOW}'::timestamptz - d * interval '1 day'
from generate_series({DAYS - 1}, 0, -1) as d, generate_series(1, {TENANTS}) as t;
insert into synkro.reports
  (tenant_id, report_id, report_type, period_start, period_end, window_start, window_end, version, is_current, is_complete)
select tenant_id, run_id, 'daily', window_end::date, window_end::date, window_start, window_end, 1, true, true
from synkro.job_runs;
do $$ declare made text; begin for made in select made_by from later loop execute made; end loop; end $$;
vacuum analyze synkro.job_runs;
vacuum analyze synkro.reports;
"""
QUERIES = {"job_runs_by_window_end": schedules._ATTEMPTS, "reports_whole": schedules._WHOLE}


@pytest.fixture(scope="module")
def years(make_database: Callable[[str | None], str], template: str) -> str:
    url = make_database(template)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in filter(None, ROWS.split(";\n")):
            connection.execute(statement.encode())
    return url


@pytest.mark.parametrize("index", QUERIES)
def test_only_the_last_days_are_read(index: str, years: str) -> None:
    after = {"after": NOW - schedules.CATCH_UP - 2 * schedules._DAY}
    with psycopg.connect(years, row_factory=dict_row) as connection:
        found = connection.execute(QUERIES[index], after).fetchall()
        row = connection.execute(f"explain (analyze, buffers, format json) {QUERIES[index]}".encode(), after).fetchone()
    assert row is not None
    # the windows that ended within nine days, of every tenant
    assert len(found) == 9 * TENANTS
    scans = [node for node in _nodes(row["QUERY PLAN"][0]["Plan"]) if "Index Name" in node]
    assert {node["Index Name"] for node in scans} == {index}, row
    assert all("window_end" in node["Index Cond"] for node in scans)
    assert not any(node["Node Type"] == "Seq Scan" for node in _nodes(row["QUERY PLAN"][0]["Plan"]))
    buffers = row["QUERY PLAN"][0]["Plan"]["Shared Hit Blocks"] + row["QUERY PLAN"][0]["Plan"]["Shared Read Blocks"]
    assert buffers < 1_000, f"{buffers} pages: the years before were read"


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(below for child in plan.get("Plans", []) for below in _nodes(child))]
