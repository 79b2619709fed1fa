"""Radist into raw, against the sandbox's own account of what there is."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ingestion.radist import paginator
from sandbox.company.model import Message
from sandbox.server import Sandbox
from synkro.core import clock
from synkro.core.errors import Cancelled, ConfigurationError, TransientError
from tests.ingestion.conftest import Company

HISTORY = timedelta(days=62)
TABLES = ["raw_radist.sources", "raw_radist.chats", "raw_radist.messages"]


def told(outside: Sandbox) -> dict[int, list[str]]:
    """{chat id: its message ids} of everything that has happened."""
    now = clock.now()
    found: dict[int, list[str]] = outside.world.expected(now - HISTORY, now + timedelta(seconds=1)).messages
    return found


def held(company: Company) -> dict[int, list[str]]:
    rows = company.sql(
        "select chat_id, array_agg(id order by sent_at, id) as ids from raw_radist.messages where tenant_id = %s"
        " group by chat_id",
        company.tenant_id,
    )
    return {row["chat_id"]: row["ids"] for row in rows}


def assert_whole(company: Company) -> None:
    wanted, found = told(company.outside), held(company)
    assert {chat: set(ids) for chat, ids in found.items()} == {chat: set(ids) for chat, ids in wanted.items()}


def asked_chats(company: Company) -> set[int]:
    paths = [row["path"] for row in company.outside.request_logs["radist"].requests()]
    return {int(found[1]) for path in paths if (found := re.search(r"[?&]chat_id=(\d+)", path))}


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paginator, "PAGE", 12)


def test_a_first_load_holds_all_there_is(company: Company) -> None:
    result = company.read("radist")
    assert (result.status, result.error) == ("complete", None)
    assert_whole(company)
    assert company.ids("raw_radist.sources") == {c.id for c in company.outside.world.company.connections}
    assert company.ids("raw_radist.chats") >= set(told(company.outside))
    for load in result.loads:
        assert (load.status, load.seen) == ("complete", load.loaded + load.rejected)
    assert result.complete_until == company.marks()["messages"].complete_until
    assert {row["method"] for row in company.outside.request_logs["radist"].requests()} == {"GET"}
    chats = company.sql("select payload from raw_radist.chats where tenant_id = %s", company.tenant_id)
    phones = [chat["payload"]["_synkro"]["phone"] for chat in chats if not chat["payload"]["is_group"]]
    assert any(phones) and all(re.fullmatch(r"\+\d{10,15}", phone) for phone in phones if phone)
    assert all(not c["payload"]["_synkro"]["phone"] for c in chats if c["payload"]["is_group"])


def test_a_second_read_asks_for_no_dialog_and_changes_nothing(company: Company) -> None:
    company.read("radist")
    before = company.content(*TABLES)
    company.outside.request_logs["radist"].clear()
    assert company.read("radist").status == "complete"
    assert company.content(*TABLES) == before
    assert len(asked_chats(company)) <= 5


def test_a_new_message_reads_its_dialogs_alone(company: Company) -> None:
    company.read("radist")
    chat = next(iter(told(company.outside)))
    company.outside.request_logs["radist"].clear()
    message = company.outside.world.say(chat, "Ещё вопрос: «кавычки», \\u0000 и\nперенос")
    assert company.read("radist").status == "complete"
    assert message.id in held(company)[chat]
    assert chat in asked_chats(company) and len(asked_chats(company)) < 8
    assert_whole(company)


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"until_inclusive": False, "messages_order": "oldest", "last_cursor": "empty"},
        {"last_cursor": "missing", "chats_as": "null", "listing_order": "none"},
    ],
)
def test_paging_under_either_reading_of_the_vendor(
    company: Company, small_pages: None, switches: dict[str, Any]
) -> None:
    company.outside.faults["radist"].switches.update(switches)
    if switches.get("listing_order") == "none":
        # no order between pages at all cannot be walked by anyone: one page then
        paginator.PAGE = 100
    result = company.read("radist")
    assert result.status == "complete", result.error and result.error.detail
    assert_whole(company)


def test_more_messages_in_one_millisecond_than_a_page_holds(company: Company, small_pages: None) -> None:
    world = company.outside.world
    chat = world.chats[next(iter(told(company.outside)))]
    at = clock.now() - timedelta(hours=1)
    ties = [Message(f"tie-{n:02}", chat.id, at, "client", "text", "раз") for n in range(15)]
    chat.messages.extend(ties)
    chat.settle()
    try:
        result = company.read("radist")
        assert {load.stream: load for load in result.loads}["messages"].reasons["possible_gap"] >= 1
        missing = set(told(company.outside)[chat.id]) - set(held(company)[chat.id])
        assert missing < {tie.id for tie in ties}, "what stands before the tie is read all the same"
    finally:
        chat.messages[:] = [m for m in chat.messages if m not in ties]
        chat.settle()


def test_texts_that_the_database_would_refuse(company: Company) -> None:
    world = company.outside.world
    chat = next(iter(told(company.outside)))
    long = "очень длинное сообщение 🙂 " * 8000
    texts = ["ноль\x00внутри", "🙂🇰🇿 ‏שלום", long]
    said = [world.say(chat, text) for text in texts]
    result = company.read("radist")
    assert result.status == "complete"
    assert {load.stream: load for load in result.loads}["messages"].reasons["cleaned"] >= 1
    rows = company.sql(
        "select id, payload #>> '{text,text}' as text from raw_radist.messages where tenant_id = %s and chat_id = %s",
        company.tenant_id,
        chat,
    )
    held_texts = {row["id"]: row["text"] for row in rows}
    assert [held_texts[m.id] for m in said] == ["нольвнутри", texts[1], long]
    for message in said:
        world.chats[chat].messages.remove(message)
    world.chats[chat].settle()


@pytest.mark.parametrize(
    "kind", ["truncated_json", "no_content", "empty_embedded", "same_id_two_pages", "oversize_page"]
)
@pytest.mark.parametrize("path", [r"/with_contacts/", r"/messages/"])
def test_a_fault_on_the_way_changes_nothing(company: Company, small_pages: None, kind: str, path: str) -> None:
    company.outside.faults["radist"].add({"kind": kind, "path": path, "after": 1, "times": 1})
    result = company.read("radist")
    assert result.status == "complete", result.error and result.error.detail
    assert_whole(company)


def test_a_listing_that_moves_under_the_walk(company: Company, small_pages: None) -> None:
    company.outside.faults["radist"].add({"kind": "page_drift", "path": "/with_contacts/", "times": None})
    assert company.read("radist").status == "complete"
    company.outside.faults["radist"].clear()
    company.outside.faults["radist"].add({"kind": "rate", "per_second": None})
    # what was said during the walk may be left to the next run, never lost
    assert company.read("radist").status == "complete"
    assert_whole(company)


def test_a_listing_in_a_circle_ends(company: Company, small_pages: None) -> None:
    company.outside.faults["radist"].add({"kind": "next_link_loop", "path": "/with_contacts/", "times": None})
    result = company.read("radist")
    loads = {load.stream: load.status for load in result.loads}
    assert (loads["chats"], loads["messages"]) == ("incomplete", "incomplete")
    assert "messages" not in company.marks()
    company.outside.faults["radist"].clear()
    company.outside.faults["radist"].add({"kind": "rate", "per_second": None})
    assert company.read("radist").status == "complete"
    assert_whole(company)


def test_rows_that_cannot_be_kept_are_counted(company: Company) -> None:
    faults = company.outside.faults["radist"]
    faults.add({"kind": "row_2100", "path": "/messages/", "times": 1})
    faults.add({"kind": "null_id", "path": "/messages/", "times": 1})
    load = {load.stream: load for load in company.read("radist").loads}["messages"]
    assert load.status == "complete" and load.rejected == 2
    assert (load.reasons["future"], load.reasons["no_id"]) == (1, 1)


def test_a_vendor_that_goes_down_is_resumed(company: Company) -> None:
    faults = company.outside.faults["radist"]
    faults.add({"kind": "down", "path": "/messages/", "after": 5})
    result = company.read("radist")
    loads = {load.stream: load for load in result.loads}
    assert (result.status, loads["chats"].status, loads["messages"].status) == ("incomplete", "complete", "incomplete")
    assert isinstance(result.error, TransientError) and result.complete_until is None
    faults.clear()
    faults.add({"kind": "rate", "per_second": None})
    assert company.read("radist").status == "complete"
    assert_whole(company)


def test_a_dialog_that_failed_is_read_later_though_it_did_not_change(company: Company) -> None:
    """Raw knows the dialog, its contact is old: only the note beside the mark still asks for it."""
    world = company.outside.world
    company.read("radist")
    old = min(told(company.outside), key=lambda chat: world.messages(world.chats[chat])[-1].at)
    company.sql(
        "delete from raw_radist.messages where tenant_id = %s and chat_id = %s returning id", company.tenant_id, old
    )
    company.sql("delete from raw_radist.chats where tenant_id = %s and id = %s returning id", company.tenant_id, old)
    company.outside.faults["radist"].add({"kind": "status", "path": rf"chat_id={old}\b", "times": None, "status": 404})
    assert company.read("radist").status == "incomplete"
    assert old in company.ids("raw_radist.chats") and company.marks()["messages"].cursor["unread"] == [old]
    company.outside.faults["radist"].clear()
    company.outside.faults["radist"].add({"kind": "rate", "per_second": None})
    assert company.read("radist").status == "complete"
    assert company.marks()["messages"].cursor["unread"] == []
    assert_whole(company)


def test_a_message_delivered_late_is_seen_by_the_daily_second_look(company: Company) -> None:
    """It has its old date, and its contact is not touched: the listing says nothing of it."""
    world, now = company.outside.world, clock.now()
    # the listing speaks of contacts: theirs must have been silent, whatever other tests have said
    quiet = [chats[0].id for _, chats, last in world.talking(now) if last < now - timedelta(hours=2)]
    fresh, older = quiet[:2]
    world.say(fresh, "Свежее сообщение", at=now - timedelta(minutes=30))
    assert company.read("radist").status == "complete"
    late = world.say(fresh, "Пришло позже", at=now - timedelta(days=2))
    too_late = world.say(older, "Пришло слишком поздно", at=now - timedelta(days=9))
    later = None
    try:
        company.outside.request_logs["radist"].clear()
        assert company.read("radist").status == "complete"
        assert late.id not in company.ids("raw_radist.messages"), "the look of this day was taken"
        company.sql(
            "update synkro.watermarks set cursor = cursor || %s::jsonb where tenant_id = %s and stream = 'messages'"
            " returning stream",
            f'{{"late_at": "{(now - timedelta(hours=25)).isoformat()}"}}',
            company.tenant_id,
        )
        assert company.read("radist", is_awaited=True).status == "complete"
        assert late.id not in company.ids("raw_radist.messages"), "nobody is made to wait for it"
        company.outside.request_logs["radist"].clear()
        assert company.read("radist").status == "complete"
        held_ids = company.ids("raw_radist.messages")
        assert late.id in held_ids and too_late.id not in held_ids
        assert fresh in asked_chats(company) and older not in asked_chats(company)
        company.outside.request_logs["radist"].clear()
        company.read("radist")
        assert len(asked_chats(company)) <= 5, "once a day"
        later = world.say(fresh, "Пришло ещё позже", at=now - timedelta(days=2))
        company.sql(
            "update synkro.watermarks set cursor = cursor || %s::jsonb where tenant_id = %s and stream = 'messages'"
            " returning stream",
            f'{{"late_at": "{(now - timedelta(hours=49)).isoformat()}"}}',
            company.tenant_id,
        )
        company.read("radist", is_awaited=True)
        assert later.id in company.ids("raw_radist.messages"), "no company is left without it for long"
    finally:
        for message in (late, too_late, *([later] if later else [])):
            world.chats[message.chat_id].messages.remove(message)
            world.chats[message.chat_id].settle()


def test_a_limit_of_dialogs_puts_the_rest_off(company: Company) -> None:
    now = clock.now()
    last = company.outside.world.expected(now - HISTORY, now).chats
    result = company.read("radist", radist_fetch_limit=4)
    assert result.status == "incomplete" and "ограничено" in str(result.error)
    assert max(last, key=lambda chat: last[chat]) in held(company) and len(held(company)) == 4
    for _ in range(40):
        result = company.read("radist", radist_fetch_limit=15)
        if result.status == "complete":
            break
    assert_whole(company)


def test_down_from_the_start(company: Company) -> None:
    company.outside.faults["radist"].add({"kind": "down"})
    result = company.read("radist")
    assert result.status == "failed" and isinstance(result.error, TransientError) and company.marks() == {}


def test_another_company_is_refused(company: Company) -> None:
    company.sql(
        "update synkro.integration_configs set bound = '{\"company_id\": 7}' where tenant_id = %s and kind = 'radist' returning kind",
        company.tenant_id,
    )
    result = company.read("radist")
    assert result.status == "failed" and isinstance(result.error, ConfigurationError)
    assert company.outside.request_logs["radist"].requests() == []


def test_stop_between_pages(company: Company, small_pages: None) -> None:
    calls = 0
    before = set(threading.enumerate())

    def checkpoint() -> None:
        nonlocal calls
        calls += 1
        if calls > 12:
            raise Cancelled("Запуск остановлен.")

    with pytest.raises(Cancelled):
        company.read("radist", checkpoint=checkpoint)
    assert company.marks() == {} and held(company) == {}
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith(("dialogs", "draw")):
            thread.join(120)
            assert not thread.is_alive(), "the read goes on"


def test_two_tenants_at_once_into_the_same_tables(make_company: Callable[[], Company]) -> None:
    companies = [make_company(), make_company()]
    results: dict[str, str] = {}
    threads = [
        threading.Thread(target=lambda c=c: results.update({c.slug: c.read("radist").status})) for c in companies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {company.slug: "complete" for company in companies}
    for company in companies:
        assert_whole(company)
