"""Radist's recent dialogs, read beside the runs' own reading: nothing is missed, nothing of the runs' place is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.extract.context import SourceResult
from ingestion.pipelines import RECENT_READERS
from ingestion.radist import paginator
from synkro.core import clock
from tests.ingestion.conftest import Company
from tests.ingestion.test_radist import asked_chats, assert_whole, held, told

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def read_recent(company: Company) -> SourceResult:
    company.outside.request_logs["radist"].clear()
    return RECENT_READERS["radist"](company.context())


def listings(company: Company) -> int:
    return sum("with_contacts" in row["path"] for row in company.outside.request_logs["radist"].requests())


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paginator, "PAGE", 12)


@pytest.mark.parametrize("order", ["newest", "none"])
def test_what_changed_is_read_and_the_runs_place_stays(company: Company, small_pages: None, order: str) -> None:
    company.outside.faults["radist"].switches.update(listing_order=order)
    if order == "none":
        # pages without an order between them can be walked by nobody: one page then
        paginator.PAGE = 100
    company.read("radist")
    whole, marks = listings(company), company.marks()
    # the last of the listing: with any order it is found, with the newest first it comes up
    chat = list(told(company.outside))[-1]
    message = company.outside.world.say(chat, "Добрый день! Отправили расчёт.", kind="manager")
    began = clock.now()

    result = read_recent(company)

    assert (result.status, result.error) == ("complete", None)
    assert message.id in held(company)[chat] and chat in asked_chats(company)
    assert result.complete_until is not None and result.complete_until >= began - timedelta(seconds=2)
    assert company.marks() == marks
    assert order == "none" or listings(company) < whole
    # the next run goes on from its own place
    assert company.read("radist").status == "complete"
    assert_whole(company)


def test_a_vendor_that_is_down_is_a_result(company: Company) -> None:
    company.read("radist")
    company.outside.faults["radist"].add({"kind": "down"})
    result = RECENT_READERS["radist"](company.context())
    assert result.status == "failed" and result.error is not None


def test_a_company_that_was_never_read_has_nothing_to_look_at(company: Company) -> None:
    result = read_recent(company)
    assert result.status == "failed" and result.error is not None and "ни разу" in result.error.message


def walked(pages: list[list[Any]], since: datetime) -> int:
    """Pages asked for of a listing."""
    asked: list[int] = []

    def get(path: str, params: dict[str, Any], **options: Any) -> dict[str, Any]:
        at = int(params.get("cursor", 0))
        asked.append(at)
        rows = [{"contact_id": moment, "last_chat_updated_at": moment} for moment in pages[at]]
        more = {"next_cursor": str(at + 1)} if at + 1 < len(pages) else {}
        return {"data": rows, "response_metadata": more}

    list(paginator.contacts(get, "/contacts/", since))
    return max(asked) + 1


@pytest.mark.parametrize(
    ("hours", "since", "pages"),
    [
        # newest first: up to the first page that is too old as a whole
        ([[1, 2], [3, 9], [10, 11], [12, 13]], 8, 3),
        ([[1, 2], [3, 4], [5, 6]], 8, 3),
        # somebody newer further down: the order is not to be trusted, nor is it afterwards
        ([[9, 1], [10, 11], [12, 2], [13, 14]], 8, 4),
        # a moment that cannot be read may be any
        ([[9, None], [10, 11], [12, 2]], 8, 3),
    ],
)
def test_the_listing_is_left_once_it_is_too_old(hours: list[list[int | None]], since: int, pages: int) -> None:
    rows = [[None if h is None else (NOW - timedelta(hours=h)).isoformat() for h in page] for page in hours]
    assert walked(rows, NOW - timedelta(hours=since)) == pages
