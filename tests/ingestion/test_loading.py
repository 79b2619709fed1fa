"""Into the shared tables by dlt: nothing is made there, nothing is marked that was not counted."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion.extract.context import Session
from ingestion.load import streams, tables
from ingestion.pipelines import READERS
from synkro.core.errors import LeaseLost, TransientError
from synkro.core.settings import ROOT
from tests.ingestion.conftest import Company

CATALOG = (
    "select table_schema, table_name, column_name, data_type, is_nullable from information_schema.columns"
    " where table_schema in ('raw_amocrm', 'raw_radist', 'raw_whatsapp') order by 1, 2, ordinal_position"
)
KINDS = {
    "uuid": "text",
    "bigint": "bigint",
    "jsonb": "json",
    "timestamp with time zone": "timestamp",
    "character varying": "text",
}


@pytest.mark.parametrize("dataset", ["raw_amocrm", "raw_radist", "raw_whatsapp"])
def test_the_hints_are_the_tables_of_the_migrations(database: str, dataset: str) -> None:
    with psycopg.connect(database) as connection:
        rows = [row for row in connection.execute(CATALOG) if row[0] == dataset and not row[1].startswith("_dlt")]
        keys = connection.execute(
            "select c.relname, array_agg(a.attname::text order by k.n) from pg_index i join pg_class c on c.oid = i.indrelid"
            " cross join unnest(i.indkey) with ordinality as k (attnum, n)"
            " join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum"
            " where i.indisprimary and c.relnamespace = %s::regnamespace group by 1",
            (dataset,),
        ).fetchall()
    found: dict[str, dict[str, Any]] = {}
    for _, table, column, kind, nullable in rows:
        if not column.startswith("_dlt"):
            found.setdefault(table, {})[column] = {"data_type": KINDS[kind], "nullable": nullable == "YES"}
    assert found == {table: tables.columns(dataset, table) for table in tables.tables(dataset)}
    assert {table: tuple(key) for table, key in keys} == {
        table: tables.primary_key(dataset, table) for table in tables.tables(dataset)
    }


def test_a_load_makes_nothing_in_the_shared_schemas(company: Company) -> None:
    before = company.sql(CATALOG)
    for _ in range(2):
        company.read("amocrm")
        company.read("radist")
    assert company.sql(CATALOG) == before
    bare = company.sql(
        "select oid::regclass::text as name from pg_class where relkind = 'r' and not (relrowsecurity and relforcerowsecurity)"
        " and relnamespace in ('raw_amocrm'::regnamespace, 'raw_radist'::regnamespace)"
    )
    assert bare == []
    assert not (Path.home() / ".dlt").exists()


def test_tables_are_never_emptied() -> None:
    """``replace`` and ``refresh`` empty a table for every tenant: the words stand in no argument."""
    for path in (ROOT / "ingestion").rglob("*.py"):
        code = re.sub(r'"""[\s\S]*?"""|#.*', "", path.read_text(encoding="utf-8"))
        assert not re.search(r"refresh\s*=|[\"']replace[\"']|drop_sources|drop_data", code), path


def test_rows_that_did_not_arrive_stop_the_mark(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    true_count = streams._rows_of

    def one_less(connection: Any, session: Any, table: str, load_id: str) -> int:
        return true_count(connection, session, table, load_id) - (table == "leads")

    monkeypatch.setattr(streams, "_rows_of", one_less)
    result = company.read("amocrm")
    loads = {load.stream: load for load in result.loads}
    assert (result.status, loads["leads"].status) == ("incomplete", "incomplete")
    assert "в базе" in (loads["leads"].error or "") and "leads" not in company.marks() and "events" in company.marks()


def test_a_load_that_fails_marks_nothing_and_can_be_repeated(company: Company) -> None:
    with psycopg.connect(company.url, autocommit=True) as connection:
        connection.execute(
            "create function raw_amocrm.refuse() returns trigger language plpgsql as"
            " $$begin raise exception 'disk full, row of %', new.payload; end$$"
        )
        connection.execute(
            "create trigger refuse before insert on raw_amocrm.leads for each row execute function raw_amocrm.refuse()"
        )
    try:
        result = company.read("amocrm")
        assert result.status == "failed" and isinstance(result.error, TransientError)
        assert {load.status for load in result.loads} == {"failed"} and company.marks() == {}
    finally:
        with psycopg.connect(company.url, autocommit=True) as connection:
            connection.execute("drop trigger refuse on raw_amocrm.leads; drop function raw_amocrm.refuse()")
            # what a killed run leaves behind, too
            connection.execute(f"drop schema if exists raw_amocrm_stg_{company.slug} cascade")
            connection.execute(f"create schema raw_amocrm_stg_{company.slug}")
            connection.execute(f"create table raw_amocrm_stg_{company.slug}.leads (id int)")
    assert company.read("amocrm").status == "complete"


def test_a_lost_lease_commits_nothing(company: Company) -> None:
    def checkpoint() -> None:
        if company.sql("select 1 as one from pg_namespace where nspname = %s", f"raw_amocrm_stg_{company.slug}"):
            raise LeaseLost("Запуск передан другому исполнителю.")

    with pytest.raises(LeaseLost):
        company.read("amocrm", checkpoint=checkpoint)
    assert company.ids("raw_amocrm.leads") == set() and company.marks() == {}


def test_marks_by_the_earliest_clock_and_reads_to_the_latest(company: Company) -> None:
    session = Session(company.context(), "amocrm")
    ours = session.started_at
    early, late = ours - timedelta(hours=2), session.until + timedelta(hours=2)
    session.set_clock([])
    assert (session.started_at, session.until >= ours) == (ours, True)
    session.set_clock([early, late])
    assert (session.started_at, session.until) == (early, late)


def test_every_stream_has_its_account(company: Company) -> None:
    ctx = company.context()
    shown: list[tuple[str, int, int | None, str]] = []
    object.__setattr__(ctx, "progress", lambda *what: shown.append(what))
    result = READERS["amocrm"](ctx)
    rows = company.sql("select * from synkro.stream_loads where run_id = %s", ctx.run_id)
    assert {row["stream"]: row["loaded"] for row in rows} == {load.stream: load.loaded for load in result.loads}
    assert all(row["status"] == "complete" and row["finished_at"] and row["requests"] >= 1 for row in rows)
    made = len(company.outside.request_logs["amocrm"].requests())
    assert sum(row["requests"] for row in rows) == made
    assert shown and {step for step, *_ in shown} == {"amocrm"} and any("Запись" in text for *_, text in shown)
