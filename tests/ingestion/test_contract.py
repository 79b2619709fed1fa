"""What connector test suites of the trade ask of a source, for both vendors and every stream.

Whole reads twice, increments, a re-read from every earlier mark, a mark in the far future, wrong credentials, the
same window again and again, windows in any order, a long history beside an increment, late arrivals, and the dialogs
that a careless key would merge. The company stands still; what a test changes, it changes for good, and every
comparison is made with what a fresh tenant reads from the same company.

Proven elsewhere and not repeated here: faults on the way, page drift, deletions, stops and rejected rows
(``test_amocrm.py``, ``test_radist.py``), time stamps and texts value by value (``test_rows.py``), changed shapes
(``test_drift.py``).

Seen red: reads that begin after the mark (``OVERLAP`` of -2 s: a re-read from a mark and a late arrival lose rows), a
mark of 2100 that is believed, an increment that claims a history it did not read, a phone as the key of a dialog.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.radist import paginator as radist_paginator
from sandbox.company.model import Change, Note, Task
from sandbox.company.world import World
from synkro.connectors import integrations
from synkro.core import clock
from synkro.core.errors import AuthenticationError
from synkro.core.windows import Window
from synkro.database import db
from tests.ingestion.conftest import Company
from tests.ingestion.contract import (
    PHONE,
    STREAMS,
    TANGLED,
    VENDORS,
    Content,
    assert_same,
    content,
    outside,
)

__all__ = ["outside"]  # the company all these tests read


def settled(company: Company, vendor: str) -> Content:
    result = company.read(vendor)
    assert result.status == "complete", result.error and result.error.detail
    return content(company, vendor)


def complete(company: Company, vendor: str, **options: Any) -> dict[str, Any]:
    """Read once more; {stream: its account}."""
    result = company.read(vendor, **options)
    assert result.status == "complete", result.error and (result.error.message, result.error.detail)
    return {load.stream: load for load in result.loads}


def set_marks(company: Company, vendor: str, **moments: datetime) -> None:
    for stream, moment in moments.items():
        company.sql(
            "update synkro.watermarks set complete_until = %s where tenant_id = %s and source = %s and stream = %s"
            " returning stream",
            moment, company.tenant_id, vendor, stream,
        )  # fmt: skip


def change_something(world: World) -> dict[str, Any]:
    """One new thing in every stream that has increments; {stream: id}."""
    now = world.now()
    living = [d for d in world.company.deals if not d.history.state(now)["is_deleted"]]
    lead, gone, card = living[0], living[-1], world.contacts[living[1].contact_ids[0]]
    world.edit_lead(lead.id, price=world.now().microsecond)
    world.delete_lead(gone.id)
    card.history.add(Change(now, 0, {"name": f"Клиент {now.microsecond}"}))
    note = Note(int(now.timestamp() * 1000) % 2**31, "contacts", card.id, "call_in", now, 0, 0, {"duration": 5})
    world.company.notes.append(note)
    task = Task(note.id, lead.id, now, 7_000_001, "Перезвонить", now + timedelta(days=1))
    world.company.tasks.append(task)
    chat = next(c for c in world.company.chats if c.crm_contact_id and c.messages)
    message = world.say(chat.id, "Здравствуйте ещё раз")
    event = world.events(world.now())[-1]
    return {
        "leads": lead.id, "contacts": card.id, "notes": note.id, "deleted": gone.id, "messages": message.id,
        "events": event.id, "tasks": task.id,
    }  # fmt: skip


# --- the contract --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_streams_are_all_there_are(company: Company, vendor: str) -> None:
    """A new table or stream must be declared above, with what its increments go by."""
    names = {load.stream for load in company.read(vendor).loads}
    tables = company.sql(
        "select table_name from information_schema.tables where table_schema = %s and table_name !~ '^_dlt'",
        f"raw_{vendor}",
    )
    assert names == {row["table_name"] for row in tables} == set(STREAMS[vendor])
    assert {stream for stream, rows in content(company, vendor).items() if not rows} == set()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_whole_read_twice_is_the_same(make_company: Callable[[], Company], vendor: str) -> None:
    """By a tenant that forgot its marks, and by another tenant of the same vendor account: same ids, two owners."""
    one, other = make_company(), make_company()
    first = settled(one, vendor)
    one.sql("delete from synkro.watermarks where tenant_id = %s returning stream", one.tenant_id)
    assert_same(settled(one, vendor), first)
    assert_same(settled(other, vendor), first)
    assert_same(content(one, vendor), first)


@pytest.mark.parametrize("vendor", VENDORS)
def test_two_increments_in_a_row(company: Company, make_company: Callable[[], Company], vendor: str) -> None:
    before = settled(company, vendor)
    changed = change_something(company.outside.world)
    complete(company, vendor)
    after = content(company, vendor)
    for stream in (name for name, time in STREAMS[vendor].items() if time):
        new = "".join(row for row in after[stream] if row not in before[stream])
        assert str(changed[stream]) in new, stream
    loads = complete(company, vendor)
    assert_same(content(company, vendor), after)
    for stream in (name for name, time in STREAMS[vendor].items() if time):
        # the overlap of ten minutes is read again: what the tests of this file have changed meanwhile
        assert loads[stream].seen < max(40, len(after[stream]) // 4), stream
        assert loads[stream].seen < len(after[stream]) or stream == "deleted"
    assert_same(settled(make_company(), vendor), after)


@pytest.mark.parametrize("steps", [(3, 8), pytest.param(range(10), marks=pytest.mark.assurance)], ids=["two", "ten"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_re_read_from_each_of_ten_earlier_marks(company: Company, vendor: str, steps: Iterable[int]) -> None:
    """Raw as it was when a mark stood at T, whichever T: every stream passes ten of them, each its own at a time.

    A mark stands one second before a row. Rows after it are taken away, those read whole are made stale.
    """
    wanted = settled(company, vendor)
    counted = [name for name, time in STREAMS[vendor].items() if time]
    times = {stream: moments(company, vendor, stream) for stream in counted}
    for step in steps:
        marks = {}
        for shift, stream in enumerate(counted):
            at = times[stream][len(times[stream]) * ((step + 3 * shift) % 10) // 10] - timedelta(seconds=1)
            marks[stream] = at
            forget_since(company, vendor, stream, at)
        for stream in set(STREAMS[vendor]) - set(counted):
            company.sql(
                f"update raw_{vendor}.{stream} set payload = '{{}}' where tenant_id = %s returning 1", company.tenant_id
            )
        set_marks(company, vendor, **marks)
        complete(company, vendor)
        assert_same(content(company, vendor), wanted)


def forget_since(company: Company, vendor: str, stream: str, at: datetime) -> None:
    """Take the rows after a moment out of raw; there are some."""
    table, time = f"raw_{vendor}.{stream}", STREAMS[vendor][stream]
    query = f"delete from {table} where tenant_id = %s and {time} > %s returning 1"
    assert company.sql(query, company.tenant_id, at), (stream, at)


def moments(company: Company, vendor: str, stream: str) -> list[datetime]:
    time = STREAMS[vendor][stream]
    rows = company.sql(
        f"select distinct {time} as at from raw_{vendor}.{stream} where tenant_id = %s and {time} is not null order by 1",
        company.tenant_id,
    )
    return [row["at"] for row in rows]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_mark_in_the_far_future(company: Company, make_company: Callable[[], Company], vendor: str) -> None:
    """A clock that was ahead days ago, and rows that came since: no mark is later than the moment it was written.

    The next read brings them, and the reads after it are right again.
    """
    wanted, far = settled(company, vendor), datetime(2100, 1, 1, tzinfo=UTC)
    for stream, time in STREAMS[vendor].items():
        written = clock.now()
        if time:
            times = moments(company, vendor, stream)
            written = times[len(times) // 2] - timedelta(seconds=1)
            forget_since(company, vendor, stream, written)
        set_marks(company, vendor, **{stream: far})
        company.sql(
            "update synkro.watermarks set updated_at = %s where tenant_id = %s and stream = %s returning stream",
            written, company.tenant_id, stream,
        )  # fmt: skip
    complete(company, vendor)
    assert_same(content(company, vendor), wanted)
    assert [s for s, mark in company.marks().items() if mark.complete_until > clock.now()] == []
    stored = company.sql(
        "select max(complete_until) as at from synkro.watermarks where tenant_id = %s", company.tenant_id
    )
    assert stored[0]["at"] <= clock.now()
    change_something(company.outside.world)
    complete(company, vendor)
    assert_same(content(company, vendor), settled(make_company(), vendor))


@pytest.mark.parametrize("vendor", VENDORS)
def test_wrong_credentials(company: Company, vendor: str) -> None:
    """A clear error, no mark moved, nothing lost, and no second knock at the entry point."""
    wanted, marks = settled(company, vendor), company.marks()
    name = {"amocrm": "access_token", "radist": "api_key"}[vendor]
    right = company.outside.addresses[vendor][name]
    give(company, vendor, {name: "f" * 40})
    company.outside.request_logs[vendor].clear()
    result = company.read(vendor)
    assert result.status == "failed" and isinstance(result.error, AuthenticationError)
    assert {"amocrm": "amoCRM", "radist": "Radist"}[vendor] in result.error.message
    assert company.marks() == marks and company.integration(vendor).status == "error"
    assert_same(content(company, vendor), wanted)
    assert len(company.outside.request_logs[vendor].requests()) <= 2
    give(company, vendor, {name: right})
    complete(company, vendor)
    assert_same(content(company, vendor), wanted)


def give(company: Company, vendor: Any, secrets: dict[str, str]) -> None:
    with db.as_service("test") as connection:
        integrations.save_secrets(connection, company.tenant_id, vendor, secrets)


# --- windows -------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a window does not bring the whole dialog with it."""
    monkeypatch.setattr(radist_paginator, "PAGE", 3)


def span(back: float, length: float = 1) -> dict[str, Any]:
    """A window that began ``back`` days ago, and a history that goes no further."""
    start = clock.now() - timedelta(days=back)
    return {"window": Window(start, start + timedelta(days=length)), "history_from": start}


@pytest.mark.parametrize("vendor", VENDORS)
def test_one_window_loaded_five_times(company: Company, vendor: str) -> None:
    window = span(12)
    complete(company, vendor, **window)
    once = content(company, vendor)
    for _ in range(4):
        complete(company, vendor, **window)
        assert_same(content(company, vendor), once)


@pytest.mark.assurance
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("order", [(6, 11, 16), (11, 16, 6)], ids=["backwards", "mixed"])
def test_windows_that_overlap_by_a_day_in_any_order(
    company: Company, make_company: Callable[[], Company], small_pages: None, vendor: str, order: tuple[int, ...]
) -> None:
    """Six days each, five apart. The result is one read from the earliest beginning."""
    for back in order:
        complete(company, vendor, **span(back, 6))
    reference = make_company()
    complete(reference, vendor, **span(max(order), 6))
    assert_same(content(company, vendor), content(reference, vendor))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_long_history_beside_an_increment(
    company: Company, make_company: Callable[[], Company], small_pages: None, vendor: str
) -> None:
    """The same tenant, at once: both are whole, and the increment's mark is not undone."""
    complete(company, vendor, **span(6))
    before = {name: mark.complete_until for name, mark in company.marks().items()}
    increment = {"history_from": span(6)["history_from"]}
    results: list[Any] = []
    for back in (9, 12, 16):
        # each time the history goes further back than before, the increment does not
        orders = [span(back), increment]
        threads = [
            threading.Thread(target=lambda order=order: results.append(company.read(vendor, **order)))
            for order in orders
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [result.status for result in results] == ["complete"] * 6, [r.error and r.error.detail for r in results]
    assert all(mark.complete_until >= before[name] for name, mark in company.marks().items())
    reference = make_company()
    complete(reference, vendor, **span(16))
    assert_same(content(company, vendor), content(reference, vendor))


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_increment_claims_no_history_it_did_not_read(
    company: Company, make_company: Callable[[], Company], small_pages: None, vendor: str
) -> None:
    """A short first load, an ordinary increment, then a window older than the first load: it is read all the same."""
    complete(company, vendor, **span(6))
    complete(company, vendor)
    complete(company, vendor, **span(16))
    reference = make_company()
    complete(reference, vendor, **span(16))
    assert_same(content(company, vendor), content(reference, vendor))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_late_arrival_inside_the_overlap(company: Company, make_company: Callable[[], Company], vendor: str) -> None:
    """Rows that carry a time five minutes older than the mark and show up after it."""
    settled(company, vendor)
    world = company.outside.world
    mark = max(mark.complete_until for mark in company.marks().values())
    at = mark - timedelta(minutes=5)
    living = [d for d in world.company.deals if not d.history.state(at)["is_deleted"]]
    card = world.contacts[8_990_001]
    living[2].history.add(Change(at, 0, {"price": 987_654}))
    living[3].history.add(Change(at, 0, {"is_deleted": True}))
    card.history.add(Change(at, 0, {"name": "Айгуль Опоздавшая"}))
    number = int(at.timestamp() * 1000) % 2**31
    world.company.notes.append(Note(number, "contacts", card.id, "call_out", at, 0, 0, {"duration": 61}))
    world.company.tasks.append(Task(number, living[4].id, at, 7_000_001, "Отправить расчёт", at))
    said = world.say(803, "дошло позже", at=at)
    logged = world.say(next(c.id for c in world.company.chats if c.crm_contact_id), "и это", at=at)
    complete(company, vendor)
    found = content(company, vendor)
    late = {"leads": "987654", "contacts": "Опоздавшая", "notes": str(number), "deleted": str(living[3].id)}
    late |= {"tasks": str(number)}
    late |= {"messages": said.id, "events": world.events(world.now())[-1].id if logged else ""}
    for stream in (name for name, time in STREAMS[vendor].items() if time):
        assert late[stream] in "".join(found[stream]), stream
    assert_same(found, settled(make_company(), vendor))


# --- dialogs, phones, people ---------------------------------------------------------------------------------------


def test_every_dialog_of_a_phone_is_a_dialog(make_company: Callable[[], Company]) -> None:
    """Two in one channel, one in another, a group with the same number, and the same ids in another tenant."""
    companies = [make_company(), make_company()]
    for company in companies:
        complete(company, "radist")
        rows = company.sql(
            "select id, connection_id, payload #>> '{_synkro,phone}' as phone,"
            " (select count(*) from raw_radist.messages m where m.tenant_id = c.tenant_id and m.chat_id = c.id) as said"
            " from raw_radist.chats c where tenant_id = %s and id between 801 and 804 order by id",
            company.tenant_id,
        )
        spoken = {chat: len(company.outside.world.chats[chat].messages) for chat in (*TANGLED, 804)}
        wanted = [(chat, connection, PHONE, spoken[chat]) for chat, connection in TANGLED.items()]
        assert [tuple(row.values()) for row in rows] == [*wanted, (804, 501, None, spoken[804])]
    assert_same(content(companies[1], "radist"), content(companies[0], "radist"))


def test_a_phone_of_two_contacts_and_a_merged_one(company: Company) -> None:
    """Both cards keep the phone; the merged one, which a deal still names, is a stub and takes nobody's place."""
    complete(company, "amocrm")
    rows = company.sql(
        "select id, payload #> '{_synkro}' as ours, payload ->> 'name' as name from raw_amocrm.contacts"
        " where tenant_id = %s and id between 8990001 and 8990003 order by id",
        company.tenant_id,
    )
    assert [row["ours"] for row in rows] == [{"phones": [PHONE]}, {"phones": [PHONE]}, {"stub": True}]
    assert rows[0]["name"].startswith("Айгуль") and rows[2]["name"] is None
