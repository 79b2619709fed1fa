"""An increment gives the rows of a full rebuild, touches no other, and survives being killed.

After each edit the company is built as a run would build it, and its raw rows are copied to a tenant of its own. At the
end one full refresh builds all the copies: the same rows must stand in every table, step by step.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from orchestration.dbt import project
from synkro.reporting import reconciliation
from synkro.tenancy import tenants
from synkro.core.settings import ROOT, settings
from synkro.core.windows import Window
from tests.transforms import edits
from tests.transforms.conftest import Company

Snapshot = dict[str, list[str]]
SEEDS = (20260302, 7)
#: what a run notes for itself
LOGS = {"intermediate.int_touched_phones", "intermediate.int_changes", "intermediate.int_touched"}
#: edits that make sense in one order only go last
ORDERED = (
    edits.a_deal_before_its_contact, edits.its_contact, edits.two_phones_of_seven, edits.the_first_of_them_removed,
)  # fmt: skip


@pytest.fixture(scope="module")
def connection(marts_db: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(marts_db, autocommit=True, row_factory=dict_row) as opened:
        yield opened


@pytest.mark.parametrize(
    "shares", [pytest.param((4,), id="sample"), pytest.param((None, None), id="all", marks=pytest.mark.assurance)]
)
def test_every_increment_equals_a_full_rebuild(
    connection: psycopg.Connection[Any], marts_db: str, work: Path, shares: tuple[int | None, ...]
) -> None:
    """``shares``: how many of a seed's edits are tried, each as a step of its own; None is all of them."""
    expected: dict[tuple[int, str], tuple[UUID, Snapshot]] = {}
    for seed, share in zip(SEEDS, shares, strict=False):
        dice = Random(seed)
        slug = f"seed{seed}of{share or 'all'}"
        company = _company(connection, marts_db, slug, dice, work)
        for number, edit in enumerate(_steps(seed, dice, share)):
            edit(company, dice)
            _build(company, work)
            if edit in (*edits.SMALL, *ORDERED):
                assert _scope(company) == "touched", edit.__name__
            step = f"{number} {edit.__name__}"
            print(seed, step)
            assert _counted(company) == _counted_row_by_row(company), step
            expected[seed, step] = (_copy(company, f"{slug}step{number}"), snapshot(connection, company.tenant_id))

    project.full_refresh(marts_db, settings().data_dir)

    assert len(expected) >= (4 if shares[0] else 40)
    for (seed, step), (copy, rows) in expected.items():
        assert differences(rows, snapshot(connection, copy)) == {}, f"seed {seed}, step {step}"


def test_only_touched_clients_are_written(connection: psycopg.Connection[Any], marts_db: str, work: Path) -> None:
    company = _company(connection, marts_db, "quiet", Random(1), work)
    before = _places(company)

    edits.rows_come_again(company, Random(1))
    _build(company, work)
    assert _places(company) == before

    company.say(6, "2026-03-04 18:30", "client", "Ещё вопрос?")
    _build(company, work)
    after = _places(company)
    moved = {key for key in before if after.get(key) != before[key]}
    assert {client for _, client in moved} == {edits.phone(6)}
    assert {table for table, _ in moved} >= {"marts.fct_messages", "marts.fct_waits", "marts.dim_clients"}
    for table in ("intermediate.int_messages", "marts.fct_messages"):
        old, new = (set(places[table, edits.phone(6)]) for places in (before, after))
        assert old < new and len(new - old) == 1, "what the client said before is not written again"


def test_a_row_lost_without_a_build_is_noticed_when_its_turn_comes(
    connection: psycopg.Connection[Any], marts_db: str, work: Path
) -> None:
    """Nothing tells that its dialog has to be counted again: a share of all is, with every run."""
    company = _company(connection, marts_db, "lost", Random(4), work)
    assert _counted(company) == _counted_row_by_row(company)
    connection.execute(
        "delete from marts.fct_messages where tenant_id = %s and message_id ="
        " (select min(message_id) from marts.fct_messages where tenant_id = %s)",
        (company.tenant_id, company.tenant_id),
    )
    wanted = _counted_row_by_row(company)
    turns = [_counted(company) == wanted for _ in range(reconciliation._SHARE)]
    assert turns[-1]
    # what is counted again has not been for longest: it stays noticed
    assert turns == sorted(turns)


@pytest.mark.slow
def test_a_killed_build_is_made_good(connection: psycopg.Connection[Any], marts_db: str, work: Path) -> None:
    """Killed when the new people stand and their messages do not yet: who they were is told by nothing but the log."""
    company = _company(connection, marts_db, "killed", Random(2), work)
    edits._phones(company, 3, edits.phone(3), edits.phone(6))
    company.say(5, "2026-03-04 18:30", "client", "Ещё вопрос?")
    for victim in ("int_dialogs", "int_messages"):
        _kill_after(victim, company, work)
        half = company.rows("private.mart_builds", "is_building, scope")
        assert half == [{"is_building": True, "scope": "touched"}]
    company.say(6, "2026-03-04 18:31", "us", "Отвечаем")

    _build(company, work)

    grown = snapshot(connection, company.tenant_id)
    assert _scope(company) == "touched"
    _build(company, work, everything=True)
    assert differences(grown, snapshot(connection, company.tenant_id)) == {}
    assert _scope(company) == "all"


@pytest.mark.slow
def test_a_build_of_everything_that_dies_is_begun_again(
    connection: psycopg.Connection[Any], marts_db: str, work: Path
) -> None:
    company = _company(connection, marts_db, "begun", Random(3), work)
    company.configure(session_gap_hours=2)
    _kill_after("int_waits", company, work)
    # back to what the mark knew: the half that was built with two hours must not stay
    company.configure(session_gap_hours=24)

    _build(company, work)

    assert _scope(company) == "all"


# --- help ------------------------------------------------------------------------------------------------


def _counted(company: Company) -> dict[str, tuple[int, dict[str, int], int]]:
    """Everything, as a run's reconciliation has it: (rows of raw, left out, rows of the marts) by entity."""
    found = reconciliation.count(company.connection, company.tenant_id, [], ["amocrm", "radist"])
    return {one.entity: (one.raw_rows, one.left_out, one.mart_rows) for one in found}


def _counted_row_by_row(company: Company) -> dict[str, tuple[int, dict[str, int], int]]:
    everything = {"tenant": company.tenant_id, "from": "-infinity", "to": "infinity"}
    return {
        row["entity"]: (
            row["raw_rows"],
            {reason: row[reason] for reason in reconciliation._REASONS if row[reason]},
            row["mart_rows"],
        )
        for row in company.connection.execute(reconciliation.COUNTS, everything)
    }


def _company(connection: psycopg.Connection[Any], url: str, slug: str, dice: Random, work: Path) -> Company:
    company = Company(connection, url, slug)
    edits.found(company, dice)
    _build(company, work)
    assert _scope(company) == "all"
    return company


def _steps(seed: int, dice: Random, share: int | None) -> list[Any]:
    """All edits once, some of them in another order; a build of everything proves little, so each seed meets half of those."""
    if seed == SEEDS[0]:
        steps = [*edits.SMALL, *edits.LARGE[::2]]
    else:
        steps = [*dice.sample(edits.SMALL, 10), *edits.LARGE[1::2]]
    dice.shuffle(steps)
    if share:
        steps = steps[:share]
    if edits.a_known_robot in steps:
        steps.append(edits.the_robot_renamed)
    return steps if share else [*steps, *ORDERED]


def _windows(company: Company) -> list[Window]:
    rows = company.rows("synkro.report_windows", "window_start, window_end", order="window_start")
    return [Window(row["window_start"], row["window_end"]) for row in rows]


def _build(company: Company, work: Path, *, everything: bool = False) -> None:
    windows = _windows(company)
    project.build_tenant(
        company.url, settings().data_dir, tenant_id=company.tenant_id, window_start=windows[0].start,
        window_end=windows[0].end, windows=windows, work_dir=work, everything=everything,
    )  # fmt: skip


def _scope(company: Company) -> str:
    (row,) = company.rows("private.mart_builds", "scope, is_building")
    assert not row["is_building"]
    return str(row["scope"])


def _kill_after(model: str, company: Company, work: Path) -> None:
    """A build in a process of its own that dies, without a word, when this model stands."""
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom synkro.core.windows import Window\nfrom datetime import datetime\n"
        "from orchestration.dbt import project\n"
        "url, data, tenant, work, model, *moments = sys.argv[1:]\n"
        "spans = [Window(*map(datetime.fromisoformat, pair.split('/'))) for pair in moments]\n"
        "die = lambda name: os._exit(9) if name == model else None\n"
        "project.build_tenant(url, Path(data), tenant_id=tenant, window_start=spans[0].start, window_end=spans[0].end,"
        " windows=spans, work_dir=Path(work), on_event=die)\n"
    )
    moments = [f"{window.start.isoformat()}/{window.end.isoformat()}" for window in _windows(company)]
    arguments = [company.url, str(settings().data_dir), str(company.tenant_id), str(work), model, *moments]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300
    )
    assert done.returncode == 9


def _copy(company: Company, slug: str) -> UUID:
    """A tenant with the same raw rows, settings, calendar and windows."""
    connection = company.connection
    copy = tenants.add(connection, slug, slug, company.timezone).tenant_id
    connection.execute("delete from synkro.tenant_runtime_configs where tenant_id = %s", (copy,))
    tables = connection.execute(
        "select table_schema as schema, table_name as name,"
        " array_agg(column_name::text order by ordinal_position) filter (where column_name <> 'tenant_id') as columns"
        " from information_schema.columns where table_schema in ('raw_amocrm', 'raw_radist') and table_name not like '\\_dlt%%'"
        " or table_schema = 'private' and table_name = 'message_acts'"
        " or table_schema = 'synkro' and table_name in ('tenant_runtime_configs', 'working_intervals', 'report_windows')"
        " group by 1, 2"
    ).fetchall()
    for table in tables:
        columns = sql.SQL(", ").join(map(sql.Identifier, table["columns"]))
        connection.execute(
            sql.SQL("insert into {t} (tenant_id, {c}) select %s, {c} from {t} where tenant_id = %s").format(
                t=sql.Identifier(table["schema"], table["name"]), c=columns
            ),
            (copy, company.tenant_id),
        )
    return copy


def _tables(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute(
        "select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind = 'r' and n.nspname in ('marts', 'intermediate') order by 1"
    )
    return [row["name"] for row in rows if row["name"] not in LOGS]


def snapshot(connection: psycopg.Connection[Any], tenant_id: UUID) -> Snapshot:
    """Every row of every table the tenant has, as text, without the tenant."""
    return {
        name: sorted(
            row["line"]
            for row in connection.execute(
                f"select (to_jsonb(t) - 'tenant_id')::text as line from {name} t where tenant_id = %s", (tenant_id,)
            )
        )
        for name in _tables(connection)
    }


def differences(found: Snapshot, wanted: Snapshot) -> dict[str, list[str]]:
    """The first lines that only one side has, by table."""
    return {
        name: [f"found {line}" for line in sorted(set(lines) - set(wanted[name]))[:3]]
        + [f"wanted {line}" for line in sorted(set(wanted[name]) - set(lines))[:3]]
        for name, lines in found.items()
        if lines != wanted[name]
    }


def _places(company: Company) -> dict[tuple[str, str], list[str]]:
    """Where the rows of each client lie and who wrote them, for every table that is told by client."""
    names = company.connection.execute(
        "select attrelid::regclass::text as name from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where a.attname = 'client_id' and c.relkind = 'r' and c.relnamespace in ('marts'::regnamespace, 'intermediate'::regnamespace)"
        " and c.relname not like 'int_touched%%' and c.relname not in ('int_changes', 'int_window_waits')"
        " and c.relname not like 'period%%'"
    ).fetchall()
    found = {}
    for row in names:
        for place in company.rows(
            row["name"],
            "client_id, array_agg(xmin::text || ctid::text order by ctid) as places",
            "client_id is not null group by 1",
        ):
            found[row["name"], place["client_id"]] = place["places"]
    return found
