"""Every number can be traced: the rows that the registry names make every column of the period marts, in every window.

The company is one of the oracle's, which live on the borders of the rules; windows of a day, a week, three weeks, between
two messages, of an empty hour long before the first message and of one nobody has read yet.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import yaml

from synkro.core.windows import Window
from synkro.metrics import lineage
from synkro.metrics.generated import statements, table
from tests.transforms.oracle import database
from tests.transforms.oracle.generator import company as make
from tests.transforms.recount import REGISTRIES, columns, recount

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.fixture(scope="module")
def tenant_id(connection: psycopg.Connection[Any], marts_db: str, work: Path) -> UUID:
    company = make(0, 200)
    # a company that sells in every pipeline: each column has something to tell
    company.settings.sales_pipelines = ["5", "6"]
    for status in (142, 143):
        # closed in one of the windows, and nobody's
        whole = company.windows[-2]
        closed = next(
            lead
            for lead in company.leads
            if lead["payload"]["status_id"] == status
            and lead["payload"]["price"]
            and lead["payload"]["closed_at"]
            and whole["window_start"].timestamp() <= lead["payload"]["closed_at"] < whole["window_end"].timestamp()
        )
        closed["payload"]["responsible_user_id"] = 0
    first = company.windows[0]
    years_ago = first["window_start"] - timedelta(days=700)
    asked = [row["sent_at"] for row in company.messages if row["direction"] == "inbound"]
    company.windows += [
        {**first, "window_start": years_ago, "window_end": years_ago + timedelta(hours=1)},
        # nothing is known of it: as_of is its end
        {**first, "window_start": first["window_start"] + timedelta(hours=9), "window_end": first["window_start"] + timedelta(hours=12), "as_of": None},
        # somebody has only just asked
        *({**first, "window_start": at - timedelta(hours=1), "window_end": at + timedelta(minutes=5), "as_of": None} for at in asked[40:160:40]),
    ]  # fmt: skip
    made = database.load(connection, company, "traced")
    kinds = ["daily", "daily", "daily", "forced", "weekly", "monthly"]
    for window, kind in zip(company.windows, kinds, strict=False):
        connection.execute(
            "update synkro.report_windows set report_type = %s where tenant_id = %s and window_start = %s and window_end = %s",
            (kind, made, window["window_start"], window["window_end"]),
        )
    database.build(marts_db, company, made, work)
    return made


@pytest.mark.parametrize("table", REGISTRIES)
def test_every_column_has_its_rows_and_no_other(table: str, connection: psycopg.Connection[Any]) -> None:
    assert set(columns(connection, table)) == set(REGISTRIES[table])


def test_the_rows_make_every_number(connection: psycopg.Connection[Any], tenant_id: UUID) -> None:
    found = recount(connection, tenant_id)

    assert not found.differences, "\n".join(map(str, found.differences[:12]))
    every = {(table, column) for table, registry in REGISTRIES.items() for column in registry}
    assert every - found.alive == set(), "a column that is nothing everywhere proves nothing"
    assert found.cells > 1000
    kinds = connection.execute(
        "select array_agg(distinct report_type order by report_type) as kinds, count(*) filter (where messages = 0) as empty,"
        " count(*) filter (where response_p50 is null) as nothing from marts.period_summary where tenant_id = %s",
        (tenant_id,),
    ).fetchone()
    assert kinds is not None
    assert kinds["kinds"] == ["daily", "forced", "monthly", "weekly"] and kinds["empty"] and kinds["nothing"]


def test_a_row_that_goes_takes_its_numbers_along(connection: psycopg.Connection[Any], tenant_id: UUID) -> None:
    """The comparison can fail: one answered wait less is seen in the counts of its window and of its manager."""
    with connection.transaction(force_rollback=True):
        connection.execute(
            "delete from marts.fct_waits w using marts.period_summary p where w.tenant_id = p.tenant_id and p.tenant_id = %s"
            " and p.report_type = 'daily' and w.opened_at >= p.window_start and w.opened_at < p.window_end"
            " and w.replied_by is not null and w.closed_at <= p.as_of",
            (tenant_id,),
        )
        columns_of = {(one.table, one.column) for one in recount(connection, tenant_id).differences}

    assert {
        ("period_summary", "waits"),
        ("period_summary", "waits_answered"),
        ("period_managers", "waits_answered"),
    } <= columns_of
    assert ("period_summary", "messages") not in columns_of


def test_the_statement_shown_to_people_runs_as_it_stands(connection: psycopg.Connection[Any], tenant_id: UUID) -> None:
    row = connection.execute(
        "select * from marts.period_managers where tenant_id = %s and waits_answered > 0 limit 1", (tenant_id,)
    ).fetchone()
    assert row is not None
    window = Window(row["window_start"], row["window_end"])
    for registry in REGISTRIES.values():
        for entry in registry.values():
            text = lineage.literal(entry.rows_sql(), tenant_id, window, row["manager_id"])
            assert "%(" not in text
            connection.execute(text.encode())


def test_the_documentation_has_every_entry_word_for_word() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for part in (*map(table, REGISTRIES.values()), statements()):
        assert part in text, "run: python -m synkro.metrics"


def test_the_exposures_name_what_is_read() -> None:
    root = DOCS.parents[1]
    text = (root / "transforms" / "models" / "exposures.yml").read_text(encoding="utf-8")
    named = {
        one["name"]: set(re.findall(r"ref\('(\w+)'\)", " ".join(one["depends_on"])))
        for one in yaml.safe_load(text)["exposures"]
    }

    def read_by(*rooms: str) -> set[str]:
        code = (path.read_text(encoding="utf-8") for room in rooms for path in (root / room).rglob("*.py"))
        return {name for text in code for name in re.findall(r"\bmarts\.((?:fct|dim|period)_\w+|waits_open)", text)}

    assert named["app"] == read_by("app", "synkro")
    # the page shows what the report was made of; a mart may be read by the report alone
    assert read_by("analysis") <= named["report"] <= named["app"] | read_by("analysis")
    assert len(read_by("analysis")) > 4
