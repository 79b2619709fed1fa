"""The walks alone, over vendors of a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.amocrm import paginator as amocrm
from ingestion.radist import paginator as radist
from synkro.core.errors import DataError, TransientError

START = datetime(2026, 2, 10, 9, 0, tzinfo=UTC)


class List:
    """amoCRM's list of rows: filter, order and page numbers over what is there at this moment."""

    def __init__(self, times: list[int], edits: Mapping[int, int] | None = None, filters: bool = True) -> None:
        self.rows = {number: time for number, time in enumerate(times, 1)}
        self.edits, self.filters, self.asked = dict(edits or {}), filters, 0

    def get(self, path: str, params: Mapping[str, Any], **_: Any) -> Any:
        self.asked += 1
        if self.asked in self.edits:
            # an edit between two requests: the row goes to the end
            self.rows[self.edits[self.asked]] = max(self.rows.values()) + 1
        low, high = params.get("filter[updated_at][from]", 0), params.get("filter[updated_at][to]", 10**12)
        if not self.filters:
            low, high = 0, 10**12
        found = [(time, number) for number, time in self.rows.items() if low <= time <= high]
        found.sort(reverse=params.get("order[updated_at]") == "desc")
        size, page = params["limit"], params["page"]
        part = found[(page - 1) * size : page * size]
        if not part:
            return None
        links = {"next": {"href": "x"}} if len(found) > page * size else {}
        return {"_links": links, "_embedded": {"leads": [{"id": n, "updated_at": t} for t, n in part]}}

    def walk(self, since: int | None = None, filters: bool = True) -> set[int]:
        begin = datetime.fromtimestamp(since, UTC) if since is not None else None
        pages = amocrm.updated_since(self.get, "/leads", "leads", {}, begin, filters=filters)
        return {row["id"] for page in pages for row in page}


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amocrm, "PAGE", 3)
    monkeypatch.setattr(radist, "PAGE", 3)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(100, 110), max_size=25),
    st.dictionaries(st.integers(1, 12), st.integers(1, 25), max_size=6),
    st.booleans(),
)
def test_no_row_is_lost_whatever_is_edited(times: list[int], edits: dict[int, int], filters: bool) -> None:
    vendor = List(times, {k: v for k, v in edits.items() if v <= len(times)}, filters)
    found = vendor.walk()
    # without filters a row may jump to the front each time it is looked at: then it is the next run's
    left_to_next_run = set() if filters or len(edits) < 3 else set(vendor.edits.values())
    assert found | left_to_next_run == set(range(1, len(times) + 1))


def test_a_row_that_leaves_a_crowded_second_hides_no_other() -> None:
    """The fourth request turns a page; just before it, row 1 is edited and row 4 slips onto page one."""
    assert List([100] * 10, edits={4: 1}).walk() == set(range(1, 11))


@pytest.mark.parametrize("filters", [True, False])
def test_only_what_is_newer_is_walked(filters: bool) -> None:
    vendor = List(list(range(100, 140)), filters=filters)
    assert vendor.walk(since=135, filters=filters) == {36, 37, 38, 39, 40}
    assert vendor.asked <= 5


def test_a_filter_that_is_ignored_is_noticed() -> None:
    assert List(list(range(100, 140)), filters=False).walk(since=138) == {39, 40}


def test_pages_in_a_circle_end() -> None:
    page = {"_links": {"next": {"href": "x"}}, "_embedded": {"users": [{"id": 1}]}}
    with pytest.raises(DataError, match="по кругу"):
        list(amocrm.pages(lambda *_: page, "/users", "users", {}))


@pytest.mark.parametrize("answer", [{"unexpected": True}, {"_embedded": {"leads": {"1": {}}}}, {"_embedded": [1]}])
def test_a_shape_that_is_no_list(answer: Any) -> None:
    with pytest.raises(DataError):
        amocrm.items(answer, "leads")


@pytest.mark.parametrize("answer", [None, {"_embedded": []}, {"_embedded": {}}, {"_embedded": {"leads": []}}])
def test_ways_to_say_nothing(answer: Any) -> None:
    assert amocrm.items(answer, "leads") == []


def test_slices_of_the_log_do_not_touch() -> None:
    asked: list[tuple[int, int]] = []

    def get(path: str, params: Mapping[str, Any]) -> None:
        asked.append((params["filter[created_at][from]"], params["filter[created_at][to]"]))

    list(amocrm.created_between(get, "/events", "events", {}, START - timedelta(days=40), START))
    slices = sorted(set(asked))
    assert slices[0][0] == int((START - timedelta(days=40)).timestamp()) and slices[-1][1] == int(START.timestamp())
    assert all(first[1] + 1 == second[0] for first, second in pairwise(slices))


class Dialog:
    """Radist's messages: the newest ``limit`` at or before (or before) ``until``."""

    def __init__(self, offsets: list[int], inclusive: bool, newest_first: bool) -> None:
        self.rows = sorted((START + timedelta(milliseconds=o), f"m{n}") for n, o in enumerate(offsets))
        self.inclusive, self.newest_first = inclusive, newest_first

    def get(self, path: str, params: Mapping[str, Any], **_: Any) -> list[dict[str, Any]]:
        until = datetime.fromisoformat(params["until"]) if "until" in params else None
        found = [r for r in self.rows if until is None or r[0] < until or (self.inclusive and r[0] == until)]
        page = found[-params["limit"] :]
        rows = [{"message_id": i, "chat_id": 5, "created_at": t.isoformat()} for t, i in page]
        return rows[::-1] if self.newest_first else rows

    def walk(self, since: datetime) -> tuple[set[str], int]:
        gaps: list[int] = []
        pages = radist.messages(self.get, "/messages/", 5, since, lambda: gaps.append(1))
        return {row["message_id"] for page in pages for row in page}, len(gaps)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 60), unique=True, max_size=30), st.booleans(), st.booleans())
def test_no_message_is_lost_under_either_reading(offsets: list[int], inclusive: bool, newest_first: bool) -> None:
    found, _ = Dialog(offsets, inclusive, newest_first).walk(START - timedelta(days=1))
    assert found == {f"m{n}" for n in range(len(offsets))}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=30), st.booleans(), st.booleans())
def test_what_a_tie_hides_is_counted(offsets: list[int], inclusive: bool, newest_first: bool) -> None:
    found, gaps = Dialog(offsets, inclusive, newest_first).walk(START - timedelta(days=1))
    assert gaps > 0 or found == {f"m{n}" for n in range(len(offsets))}


def test_a_dialog_is_read_back_to_the_mark_and_no_further() -> None:
    dialog = Dialog([n * 1000 for n in range(60)], True, True)
    found, _ = dialog.walk(START + timedelta(seconds=50))
    assert found >= {f"m{n}" for n in range(50, 60)} and len(found) <= 14


def test_an_until_that_is_not_heard_ends() -> None:
    dialog = Dialog(list(range(0, 60_000, 1000)), True, True)
    deaf = lambda path, params, **_: dialog.get(path, {"limit": params["limit"]})  # noqa: E731
    with pytest.raises(DataError, match="по кругу"):
        list(radist.messages(deaf, "/messages/", 5, START - timedelta(days=1), lambda: None))


@pytest.mark.parametrize("hours", [48, 1, -1], ids=["before the mark", "before the page", "after it"])
@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_row_of_another_dialog_does_not_decide_how_far_to_step(page: int, hours: int) -> None:
    dialog, asked = Dialog([n * 1000 for n in range(12)], True, True), 0
    stray = {"message_id": "x", "chat_id": 9, "created_at": (START - timedelta(hours=hours)).isoformat()}

    def get(path: str, params: Mapping[str, Any], **_: Any) -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        return [*dialog.get(path, params), *([stray] if asked == page else [])]

    pages = radist.messages(get, "/messages/", 5, START - timedelta(days=1), lambda: pytest.fail("no gap"))
    assert {row["message_id"] for page in pages for row in page} == {f"m{n}" for n in range(12)} | {"x"}


@pytest.mark.parametrize("last", [{"next_cursor": None}, {"next_cursor": ""}, {}, None])
def test_the_last_page_of_dialogs(last: Any) -> None:
    answers = {
        None: {"data": [1], "response_metadata": {"next_cursor": "a"}},
        "a": {"data": [2], "response_metadata": last},
    }
    pages = radist.contacts(lambda path, params, **_: answers[params.get("cursor")], "/with_contacts/")
    assert list(pages) == [[1], [2]]


def test_a_page_that_was_promised_and_is_empty_is_not_the_end() -> None:
    """Twice nothing, though the page before named a next one: said so, never taken for the end of the list."""
    vendor = List(list(range(100, 110)))

    def torn(path: str, params: Mapping[str, Any], **_: Any) -> Any:
        answer = vendor.get(path, params)
        return None if vendor.asked in (2, 3) else answer

    with pytest.raises(TransientError, match="оборвала"):
        list(amocrm.updated_since(torn, "/leads", "leads", {}, None))
    vendor.asked = 0
    with pytest.raises(TransientError, match="оборвала"):
        list(amocrm.pages(torn, "/leads", "leads", {}))
    dialog, asked = Dialog([n * 1000 for n in range(10)], True, True), 0

    def silent(path: str, params: Mapping[str, Any], **_: Any) -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        return [] if asked in (2, 3) else dialog.get(path, params)

    with pytest.raises(TransientError, match="пустую страницу"):
        list(radist.messages(silent, "/messages/", 5, START - timedelta(days=1), lambda: None))


@pytest.mark.parametrize("request_lost", [1, 2, 3, 4])
@pytest.mark.parametrize("nothing", [None, {"_embedded": []}, {"_embedded": {}}, {"_embedded": {"leads": []}}])
def test_amocrm_is_asked_twice_before_nothing_is_believed(nothing: Any, request_lost: int) -> None:
    """Whatever says it, on whichever page: one answer lost on the way ends no list."""
    vendor = List(list(range(100, 110)))

    def torn(path: str, params: Mapping[str, Any], **_: Any) -> Any:
        answer = vendor.get(path, params)
        return nothing if vendor.asked == request_lost else answer

    for walk in (
        lambda: amocrm.updated_since(torn, "/leads", "leads", {}, None),
        lambda: amocrm.pages(torn, "/leads", "leads", {}),
    ):
        vendor.asked = 0
        assert {row["id"] for page in walk() for row in page} == set(range(1, 11))


@pytest.mark.parametrize("request_lost", [1, 2, 3, 4])
def test_radist_is_asked_twice_before_nothing_is_believed(request_lost: int) -> None:
    dialog, asked = Dialog([n * 1000 for n in range(10)], True, True), 0

    def messages(path: str, params: Mapping[str, Any], **_: Any) -> Any:
        nonlocal asked
        asked += 1
        return [] if asked == request_lost else dialog.get(path, params)

    def contacts(path: str, params: Mapping[str, Any], **_: Any) -> Any:
        nonlocal asked
        asked += 1
        start = int(params.get("cursor", 0))
        page = [{"contact_id": number} for number in range(start, min(start + params["limit"], 10))]
        metadata = {"next_cursor": str(start + params["limit"]) if start + params["limit"] < 10 else None}
        return {"data": [] if asked == request_lost else page, "response_metadata": metadata}

    pages = radist.messages(messages, "/messages/", 5, START - timedelta(days=1), lambda: None)
    assert {row["message_id"] for page in pages for row in page} == {f"m{n}" for n in range(10)}
    asked = 0
    listed = radist.contacts(contacts, "/with_contacts/")
    assert {contact["contact_id"] for page in listed for contact in page} == set(range(10))


def test_who_writes_while_the_listing_is_walked_is_seen() -> None:
    """The last contact writes after page one was left, and stands on page one from then on."""
    order, asked = list(range(9)), 0

    def get(path: str, params: Mapping[str, Any], **_: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 2:
            order.insert(0, order.pop())
        start = int(params.get("cursor", 0))
        following = str(start + params["limit"]) if start + params["limit"] < len(order) else None
        page = [{"contact_id": number} for number in order[start : start + params["limit"]]]
        return {"data": page, "response_metadata": {"next_cursor": following}}

    seen = {contact["contact_id"] for page in radist.contacts(get, "/with_contacts/") for contact in page}
    assert seen == set(range(9)) and asked <= 6


def test_an_edit_without_filters_hides_no_row() -> None:
    """The oldest row is edited after page one was left, and stands on page one from then on."""
    assert List(list(range(100, 110)), edits={2: 1}, filters=False).walk(filters=False) == set(range(1, 11))
