"""The marts against an independent second opinion, row by row, over random companies.

Each seed makes a company that lives on the borders of metrics.md §3 (``oracle/generator.py``); its rows go straight into
raw, the real driver builds its marts, and every row and column of the public contract is compared with
``oracle.compute``. The default is 9 companies with fixed seeds and one with a fresh seed, printed in the test's name:
about 800 dialogs. More, from a seed of your choice::

    SYNKRO_TEST_ORACLE=10000 SYNKRO_TEST_ORACLE_SEED=100 pytest tests/transforms/test_oracle.py -k agree

A failure names the seed and leaves out dialogs while the same column still differs.

Each of these mistakes, made on purpose in a copy of the models, turned the comparison red:

1. ``int_sessions``: a long silence splits a session although the client waits.
2. ``int_waits``: a bot's message closes a wait.
3. ``fct_waits``: the answer is credited to the last who wrote in the dialog.
4. ``time.sql``: the business date is the day in UTC.
5. ``time.sql``: the lunch between two intervals of a day counts as working time.
6. ``period_summary``: messages are joined to the client's deals, and a client with two deals is counted twice.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.transforms.conftest import CALENDAR
from tests.transforms.oracle import Company, Settings, compute, database
from tests.transforms.oracle.clock import Clock
from tests.transforms.oracle.generator import company as make
from tests.transforms.oracle.profiles import PROFILES
from tests.transforms.oracle.variations import earlier, smallest, without
from tests.transforms.test_worked_cases import CASES

WANTED = int(os.environ.get("SYNKRO_TEST_ORACLE", "0"))
FIRST_SEED = int(os.environ.get("SYNKRO_TEST_ORACLE_SEED", "0"))
#: dialogs of a company, in every run and where more are wanted
SMALL = 80
SIZE = min(WANTED or SMALL, 500)
SEEDS: list[Any] = list(range(FIRST_SEED, FIRST_SEED + (-(-WANTED // SIZE) or len(PROFILES))))
if not WANTED:
    # a name of its own: processes that share the suite must collect the same tests
    SEEDS.append(pytest.param(secrets.randbelow(10**6), id="new"))
#: builds spent on making a failure smaller
TRIES = 24

Build = Callable[[Company], list[database.Difference]]


@pytest.fixture(scope="module")
def build(connection: database.Connection, marts_db: str, work: Path) -> Build:
    """Builds a company as a tenant of its own and gives what differs."""
    numbers = count(1)

    def run(company: Company) -> list[database.Difference]:
        tenant_id = database.load(connection, company, f"company{next(numbers)}")
        database.build(marts_db, company, tenant_id, work)
        return database.differences(connection, tenant_id, compute(company))

    return run


@pytest.mark.parametrize("seed", SEEDS)
def test_marts_and_oracle_agree(seed: int, build: Build) -> None:
    company = make(seed, SIZE)

    found = build(company)

    assert not found, _explain(company, seed, found, build)


def test_rows_that_come_late_give_the_same_numbers(connection: database.Connection, marts_db: str, work: Path) -> None:
    """Messages, authors, phones and deals that later reads bring: each build says what a first build would."""
    # enough dialogs that each later read has much to say
    seed, size = 3, max(SIZE, 200)
    company = make(seed, size)
    reads = [earlier(earlier(company, seed), seed + 1), earlier(company, seed), company]
    tenant_id = database.load(connection, reads[0], "late")
    for before, now in pairwise([None, *reads]):
        assert now is not None
        if before is not None:
            assert database.add(connection, tenant_id, now, before) > 150
            # the build has something to do
            assert len(database.differences(connection, tenant_id, compute(now))) > 500
        database.build(marts_db, now, tenant_id, work)

        found = database.differences(connection, tenant_id, compute(now))
        assert not found, "\n".join(map(str, found[:10]))


def _explain(company: Company, seed: int, found: list[database.Difference], build: Build) -> str:
    """The differences counted, and the smallest company that still has the first of them."""
    kinds = Counter((one.table, one.column) for one in found)
    first = next(one for one in found if (one.table, one.column) == kinds.most_common(1)[0][0])

    def fails(chats: list[int]) -> bool:
        return any((one.table, one.column) == (first.table, first.column) for one in build(_only(company, chats)))

    left = smallest([row["id"] for row in company.chats], fails, TRIES)
    small = _only(company, left)
    lines = [
        f"seed {seed}: {len(found)} differences, repeat with SYNKRO_TEST_ORACLE={SIZE} SYNKRO_TEST_ORACLE_SEED={seed}",
        *(f"  {n} × {table}.{column or '(row)'}" for (table, column), n in kinds.most_common(12)),
        f"with {len(left)} of {len(company.chats)} dialogs left:",
        *(f"  {one}" for one in build(small)[:6]),
        *(f"  {row}" for row in sorted(small.messages, key=lambda row: row["sent_at"])[:30]),
    ]
    return "\n".join(lines)


def _only(company: Company, chats: list[int]) -> Company:
    return without(company, {row["id"] for row in company.chats} - set(chats))


# --- the oracle and the generator themselves ---------------------------------------------------------------------


@pytest.mark.parametrize("number", CASES)
def test_the_oracle_knows_the_worked_cases(number: int) -> None:
    lines, expected = CASES[number]
    zone = ZoneInfo("Asia/Almaty")
    at = [datetime.fromisoformat(moment).replace(tzinfo=zone) for moment, _, _ in lines]
    settings = Settings("Asia/Almaty", time(6), [(date(2026, 1, 1), CALENDAR)], [(at[0], 15)])
    company = Company(
        settings,
        (date(2026, 1, 1), date(2026, 6, 1)),
        sources=[{"id": 1, "type": "whatsapp"}],
        chats=[{"id": 1, "connection_id": 1, "payload": {"source_chat_id": "77000000001@c.us"}}],
        messages=[
            {"chat_id": 1, "id": f"m{i}", "sent_at": at[i], "message_type": "text", "payload": {"text": {"text": text}},
             "direction": "inbound" if who == "client" else "outbound"}
            for i, (_, who, text) in enumerate(lines)
        ],
        windows=[{"window_start": at[0], "window_end": at[-1], "as_of": datetime(2026, 3, 7, tzinfo=zone), "is_complete": True}],
    )  # fmt: skip

    waits = sorted(compute(company)["fct_waits"].values(), key=lambda wait: wait["opened_at"])

    assert [(w["response_minutes"], w["is_first_response"], w["is_breached"]) for w in waits] == expected


@pytest.mark.parametrize("seed", range(len(PROFILES)))
def test_two_expansions_of_one_calendar_are_equal(seed: int) -> None:
    company = make(seed, 1)

    assert Clock(company).working == database.working(company)


def test_a_seed_is_one_company() -> None:
    assert make(11, 60) == make(11, 60) != make(12, 60)


def test_a_failure_is_made_smaller() -> None:
    seen: list[int] = []

    def fails(chats: list[int]) -> bool:
        seen.append(len(chats))
        return {7, 42} <= set(chats)

    assert smallest(list(range(64)), fails, 100) == [7, 42]
    seen.clear()
    smallest(list(range(64)), fails, 5)
    assert len(seen) == 5


def test_the_companies_reach_every_edge() -> None:
    """What no company does is not compared: each case of metrics.md §3 happens somewhere."""
    # as small as in every run: in a large company each stage has both kinds of deals, and one of the two values is not seen
    companies = [make(seed, SMALL) for seed in range(len(PROFILES))]
    found = [compute(company) for company in companies]

    def values(table: str, column: str) -> set[object]:
        return {row[column] for tables in found for row in tables[table].values()}

    waits = [row for tables in found for row in tables["fct_waits"].values() if row["closed_at"]]
    answered = {row["closed_at"] - row["opened_at"] for row in waits if row["closed_by"] != "abandoned"}

    assert values("fct_messages", "bot_sign") == {"flag", "sender", "template", "broadcast", "instant", None}
    assert values("fct_messages", "kind") == {"client", "manager", "bot", "system"}
    assert values("fct_messages", "author_source") == {"event", "deal", "none"}
    assert values("fct_waits", "closed_by") == {"manager", "other_channel", "call", "abandoned", None}
    assert values("fct_waits", "is_off_hours") == values("fct_waits", "is_first_response") == {True, False}
    assert None in values("fct_waits", "sla_deadline_at")
    assert values("fct_sessions", "state") == {"waiting", "ended", "active"}
    assert {"client", "manager", "bot", None} <= values("fct_sessions", "initiated_by")
    assert values("fct_promises", "state") == {"due", "kept", "late", "broken", "superseded"}
    assert values("fct_promises", "kept_by") == {"message", "call", "task", "deal", None}
    assert values("fct_promises", "who") == {"manager", "client"}
    assert values("fct_deals", "stage_kind") == {"open", "won", "lost"}
    assert values("fct_deals", "is_deleted") == values("period_summary", "is_complete") == {True, False}
    assert values("period_excluded", "reason") == {"group", "internal"}
    assert {row["unpriced"] > 0 for tables in found for row in tables["fct_funnel"].values()} == {True, False}
    assert values("waits_open", "is_overdue") == {True, False}
    assert any(row["money"] for tables in found for row in tables["waits_open"].values())
    assert values("dim_clients", "match_status") == {"matched", "no_phone", "no_contact", "contact_without_deal"}
    assert answered >= {timedelta(days=7), timedelta(days=7, seconds=-1)}
    assert {note["payload"]["params"]["duration"] for one in companies for note in one.notes} >= {14, 15, 16}
    assert any(row["payload"]["is_group"] for one in companies for row in one.chats)
    assert all(one.settings.excluded_phones for one in companies)
    calendars = [value for one in companies for _, value in one.settings.calendars]
    assert {len(one.settings.calendars) for one in companies} == {1, 2, 3}
    assert any("valid_to" in (value or {}) for value in calendars)
