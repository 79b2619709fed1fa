"""A read that is cut loses little: parts, places to go on from, and what a resumed read may believe."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ingestion.amocrm import paginator as amocrm_pages
from ingestion.amocrm.source import Amocrm
from ingestion.extract import context
from ingestion.extract.context import LoadContext
from ingestion.load import batches, streams
from ingestion.load.batches import Limits
from ingestion.radist import paginator as radist_pages
from synkro.core import clock
from synkro.core.errors import Cancelled, LeaseLost
from synkro.database import db
from synkro.runs import watermarks
from synkro.runs.watermarks import Backfill
from tests.ingestion.conftest import READ, Company

TABLES = {
    "amocrm": [f"raw_amocrm.{name}" for name in ("leads", "contacts", "events", "notes", "tasks", "deleted")],
    "radist": ["raw_radist.sources", "raw_radist.chats", "raw_radist.messages"],
}
#: the stream whose place is looked at
LONG = {"amocrm": "contacts", "radist": "messages"}


def nothing(*_: Any) -> None:
    """A callback that another process can be given."""


#: small pages and small parts
SMALL = (
    (amocrm_pages, "PAGE", 4),
    (amocrm_pages, "EVENT_PAGES", (10,)),
    (radist_pages, "PAGE", 12),
    (batches, "LIMITS", Limits(rows=30)),
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in SMALL:
        monkeypatch.setattr(module, name, value)


def after_parts(number: int, do: Callable[[], None]) -> Callable[..., None]:
    """``loading._settle`` that does something once so many parts stand."""
    true_settle, numbers = streams._settle, count(1)

    def settle(*given: Any) -> None:
        true_settle(*given)
        if next(numbers) == number:
            do()

    return settle


def killed_read(source: str, ctx: LoadContext, number: int) -> None:
    """In a process of its own: read, and be killed the moment part ``number`` stands."""
    for module, name, value in SMALL:
        setattr(module, name, value)
    streams._settle = after_parts(number, lambda: os.kill(os.getpid(), signal.SIGKILL))
    READ[source](ctx)


def cut(company: Company, source: str, monkeypatch: pytest.MonkeyPatch, number: int = 3, **options: Any) -> None:
    """A read that is told to stop after so many parts."""

    def stop() -> None:
        raise Cancelled("Запуск остановлен.")

    with monkeypatch.context() as patch:
        patch.setattr(streams, "_settle", after_parts(number, stop))
        with pytest.raises(Cancelled):
            company.read(source, **options)


def only(patch: pytest.MonkeyPatch, *names: str) -> None:
    """These streams of amoCRM alone, in the smallest parts: what stands after some parts is no matter of luck."""
    true_streams = Amocrm.streams
    patch.setattr(Amocrm, "streams", lambda self: [found for found in true_streams(self) if found.name in names])
    patch.setattr(batches, "LIMITS", Limits(rows=8))


def places(company: Company) -> dict[str, Backfill]:
    with db.as_service("test") as connection:
        return {found.stream: found for found in watermarks.backfills_of(connection, company.tenant_id)}


def requests(company: Company, source: str) -> list[str]:
    """Paths asked for since the last look."""
    request_log = company.outside.request_logs[source]
    asked = [row["path"] for row in request_log.requests()]
    request_log.clear()
    return asked


@pytest.mark.parametrize("source", ["amocrm", "radist"])
def test_a_killed_first_load_goes_on(make_company: Callable[[], Company], small: None, source: str) -> None:
    killed, whole = make_company(), make_company()
    ctx = killed.context(checkpoint=nothing, progress=nothing)
    child = multiprocessing.get_context("spawn").Process(target=killed_read, args=(source, ctx, 5))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    shutil.rmtree(ctx.work_dir)
    place = places(killed).get(LONG[source])
    # which streams get through five parts is a matter of luck: the long one stands somewhere, or is through
    assert LONG[source] in killed.marks() if place is None else place.done > 0 and place.position
    kept = sum(len(killed.ids(table)) for table in TABLES[source])
    assert kept >= 60

    requests(killed, source)
    assert killed.read(source).status == "complete"
    second = requests(killed, source)
    assert whole.read(source).status == "complete"
    assert len(second) < len(requests(whole, source))
    assert killed.content(*TABLES[source]) == whole.content(*TABLES[source])
    assert places(killed) == {} and set(killed.marks()) == set(whole.marks())


@pytest.mark.parametrize("source", ["amocrm", pytest.param("radist", marks=pytest.mark.assurance)])
def test_parts_of_one_row_hold_the_same(
    make_company: Callable[[], Company], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    small, large = make_company(), make_company()
    landed: list[int] = []
    true_settle = streams._settle

    def settle(*given: Any) -> None:
        landed.append(1)
        true_settle(*given)

    monkeypatch.setattr(streams, "_settle", settle)
    monkeypatch.setattr(amocrm_pages, "PAGE", 25)
    one = large.read(source)
    assert (one.status, len(landed)) == ("complete", 1)
    monkeypatch.setattr(batches, "LIMITS", Limits(rows=1))
    many = small.read(source)
    assert many.status == "complete" and len(landed) > 6
    assert small.content(*TABLES[source]) == large.content(*TABLES[source])
    for first, second in zip(one.loads, many.loads, strict=True):
        assert (first.stream, first.seen, first.loaded) == (second.stream, second.seen, second.loaded)


@pytest.mark.parametrize("stop", [Cancelled("Запуск остановлен."), LeaseLost("Запуск передан.")])
def test_an_order_to_stop_keeps_the_parts_before(
    company: Company, small: None, monkeypatch: pytest.MonkeyPatch, stop: Exception
) -> None:
    stood: list[set[Any]] = []
    only(monkeypatch, "leads")

    def checkpoint() -> None:
        if stood:
            raise stop

    monkeypatch.setattr(streams, "_settle", after_parts(2, lambda: stood.append(company.ids("raw_amocrm.leads"))))
    with pytest.raises(type(stop)):
        company.read("amocrm", checkpoint=checkpoint)
    assert stood[0] and company.ids("raw_amocrm.leads") == stood[0]
    assert "leads" not in company.marks() and 0 < places(company)["leads"].done <= len(stood[0])
    stood.clear()
    assert company.read("amocrm").status == "complete"
    assert places(company) == {} and "leads" in company.marks()


def test_what_changed_behind_a_cut_walk_is_read(company: Company, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        only(patch, "leads")
        cut(company, "amocrm", patch, number=2)
    assert "leads" in places(company)
    behind = min(company.ids("raw_amocrm.leads"))
    company.outside.world.edit_lead(behind, price=765_432)
    assert company.read("amocrm").status == "complete"
    rows = company.sql(
        "select payload from raw_amocrm.leads where tenant_id = %s and id = %s", company.tenant_id, behind
    )
    assert rows[0]["payload"]["price"] == 765_432


def test_what_was_said_in_a_dialog_already_read_is_read(
    company: Company, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(company, "radist", monkeypatch, number=4)
    whole = places(company)["messages"].position["whole"]
    said = company.outside.world.say(whole[0], "Ещё один вопрос")
    requests(company, "radist")
    assert company.read("radist").status == "complete"
    assert said.id in company.ids("raw_radist.messages", f"chat_id = {whole[0]}")
    asked = {
        int(found[0])
        for path in requests(company, "radist")
        if (found := parse_qs(urlsplit(path).query).get("chat_id"))
    }
    assert whole[0] in asked and not asked & set(whole[1:])


def test_contacts_of_deals_an_earlier_attempt_read_are_fetched(
    company: Company, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        only(patch, "leads", "contacts")
        cut(company, "amocrm", patch)
    assert places(company)
    rows = company.sql("select payload from raw_amocrm.leads where tenant_id = %s", company.tenant_id)
    named = [found["id"] for row in rows for found in row["payload"]["_embedded"]["contacts"]]
    company.sql(
        "delete from raw_amocrm.contacts where tenant_id = %s and id = any(%s) returning id", company.tenant_id, named
    )
    assert company.read("amocrm").status == "complete"
    assert set(named) <= company.ids("raw_amocrm.contacts")


@pytest.mark.parametrize("source", [pytest.param("amocrm", marks=pytest.mark.assurance), "radist"])
def test_the_place_of_another_tenant_is_never_used(
    make_company: Callable[[], Company], small: None, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    first, second = make_company(), make_company()
    cut(first, source, monkeypatch)
    left = places(first)
    assert left
    assert second.read(source).status == "complete"
    assert places(first) == left and places(second) == {}
    assert first.read(source).status == "complete"
    assert first.content(*TABLES[source]) == second.content(*TABLES[source])


@pytest.mark.parametrize(("days", "used"), [(90, True), (30, False)])
def test_a_place_is_used_if_its_read_goes_back_far_enough(
    company: Company, monkeypatch: pytest.MonkeyPatch, days: int, used: bool
) -> None:
    now = clock.now()
    until = now - timedelta(days=2)
    with db.as_service("test") as connection:
        watermarks.keep_backfill(
            connection,
            company.tenant_id,
            Backfill(
                "amocrm", "events", now - timedelta(days=days), now - timedelta(hours=5), {"until": until.isoformat()}
            ),
        )
    result = company.read("amocrm", history_from=now - timedelta(days=60))
    assert result.status == "complete"
    asked = [parse_qs(urlsplit(path).query) for path in requests(company, "amocrm") if "/events?" in path]
    begins = [
        int(query["filter[created_at][from]"][0]) for query in asked if "incoming_call" in query["filter[type]"][0]
    ]
    assert (min(begins) >= int(until.timestamp())) == used
    assert {load.stream: load.read_from for load in result.loads}["events"] == now - timedelta(days=90 if used else 60)
    assert "events" not in places(company)


def test_progress_counts_what_there_is(company: Company, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "_PROGRESS_GAP", 0.0)
    shown: list[tuple[str, int, int | None, str]] = []
    company.read("amocrm", progress=lambda *what: shown.append(what))
    days = [(done, total) for _, done, total, text in shown if "дней" in text]
    assert days and days[-1][1] in (61, 62) and days == sorted(days)
    shown.clear()
    company.read("radist", progress=lambda *what: shown.append(what))
    dialogs = [(done, total) for _, done, total, text in shown if "прочитано диалогов" in text]
    assert dialogs and all(total and 0 < done <= total for done, total in dialogs)
