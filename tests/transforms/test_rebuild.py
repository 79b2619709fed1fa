"""What a rebuild must not change (the numbers, the locks on the entry points) and what it must (a day that became empty)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from orchestration.dbt import project
from orchestration.run import window_registration
from orchestration.run.state import RunState
from synkro.core.errors import Cancelled, DataError
from synkro.core.settings import ROOT, settings
from synkro.core.windows import Window
from synkro.database import rls_audit
from synkro.tenancy import runtime_config
from tests.conftest import entry_points_to
from tests.transforms.conftest import Company

Filled = tuple[Company, Company, Window, Window]


@pytest.fixture(scope="module")
def filled(company: Callable[..., Company], work: Path) -> Filled:
    """Two tenants, two days."""
    made = [company("north"), company("south")]
    for tenant in made:
        tenant.manager(7, "Вера")
        tenant.contact(1, "+77000000001")
        tenant.deal(1, 1, manager=7)
        tenant.chat(1, "+77000000001")
        for day in ("2026-03-02 ", "2026-03-03 "):
            tenant.say(1, day + "10:00", "client")
            tenant.say(1, day + "10:04", "us", by=7, contact=1)
        monday = tenant.window("2026-03-02 06:00", "2026-03-03 06:00")
        tuesday = tenant.window("2026-03-03 06:00", "2026-03-04 06:00")
        tenant.build(monday, tuesday, work=work)
    return made[0], made[1], monday, tuesday


def snapshot(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Every row of every table dbt makes, as text."""
    names = connection.execute(
        "select oid::regclass::text as name from pg_class where relkind = 'r'"
        " and relnamespace in ('marts'::regnamespace, 'intermediate'::regnamespace)"
    ).fetchall()
    return {
        row["name"]: sorted(r["line"] for r in connection.execute(f"select t::text as line from {row['name']} t"))
        for row in names
    }


def test_the_same_window_gives_the_same_rows(filled: Filled, connection: psycopg.Connection[Any], work: Path) -> None:
    north, _, monday, tuesday = filled
    before = snapshot(connection)

    north.build(monday, work=work)
    assert _without_windows(snapshot(connection)) == _without_windows(before)
    north.build(tuesday, work=work)

    assert snapshot(connection) == before
    assert len(before["marts.period_summary"]) == 4


def test_a_full_refresh_keeps_rows_policies_grants_and_views(
    filled: Filled, connection: psycopg.Connection[Any], marts_db: str
) -> None:
    before, doors = snapshot(connection), _doors(connection)

    project.full_refresh(marts_db, settings().data_dir)

    assert snapshot(connection) == before
    assert _doors(connection) == doors
    assert len(doors["views"]) >= 11
    assert rls_audit.findings(marts_db) == []


def test_a_full_refresh_and_a_build_wait_for_each_other(
    filled: Filled, connection: psycopg.Connection[Any], marts_db: str, work: Path
) -> None:
    """Each table is made anew from the rows the refresh sees: what a build wrote meanwhile would be lost."""
    north, _, monday, _ = filled
    before = snapshot(connection)
    refresh = (
        "import sys\nfrom pathlib import Path\nfrom orchestration.dbt import project\n"
        "project.full_refresh(sys.argv[1], Path(sys.argv[2]), lambda text: print(text, flush=True))\n"
    )
    command = [sys.executable, "-c", refresh, marts_db, str(settings().data_dir)]
    connection.execute("select pg_advisory_lock_shared(%s)", (project._BUILDS_KEY,))
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        try:
            running.stdout.readline()
            deadline = time.monotonic() + 180
            while not _waiters(connection):
                assert time.monotonic() < deadline and running.poll() is None, "the refresh does not wait for the build"
                time.sleep(0.05)
            # a build that comes while the refresh waits its turn goes after it, and hears a person who stops it
            with pytest.raises(Cancelled):
                north.build(monday, work=work, on_wait=_give_up)
            assert running.poll() is None and snapshot(connection) == before
        finally:
            connection.execute("select pg_advisory_unlock_all()")
        assert running.wait(300) == 0
    north.build(monday, work=work)
    assert snapshot(connection) == before


def _give_up() -> None:
    raise Cancelled("Запуск остановлен.")


def _waiters(connection: psycopg.Connection[Any]) -> int:
    found = connection.execute(
        "select count(*) as n from pg_locks where locktype = 'advisory' and not granted"
    ).fetchone()
    return int(found["n"]) if found else 0


def test_a_deploy_is_done_once_and_touches_no_row(
    filled: Filled, connection: psycopg.Connection[Any], marts_db: str
) -> None:
    before, doors = snapshot(connection), _doors(connection)

    assert project.deploy(marts_db, settings().data_dir) is False
    connection.execute("comment on schema marts is 'synkro dbt of yesterday'")
    assert project.deploy(marts_db, settings().data_dir) is True

    assert snapshot(connection) == before
    assert _doors(connection) == doors


def test_a_day_that_became_empty_leaves_nothing_behind(
    filled: Filled, connection: psycopg.Connection[Any], work: Path
) -> None:
    north, south, monday, tuesday = filled
    neighbour = south.rows("marts.fct_messages", order="message_id")
    connection.execute(
        "delete from raw_radist.messages where tenant_id = %s and sent_at >= %s", (north.tenant_id, tuesday.start)
    )

    north.build(monday, tuesday, work=work)

    assert len(north.rows("marts.fct_messages")) == len(north.rows("marts.fct_waits")) * 2 == 2
    assert [row["messages"] for row in north.rows("marts.period_summary", order="window_start")] == [2, 0]
    assert len(north.rows("marts.period_dialogs")) == 1
    # whose deal is open has a row on the empty day too, and nothing else in it
    managers = north.rows("marts.period_managers", order="window_start")
    assert [(row["messages_sent"], row["waits_answered"]) for row in managers] == [(1, 1), (0, 0)]
    assert south.rows("marts.fct_messages", order="message_id") == neighbour


def test_a_replay_of_an_old_window_ignores_what_came_later(company: Callable[..., Company], work: Path) -> None:
    """Open at the end of the window stays open in it, however the wait ended; the answer is in the speed once known."""
    east = company("east")
    east.chat(1, "+77000000002")
    east.say(1, "2026-03-02 17:00", "client")
    monday = east.window("2026-03-02 06:00", "2026-03-03 06:00", as_of="2026-03-03 06:05")
    east.build(monday, work=work)
    (first,) = east.rows("marts.period_summary")

    east.say(1, "2026-03-03 09:30", "us")
    tuesday = east.window("2026-03-03 06:00", "2026-03-04 06:00")
    east.build(tuesday, monday, work=work)
    again, next_day = east.rows("marts.period_summary", order="window_start")

    assert first == again
    assert (again["unanswered_now"], again["waits_answered"], next_day["waits"], next_day["unanswered_now"]) == (
        1,
        0,
        0,
        0,
    )
    # the run moved Monday's watermark: the answer is known now, and still counted on Monday alone
    east.window("2026-03-02 06:00", "2026-03-03 06:00", as_of="2026-03-03 12:00")
    east.build(monday, work=work)
    (revised,) = east.rows("marts.period_summary", where="label_date = '2026-03-02'")
    assert (revised["unanswered_now"], revised["waits_answered"], revised["response_p50"]) == (1, 1, 90)


def test_a_calendar_from_a_past_day_builds_the_windows_it_concerns_and_no_others(
    company: Callable[..., Company], marts_db: str, work: Path
) -> None:
    """Also that of the day before: its wait ran into the new hours. All of it by the run's own steps."""
    west = company("west")
    west.chat(1, "+77000000003")
    for asked, answered in (("02 17:50", "03 10:10"), ("11 17:50", "12 10:10"), ("12 17:00", "12 17:30")):
        west.say(1, f"2026-03-{asked}", "client")
        west.say(1, f"2026-03-{answered}", "us")
    monday, wednesday, thursday = (
        west.window(f"2026-03-{day:02} 06:00", f"2026-03-{day + 1:02} 06:00", as_of="2026-03-20 06:00")
        for day in (2, 11, 12)
    )
    west.build(monday, wednesday, thursday, work=work)
    before = west.rows("marts.period_summary", "response_p50, breached", order="window_start")
    assert [row["response_p50"] for row in before] == [80, 80, 30]

    config = runtime_config.change(
        west.connection,
        west.tenant_id,
        {"calendar": {"valid_from": "2026-03-12", "weekly": {"thu": [["10:00", "17:10"]]}}},
    )
    may = west.window("2026-05-20 06:00", "2026-05-21 06:00")
    run = SimpleNamespace(
        window=may, window_start=may.start, window_end=may.end, report_type="daily", history_from=None
    )
    worker: Any = SimpleNamespace(config=config, run=run, tenant=west, state=RunState())
    with entry_points_to(marts_db):
        window_registration.open_windows(worker, [])
    opened = worker.state.windows
    assert {wednesday, thursday} < set(opened) and monday not in opened
    west.build(*opened, work=work)

    built = "window_start < '2026-03-20'"
    after = west.rows("marts.period_summary", "response_p50, breached", built, order="window_start")
    assert [row["response_p50"] for row in after] == [80, 20, 10]
    assert after[0] == before[0]
    assert west.rows("synkro.report_windows", "window_start", "is_outdated") == []
    # the same raw, the same numbers: whenever it is built
    west.build(monday, wednesday, thursday, work=work)
    assert west.rows("marts.period_summary", "response_p50, breached", built, order="window_start") == after


def test_other_rules_reach_the_windows_a_run_does_not_name(company: Callable[..., Company], work: Path) -> None:
    """A client's number turns out to be the staff's: every day counted it, and the next run counts each of them again."""
    east = company("orient")
    east.chat(1, "+77000000004")
    days = [
        east.window(f"2026-03-{day:02} 06:00", f"2026-03-{day + 1:02} 06:00", as_of="2026-03-20 06:00")
        for day in (2, 3)
    ]
    for day in (2, 3):
        east.say(1, f"2026-03-{day:02} 10:00", "client")
    east.build(*days, work=work)
    assert [row["messages"] for row in east.rows("marts.period_summary", "messages")] == [1, 1]

    runtime_config.change(east.connection, east.tenant_id, {"excluded_phones": ["+77000000004"]})
    east.build(days[1], work=work)

    with_old_rules = east.rows("synkro.report_windows", "window_start", "is_outdated")
    assert [row["window_start"] for row in with_old_rules] == [days[0].start]
    east.build(days[0], work=work)
    assert [row["messages"] for row in east.rows("marts.period_summary", "messages")] == [0, 0]
    assert east.rows("synkro.report_windows", "window_start", "is_outdated") == []


def test_a_window_without_a_row_is_refused(filled: Filled, work: Path) -> None:
    north = filled[0]

    with pytest.raises(DataError, match="не записано"):
        north.build(
            Window(datetime.fromisoformat("2026-04-01T00:00Z"), datetime.fromisoformat("2026-04-02T00:00Z")), work=work
        )


def test_a_run_without_a_tenant_stops(marts_db: str, work: Path) -> None:
    with pytest.raises(DataError) as refused:
        project.run(marts_db, settings().data_dir, ["run", "--select", "fct_deals"], {}, work)

    assert "no tenant" in (refused.value.detail or "")


def _without_windows(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: lines for name, lines in rows.items() if "window" not in name}


def _doors(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """Policies, grants, row security and api views, as the catalogue has them."""
    queries = {
        "policies": "select schemaname, tablename, policyname, roles::text, cmd, qual from pg_policies order by 1, 2, 3",
        "tables": "select oid::regclass::text, relrowsecurity, relforcerowsecurity,"
        " (select array_agg(a::text order by a::text) from unnest(relacl) a) from pg_class where relkind = 'r'"
        " and relnamespace in ('marts'::regnamespace, 'intermediate'::regnamespace) order by 1",
        "views": "select oid::regclass::text, reloptions, (select array_agg(a::text order by a::text) from unnest(relacl) a)"
        " from pg_class where relkind = 'v' and relnamespace = 'api'::regnamespace order by 1",
    }
    return {name: connection.execute(query).fetchall() for name, query in queries.items()}
