"""What the triggers on raw note: every content that changed, old and new, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any

import psycopg
import pytest

from orchestration.dbt import project
from synkro.core.resources import DBT_PROJECT
from tests.transforms.conftest import Company

Noted = set[tuple[str, str]]


@pytest.fixture
def company(company: Callable[..., Company], request: pytest.FixtureRequest) -> Company:
    made = company(f"c{abs(hash(request.node.name)) % 10**9}")
    made.put("raw_radist.sources", id=1, type="whatsapp_web", payload={})
    made.contact(1, "+77000000001", "+77000000002")
    made.deal(1, 1, manager=7)
    made.chat(1, "+77000000001")
    made.say(1, "2026-03-02 10:00", "client")
    made.say(1, "2026-03-02 10:05", "us", by=7, contact=1)
    made.call(1, 1, "2026-03-02 10:10", 20, by=7)
    made.put("raw_amocrm.deleted", entity_type="lead", id=9, deleted_at=None)
    made.task(1, 7)
    made.connection.execute("delete from private.raw_changes where tenant_id = %s", (made.tenant_id,))
    return made


def noted(company: Company) -> Noted:
    return {(row["kind"], row["id"]) for row in company.rows("private.raw_changes", "kind, id")}


def change(company: Company, statement: str, *values: Any) -> None:
    assert company.connection.execute(statement, (*values, company.tenant_id)).rowcount > 0


TABLES = ("raw_radist.messages", "raw_radist.chats", "raw_radist.sources", "raw_amocrm.contacts", "raw_amocrm.leads",
          "raw_amocrm.events", "raw_amocrm.notes", "raw_amocrm.tasks")  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_a_row_that_comes_again_leaves_no_trace(company: Company, table: str) -> None:
    change(company, f"update {table} set seen_at = now(), _dlt_load_id = '2', _dlt_id = 'x' where tenant_id = %s")

    assert noted(company) == set()


@pytest.mark.parametrize(
    ("table", "expected"),
    {
        "raw_radist.messages": {("chat", "1")},
        "raw_radist.chats": {("chat", "1"), ("phone", "+77000000001")},
        "raw_radist.sources": {("connection", "1")},
        "raw_amocrm.contacts": {("contact", "1"), ("phone", "+77000000001"), ("phone", "+77000000002")},
        "raw_amocrm.leads": {("deal", "1")},
        "raw_amocrm.events": {("contact", "1")},
        "raw_amocrm.notes": {("contact", "1")},
        "raw_amocrm.deleted": {("deal", "9")},
        "raw_amocrm.tasks": {("deal", "7")},
    }.items(),
)
def test_a_row_that_goes_is_noted(company: Company, table: str, expected: Noted) -> None:
    change(company, f"delete from {table} where tenant_id = %s")

    assert noted(company) == expected


def test_messages_are_noted_by_chat_with_their_moments(company: Company) -> None:
    """Where the message was and where it is: a broadcast may lose it there and gain it here."""
    change(
        company, "update raw_radist.messages set sent_at = %s where direction = 'outbound' and tenant_id = %s",
        company.at("2026-03-04 09:00"),
    )  # fmt: skip

    (row,) = company.rows("private.raw_changes")
    assert (row["kind"], row["id"]) == ("chat", "1")
    assert (row["since"], row["until"]) == (company.at("2026-03-02 10:05"), company.at("2026-03-04 09:00"))


def test_only_the_phones_that_came_or_went_are_noted(company: Company) -> None:
    payload = json.dumps({"_synkro": {"phones": ["+77000000002", "+77000000003"]}})
    change(company, "update raw_amocrm.contacts set payload = %s where tenant_id = %s", payload)

    assert noted(company) == {("contact", "1"), ("phone", "+77000000001"), ("phone", "+77000000003")}


def test_a_move_between_stages_is_told_by_its_event(company: Company) -> None:
    company.put(
        "raw_amocrm.events", id="s1", type="lead_status_changed", entity_type="lead", entity_id=1,
        created_at=company.at("2026-03-02 12:00"), payload={},
    )  # fmt: skip
    company.put(
        "raw_amocrm.events", id="x1", type="incoming_chat_message", entity_type="lead", entity_id=1,
        created_at=company.at("2026-03-02 12:00"), payload={},
    )  # fmt: skip

    assert noted(company) == {("event", "s1")}


def test_a_task_is_its_deals_business(company: Company) -> None:
    """Also where the log alone says that it was done, or that it is gone; a task on a contact is nobody's."""
    at = company.at("2026-03-02 12:00")
    company.put("raw_amocrm.events", id="t1", type="task_completed", entity_type="task", entity_id=1, created_at=at)
    assert noted(company) == {("deal", "7")}
    company.connection.execute("delete from private.raw_changes where tenant_id = %s", (company.tenant_id,))
    company.put("raw_amocrm.deleted", entity_type="task", id=1, deleted_at=at)
    assert noted(company) == {("deal", "7")}
    change(company, "update raw_amocrm.tasks set entity_id = 8 where tenant_id = %s")
    assert noted(company) == {("deal", "7"), ("deal", "8")}
    company.put("raw_amocrm.tasks", id=2, entity_type="contacts", entity_id=30)
    assert noted(company) == {("deal", "7"), ("deal", "8")}


def test_a_tombstone_without_a_moment_counts_from_when_it_was_seen(company: Company) -> None:
    change(company, "update raw_amocrm.deleted set seen_at = now() where tenant_id = %s")

    assert noted(company) == {("deal", "9")}


def test_a_change_is_seen_when_it_commits(company: Company, marts_db: str) -> None:
    """A load that began before a build and commits after its claim is not lost: its rows are unclaimed."""
    from orchestration.dbt import scope

    company.window("2026-03-02 06:00", "2026-03-03 06:00")
    with psycopg.connect(marts_db) as load:
        load.execute("update raw_radist.chats set connection_id = 2 where tenant_id = %s", (company.tenant_id,))
        change(company, "update raw_amocrm.leads set created_at = null where tenant_id = %s")
        build = scope.begin(marts_db, company.tenant_id, "state")
        load.commit()
    scope.stood(marts_db, build)

    assert noted(company) == {("chat", "1")}


def test_an_emptied_table_makes_every_build_a_full_one(company: Company, marts_db: str) -> None:
    from orchestration.dbt import scope as dbt_scope

    company.window("2026-03-02 06:00", "2026-03-03 06:00")
    dbt_scope.stood(marts_db, dbt_scope.begin(marts_db, company.tenant_id, "state"))
    with psycopg.connect(marts_db) as other:
        assert dbt_scope.begin(marts_db, company.tenant_id, "state").scope == "touched"
        other.execute("truncate raw_amocrm.notes")
        other.commit()

    assert dbt_scope.begin(marts_db, company.tenant_id, "state").scope == "all"


def test_a_look_leaves_out_every_model_of_windows() -> None:
    """What it excludes by name is what has the grain of a window, and nothing else."""
    grains = dict(re.findall(r"'(\w+)': '(\w+)'", (DBT_PROJECT / "macros" / "affected.sql").read_text(encoding="utf-8")))
    left_out = {name for name in grains if any(fnmatch(name, pattern) for pattern in project.OF_WINDOWS)}
    assert left_out == {name for name, grain in grains.items() if grain == "window"} != set()
