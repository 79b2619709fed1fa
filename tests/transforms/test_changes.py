"""Why numbers changed: random pairs of windows are split without a rest, agree with the oracle, and each part opens its rows.

``SYNKRO_TEST_PAIRS=10000`` compares so many pairs of windows, a thousand to a company; the default is one small company.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest

from synkro.core.windows import Window
from synkro.metrics import lineage, parts
from tests.transforms.oracle import Company, compute, database
from tests.transforms.oracle.generator import company as make

PAIRS = int(os.environ.get("SYNKRO_TEST_PAIRS", "60"))
#: pairs of a company: each window is compared with the usual and with the time before
OF_COMPANY = min(PAIRS, 1000)
SEEDS = range(-(-PAIRS // OF_COMPANY))


def company_of(seed: int) -> Company:
    """Windows of any length between any two moments, each compared with any others."""
    made, dice = make(seed, 80), Random(seed)
    sent = sorted({row["sent_at"] for row in made.messages})
    made.windows = []
    taken: set[tuple[datetime, datetime]] = set()
    while len(made.windows) < OF_COMPANY // 2:
        at = dice.choice(sent) - timedelta(minutes=dice.randrange(3000))
        span = (at, at + timedelta(hours=dice.choice((1, 6, 24, 24, 48, 168, 400))))
        if span not in taken:
            taken.add(span)
            as_of = span[1] + timedelta(hours=dice.choice((0, 0, 12, 100)))
            made.windows.append(
                {"window_start": span[0], "window_end": span[1], "as_of": as_of, "is_complete": dice.random() < 0.95}
            )
    for window in made.windows:
        window["baselines"] = [
            {"compared_with": name, "start": one["window_start"].isoformat(), "end": one["window_end"].isoformat(),
             "unit": "stretch", "working_days": None}
            for name, most in (("usual", 6), ("previous", 1))
            for one in dice.sample(made.windows, most)
        ]  # fmt: skip
    return made


@pytest.fixture(scope="module", params=SEEDS)
def built(
    request: pytest.FixtureRequest, connection: psycopg.Connection[Any], marts_db: str, work: Path
) -> tuple[Company, UUID]:
    company = company_of(request.param)
    tenant_id = database.load(connection, company, f"pairs{request.param}")
    database.build(marts_db, company, tenant_id, work)
    return company, tenant_id


def test_every_difference_is_split_without_a_rest(
    connection: psycopg.Connection[Any], built: tuple[Company, UUID]
) -> None:
    _, tenant_id = built
    found = connection.execute(
        "select count(distinct (window_start, window_end, compared_with)) as pairs, count(*) as splits,"
        " count(*) filter (where explained <> value - base) as wrong, count(distinct metric) as metrics,"
        " count(distinct (metric, dimension)) as kinds, count(*) filter (where parts > 1 and value <> base) as told"
        " from (select window_start, window_end, compared_with, metric, dimension, max(value) as value, max(base) as base,"
        "   sum(contribution) as explained, count(*) as parts"
        "   from marts.period_changes where tenant_id = %s group by 1, 2, 3, 4, 5) as s",
        (tenant_id,),
    ).fetchone()
    assert found is not None and found["wrong"] == 0
    assert found["pairs"] > 0.8 * OF_COMPANY and found["told"] > found["splits"] / 4
    assert found["metrics"] == len(parts.SPLIT) and found["kinds"] == sum(map(len, parts.SPLIT.values()))


def test_a_difference_without_parts_is_none(connection: psycopg.Connection[Any], built: tuple[Company, UUID]) -> None:
    """A number that differs from its usual is split by every dimension that says something of it."""
    _, tenant_id = built
    rows = connection.execute(
        "select u.metric, d.dimension, (to_jsonb(s) ->> u.metric)::numeric - u.value as difference,"
        " exists (select from marts.period_changes c where c.tenant_id = u.tenant_id and c.window_start = u.window_start"
        "   and c.window_end = u.window_end and c.compared_with = u.compared_with and c.metric = u.metric and c.dimension = d.dimension)"
        "   as is_split"
        " from marts.period_usual u join marts.period_summary s using (tenant_id, window_start, window_end)"
        " join unnest(%s::text[], %s::text[]) as d (metric, dimension) on d.metric = u.metric"
        " where u.tenant_id = %s and u.value is not null",
        (
            [metric for metric, split in parts.SPLIT.items() for _ in split],
            [dimension for split in parts.SPLIT.values() for dimension in split],
            tenant_id,
        ),
    ).fetchall()
    missing = {(row["metric"], row["dimension"]) for row in rows if row["difference"] and not row["is_split"]}
    assert missing == set() and any(row["difference"] for row in rows)


def test_the_parts_are_those_of_the_definition(
    connection: psycopg.Connection[Any], built: tuple[Company, UUID]
) -> None:
    company, tenant_id = built
    expected = compute(company)
    wanted = {name: expected[name] for name in ("period_usual", "period_changes")}
    found = database.differences(connection, tenant_id, wanted)
    assert not found, "\n".join(map(str, found[:10]))
    assert len(wanted["period_changes"]) > 20 * len(company.windows)


def test_each_part_opens_its_rows(connection: psycopg.Connection[Any], built: tuple[Company, UUID]) -> None:
    """Counted again from the rows that the page lists, to the last digit: some of every number and dimension."""
    _, tenant_id = built
    rows = connection.execute(
        "select * from (select *, row_number() over (partition by metric, dimension order by n desc, md5(window_start::text || part)) as place"
        " from marts.period_changes where tenant_id = %s and compared_with = 'usual') as c where place <= 2",
        (tenant_id,),
    ).fetchall()
    wrong = []
    for row in rows:
        entry = parts.of_part(row["metric"], row["dimension"])
        assert entry is not None, (row["metric"], row["dimension"])
        window = Window(row["window_start"], row["window_end"])
        again = lineage.recount(connection, entry, tenant_id, window, part=row["part"])
        if (again or 0) != (row["part_value"] or Decimal()):
            wrong.append((row["metric"], row["dimension"], row["part"], row["part_value"], again))
    assert wrong == []
    assert {(row["metric"], row["dimension"]) for row in rows if row["n"]} == {
        (metric, dimension) for metric, split in parts.SPLIT.items() for dimension in split
    }
