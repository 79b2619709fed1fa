"""amoCRM into raw, against the sandbox's own account of what there is."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.amocrm import paginator
from ingestion.amocrm.source import CALLS, EVENTS, Amocrm
from sandbox.company.model import Change
from sandbox.server import Sandbox
from synkro.core import clock
from synkro.core.errors import AuthenticationError, Cancelled, ConfigurationError, TransientError
from tests.ingestion.conftest import Company

ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
TABLES = [
    f"raw_amocrm.{name}"
    for name in (
        "account",
        "users",
        "pipelines",
        "loss_reasons",
        "leads",
        "contacts",
        "events",
        "notes",
        "tasks",
        "deleted",
    )
]


def expected(outside: Sandbox, until: datetime | None = None) -> Any:
    return outside.world.expected(ALWAYS, until or clock.now() + timedelta(days=1))


def assert_whole(company: Company) -> None:
    """raw holds what the sandbox had to show when the last read began; what came later is the next read's."""
    outside = company.outside
    told = expected(outside)
    before = company.began.replace(microsecond=0)
    assert company.ids("raw_amocrm.leads") >= set(told.leads)
    assert company.ids("raw_amocrm.contacts", "not payload -> '_synkro' ? 'stub'") == set(told.contacts)
    history = clock.now() - timedelta(days=61)
    events = {e.id for e in outside.world.events(before) if e.type in EVENTS and history < e.created_at < before}
    assert company.ids("raw_amocrm.events") >= events
    told_notes = set(told.notes)
    notes = outside.world.company.notes
    calls = {n.id for n in notes if n.id in told_notes and n.type in CALLS and n.created_at < before}
    assert company.ids("raw_amocrm.notes") >= calls
    assert company.ids("raw_amocrm.tasks") >= {t.id for t in outside.world.company.tasks if t.created_at < before}
    deleted = {number for number, at in told.deleted_leads.items() if at < before.timestamp()}
    assert company.ids("raw_amocrm.deleted", "entity_type = 'lead'") >= deleted


def test_a_first_load_holds_all_there_is(company: Company) -> None:
    result = company.read("amocrm")
    assert (result.status, result.error) == ("complete", None)
    assert_whole(company)
    world = company.outside.world
    assert company.ids("raw_amocrm.leads") == set(expected(company.outside).leads)
    assert company.ids("raw_amocrm.users") == {m.id for m in world.company.managers}
    assert company.ids("raw_amocrm.pipelines") == {p.id for p in world.company.pipelines}
    assert company.ids("raw_amocrm.loss_reasons") == set(world.company.loss_reasons)
    assert len(company.ids("raw_amocrm.account")) == 1
    for load in result.loads:
        assert (load.status, load.seen, load.error) == ("complete", load.rejected + load.loaded, None)
        assert company.marks()[load.stream].complete_until == result.complete_until
    named = company.sql("select payload from raw_amocrm.leads where tenant_id = %s", company.tenant_id)
    assert all("contacts" in row["payload"]["_embedded"] for row in named)
    phones = company.sql(
        "select payload #> '{_synkro,phones}' as phones from raw_amocrm.contacts where tenant_id = %s",
        company.tenant_id,
    )
    assert any(row["phones"] for row in phones)
    assert all(re.fullmatch(r"\+\d{10,15}", phone) for row in phones for phone in row["phones"])


def test_tasks_are_read_since_the_mark_and_once_a_week_whole(company: Company) -> None:
    """A list without an order by ``updated_at``: paged by id, and each pass that brought something is made once more."""
    company.read("amocrm")
    log, task = company.outside.request_logs["amocrm"], company.outside.world.company.tasks[0]
    first = [row["path"] for row in log.requests() if "/tasks?" in row["path"]]
    assert first and not any("updated_at" in path for path in first)
    before = task.done_at, task.result
    task.done_at, task.result = company.outside.world.now(), "Дозвонились"
    asked = len(log.requests())
    company.read("amocrm")
    task.done_at, task.result = before
    again = [row["path"] for row in log.requests()[asked:] if "/tasks?" in row["path"]]
    assert again and all("updated_at" in path for path in again)
    (row,) = company.sql(
        "select payload ->> 'is_completed' as done, payload #>> '{result,text}' as result from raw_amocrm.tasks"
        " where tenant_id = %s and id = %s",
        company.tenant_id,
        task.id,
    )
    assert (row["done"], row["result"]) == ("true", "Дозвонились")
    company.sql(
        "update synkro.watermarks set cursor = cursor || jsonb_build_object('whole_at', '2000-01-01T00:00:00Z')"
        " where tenant_id = %s and stream = 'tasks' returning stream",
        company.tenant_id,
    )
    asked = len(log.requests())
    company.read("amocrm")
    whole = [row["path"] for row in log.requests()[asked:] if "/tasks?" in row["path"]]
    assert whole and not any("updated_at" in path for path in whole)


def test_a_task_deleted_between_two_pages_hides_no_other(company: Company, small_pages: None) -> None:
    tasks = company.outside.world.company.tasks
    gone = next(task for task in tasks if task.created_at <= company.outside.world.now())
    faults = company.outside.faults["amocrm"]
    faults.hooks["page_delete"] = lambda _: tasks.remove(gone) if gone in tasks else None
    faults.add({"kind": "page_delete", "path": r"/tasks\?", "after": 1})
    company.read("amocrm")
    assert gone not in tasks
    assert company.ids("raw_amocrm.tasks") >= {task.id for task in tasks if task.created_at < company.began}
    tasks.insert(0, gone)


def test_tasks_that_cannot_be_read_stop_nothing_else(company: Company) -> None:
    company.outside.faults["amocrm"].add({"kind": "wrong_shape", "path": r"/tasks\?", "times": None})
    result = company.read("amocrm")
    failed = {load.stream for load in result.loads if load.status != "complete"}
    assert (result.status, failed) == ("incomplete", {"tasks"})
    assert "tasks" not in company.marks() and {"leads", "contacts", "events", "notes"} <= set(company.marks())


def test_only_get_is_ever_sent(company: Company) -> None:
    company.read("amocrm")
    assert {row["method"] for row in company.outside.request_logs["amocrm"].requests()} == {"GET"}


def test_a_second_read_asks_little_and_changes_nothing(company: Company) -> None:
    company.read("amocrm")
    before, first = company.content(*TABLES), len(company.outside.request_logs["amocrm"].requests())
    company.outside.request_logs["amocrm"].clear()
    result = company.read("amocrm")
    assert result.status == "complete"
    assert company.content(*TABLES) == before
    seen = {load.stream: load.seen for load in result.loads}
    assert seen["leads"] + seen["contacts"] + seen["events"] < 40
    assert len(company.outside.request_logs["amocrm"].requests()) < first


def test_an_edit_is_read_by_the_next_run(company: Company) -> None:
    company.read("amocrm")
    lead = next(iter(expected(company.outside).leads))
    company.outside.world.edit_lead(lead, price=123_456)
    assert company.read("amocrm").status == "complete"
    rows = company.sql("select payload from raw_amocrm.leads where tenant_id = %s and id = %s", company.tenant_id, lead)
    assert rows[0]["payload"]["price"] == 123_456


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paginator, "PAGE", 7)
    monkeypatch.setattr(paginator, "EVENT_PAGES", (100,))


def test_edits_during_the_walk_hide_no_row(company: Company, small_pages: None) -> None:
    company.outside.faults["amocrm"].add({"kind": "page_drift", "path": r"/leads\?", "times": None})
    assert company.read("amocrm").status == "complete"
    assert_whole(company)


def test_more_rows_in_one_second_than_a_page_holds(company: Company, small_pages: None) -> None:
    world = company.outside.world
    second = clock.now().replace(microsecond=0)
    leads = list(expected(company.outside).leads)[:15]
    for lead in leads:
        world.deals[lead].history.add(Change(second, 0, {"price": 77}))
    assert company.read("amocrm").status == "complete"
    assert_whole(company)
    rows = company.sql("select id, payload from raw_amocrm.leads where tenant_id = %s", company.tenant_id)
    assert {row["id"] for row in rows if row["payload"]["price"] == 77} >= set(leads)


def test_an_account_without_filters(company: Company, small_pages: None) -> None:
    company.outside.faults["amocrm"].add({"kind": "switch", "name": "is_api_filter_enabled", "value": False})
    assert company.read("amocrm").status == "complete"
    assert_whole(company)
    company.outside.world.edit_lead(next(iter(expected(company.outside).leads)))
    company.outside.request_logs["amocrm"].clear()
    assert company.read("amocrm").status == "complete"
    pages = [row for row in company.outside.request_logs["amocrm"].requests() if "/leads?" in row["path"]]
    assert len(pages) < 12, "the walk goes down to the mark, not to the end"


def test_filters_that_are_said_to_be_on_and_are_not(company: Company, small_pages: None) -> None:
    """The flag is not believed: the rows are looked at."""
    company.read("amocrm")
    lead = next(iter(expected(company.outside).leads))
    company.outside.world.edit_lead(lead, price=5)
    company.outside.faults["amocrm"].switches["is_api_filter_enabled"] = False
    assert company.read("amocrm").status == "complete"
    rows = company.sql("select payload from raw_amocrm.leads where tenant_id = %s and id = %s", company.tenant_id, lead)
    assert rows[0]["payload"]["price"] == 5


@pytest.mark.parametrize(
    "kind",
    [
        "server_error",
        "rate_limited_body",
        "truncated_json",
        "no_content",
        "empty_embedded",
        "duplicate_in_page",
        "same_id_two_pages",
        "unordered",
        "oversize_page",
        "next_link_loop",
        "page_delete",
    ],
)
def test_a_fault_on_the_way_changes_nothing(company: Company, small_pages: None, kind: str) -> None:
    path = r"/(contacts|leads)\?" if kind != "page_delete" else r"/leads\?"
    company.outside.faults["amocrm"].add({"kind": kind, "path": path, "after": 2})
    result = company.read("amocrm")
    assert result.status == "complete", result.error and result.error.detail
    assert_whole(company)


@pytest.mark.parametrize("hours", [2, -2])
def test_a_clock_that_is_hours_off_hides_nothing(company: Company, hours: int) -> None:
    company.outside.faults["amocrm"].add({"kind": "clock_skew", "hours": hours})
    assert company.read("amocrm").status == "complete"
    mark = company.marks()["leads"].complete_until
    assert mark < clock.now() + timedelta(hours=min(0, hours), seconds=1)
    assert_whole(company)


def test_a_whole_walk_once_a_week(company: Company) -> None:
    company.read("amocrm")
    company.sql(
        'update synkro.watermarks set cursor = \'{"whole_at": "2026-01-01T00:00:00+00:00"}\''
        " where tenant_id = %s and stream = 'leads' returning stream",
        company.tenant_id,
    )
    loads = {load.stream: load for load in company.read("amocrm").loads}
    assert loads["leads"].seen == len(company.ids("raw_amocrm.leads")) > loads["contacts"].seen


def test_a_wrong_shape_ends_its_stream_alone(company: Company) -> None:
    company.outside.faults["amocrm"].add({"kind": "wrong_shape", "path": r"/leads\?", "times": None})
    result = company.read("amocrm")
    loads = {load.stream: load for load in result.loads}
    assert (result.status, loads["leads"].status, loads["events"].status) == ("incomplete", "failed", "complete")
    assert loads["leads"].error and "leads" not in company.marks() and result.complete_until is None
    company.outside.faults["amocrm"].clear()
    assert company.read("amocrm").status == "complete"
    assert_whole(company)


def test_a_vendor_that_is_down_moves_no_mark(company: Company) -> None:
    first = company.read("amocrm")
    company.outside.faults["amocrm"].add({"kind": "down"})
    result = company.read("amocrm")
    assert result.status == "failed" and isinstance(result.error, TransientError)
    assert result.complete_until == first.complete_until
    assert company.sql("select from synkro.stream_loads where tenant_id = %s and status = 'failed'", company.tenant_id)
    company.outside.world.edit_lead(next(iter(expected(company.outside).leads)))
    company.outside.faults["amocrm"].clear()
    assert company.read("amocrm").status == "complete"
    assert_whole(company)


def test_rows_that_cannot_be_kept_are_counted(company: Company) -> None:
    faults = company.outside.faults["amocrm"]
    faults.add({"kind": "null_id", "path": r"/contacts\?", "times": 1})
    faults.add({"kind": "row_2100", "path": r"/events\?"})
    loads = {load.stream: load for load in company.read("amocrm").loads}
    assert (loads["contacts"].rejected, loads["contacts"].reasons["no_id"]) == (1, 1)
    assert loads["events"].rejected == loads["events"].reasons["future"] >= 1
    assert all(load.seen == load.loaded + load.rejected for load in loads.values())


def test_contacts_that_deals_name_are_fetched_and_missing_ones_are_stubs(company: Company) -> None:
    company.read("amocrm")
    world = company.outside.world
    deals = [d for d in world.company.deals if d.id in expected(company.outside).leads and d.contact_ids]
    shown, merged = deals[0].contact_ids[0], deals[-1].contact_ids[0]
    assert shown != merged
    company.sql(
        "delete from raw_amocrm.contacts where tenant_id = %s and id = any(%s) returning id",
        company.tenant_id,
        [shown, merged],
    )
    world.contacts[merged].history.add(Change(clock.now(), 0, {"is_merged": True}))
    try:
        for deal in (deals[0], deals[-1]):
            world.edit_lead(deal.id)
        company.outside.request_logs["amocrm"].clear()
        result = company.read("amocrm")
        assert result.status == "complete"
        asked = [r["path"] for r in company.outside.request_logs["amocrm"].requests() if "filter%5Bid%5D" in r["path"]]
        assert 1 <= len(asked) <= 2
        assert not [
            r for r in company.outside.request_logs["amocrm"].requests() if re.search(r"/contacts/\d", r["path"])
        ]
        rows = {
            row["id"]: row["payload"]
            for row in company.sql(
                "select id, payload from raw_amocrm.contacts where tenant_id = %s", company.tenant_id
            )
        }
        assert rows[shown]["name"] and rows[merged] == {"id": merged, "_synkro": {"stub": True}}
    finally:
        world.contacts[merged].history.add(Change(clock.now(), 0, {"is_merged": False}))


def test_a_deleted_deal_leaves_a_tombstone(company: Company) -> None:
    company.read("amocrm")
    lead = next(iter(expected(company.outside).leads))
    company.outside.world.delete_lead(lead)
    assert company.read("amocrm").status == "complete"
    assert lead in company.ids("raw_amocrm.deleted", "entity_type = 'lead'")


def test_of_two_merged_deals_the_one_that_is_gone_is_called_deleted(company: Company) -> None:
    """No list shows the loser any more, and the event is not believed about which of the two stayed."""
    company.read("amocrm")
    survivor, loser = sorted(expected(company.outside).leads)[:2]
    company.outside.world.merge_leads(survivor, loser)

    assert company.read("amocrm").status == "complete"

    gone = company.ids("raw_amocrm.deleted", "entity_type = 'lead'")
    assert loser in gone and survivor not in gone


def test_a_merge_proves_nothing_where_filters_are_ignored(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    company.read("amocrm")
    survivor, loser = sorted(expected(company.outside).leads)[:2]
    company.outside.world.merge_leads(survivor, loser)
    company.outside.faults["amocrm"].add({"kind": "switch", "name": "is_api_filter_enabled", "value": False})

    assert company.read("amocrm").status == "complete"

    assert not {survivor, loser} & company.ids("raw_amocrm.deleted", "entity_type = 'lead'")


def test_living_deals_are_not_called_deleted(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that does not know ``only_deleted`` answers with its living rows."""

    def deaf(self: Amocrm, path: str, params: Any = None, **options: Any) -> Any:
        return self._http.get(path, {k: v for k, v in (params or {}).items() if k != "with"}, **options)

    monkeypatch.setattr(Amocrm, "_get", deaf)
    assert company.read("amocrm").status == "complete"
    gone = company.ids("raw_amocrm.deleted", "entity_type = 'lead'")
    assert gone and not gone & set(expected(company.outside).leads)


def test_another_account_is_refused_before_anything_is_read(company: Company) -> None:
    company.sql(
        "update synkro.integration_configs set bound = '{\"account_id\": 1}' where tenant_id = %s and kind = 'amocrm' returning kind",
        company.tenant_id,
    )
    result = company.read("amocrm")
    assert result.status == "failed" and isinstance(result.error, ConfigurationError)
    assert company.ids("raw_amocrm.leads") == set()


def test_a_token_without_admin_rights_costs_the_users_only(company: Company) -> None:
    company.outside.faults["amocrm"].add({"kind": "switch", "name": "is_admin", "value": False})
    result = company.read("amocrm")
    loads = {load.stream: load.status for load in result.loads}
    assert result.status == "incomplete" and loads.pop("users") == "failed" and set(loads.values()) == {"complete"}
    assert result.complete_until is not None and "администратор" in str(result.error)


def test_a_refused_token_is_said_to_the_person_who_can_act(company: Company) -> None:
    company.outside.faults["amocrm"].add({"kind": "unauthorized", "times": None})
    result = company.read("amocrm")
    assert result.status == "failed" and isinstance(result.error, AuthenticationError)
    assert company.integration("amocrm").status == "error"


def test_stop_between_pages(company: Company, small_pages: None) -> None:
    calls = 0

    def checkpoint() -> None:
        nonlocal calls
        calls += 1
        if calls > 8:
            raise Cancelled("Запуск остановлен.")

    with pytest.raises(Cancelled):
        company.read("amocrm", checkpoint=checkpoint)
    assert company.marks() == {} and company.ids("raw_amocrm.leads") == set()
    assert len(company.outside.request_logs["amocrm"].requests()) <= 9
    assert company.read("amocrm").status == "complete"


def test_two_tenants_at_once_into_the_same_tables(make_company: Callable[[], Company]) -> None:
    companies = [make_company(), make_company()]
    results: dict[str, str] = {}
    threads = [
        threading.Thread(target=lambda c=c: results.update({c.slug: c.read("amocrm").status})) for c in companies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {company.slug: "complete" for company in companies}
    for company in companies:
        assert_whole(company)
    first, second = (company.content(*TABLES) for company in companies)
    assert first == second


def test_a_window_older_than_anything_read_is_read_too(company: Company) -> None:
    from synkro.core.windows import Window

    now = clock.now()
    company.read("amocrm", history_from=now - timedelta(days=2))
    few = len(company.ids("raw_amocrm.events"))
    old = Window(now - timedelta(days=6), now - timedelta(days=5))
    company.read("amocrm", window=old, history_from=now - timedelta(days=7))
    assert len(company.ids("raw_amocrm.events")) > few
    assert company.marks()["events"].cursor["from"] < (now - timedelta(days=6)).isoformat()
