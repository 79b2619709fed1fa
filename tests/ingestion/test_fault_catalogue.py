"""Every way a vendor is known to fail, on the first, a middle and the last page: nothing lost, nothing twice, nothing silent.

A read under a fault may end in two ways. Either it is complete, and raw says word for word what the vendor had to
tell; or it says in Russian what went wrong, the mark of the harmed stream stays, and the next read without the
fault makes raw whole. Which of the two a fault ends in is written down in ``KINDS`` and held.

Each of these was broken once on purpose, and the suite went red:

- without the second question after an empty page a lost answer is the end of the list (``204``);
- with a mark that moves although its stream failed, the rows of that stream are never asked for again;
- with a failed dialog that is called read, its messages are never asked for again (``JSON of another shape``);
- with messages told apart by their text, «да» is said once in a dialog (the calm read);
- with eight tries instead of four a vendor that is down is called twice as often as promised (``502 503 504``);
- without the block that a person has to lift, a blocked account goes on being called (``403 block``);
- with a refused row that is not counted, the account of the read does not add up (``null id``);
- with another price than the vendor's, the row is there and says something else (the calm read).

The walks alone (:mod:`tests.ingestion.test_paginators`) go red without the second of a page's border, without the
millisecond on top of ``until``, without the second look at the top of a list that moved, and with an empty page
believed where a next one was promised.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

import synkro.http.factory
from ingestion.amocrm import paginator as amocrm
from ingestion.extract.context import SourceResult
from ingestion.radist import paginator as radist
from sandbox import server
from sandbox.company.builder import generate
from synkro.connectors import accounts, integrations
from synkro.core import clock
from synkro.database import db
from tests.ingestion import oracle
from tests.ingestion.catalogue import KINDS, TARGETS, Target
from tests.ingestion.conftest import Company
from tests.support.representatives import representatives
from tests.support.sockets import NO_CERTIFICATES

pytestmark = pytest.mark.slow

#: a read that takes longer hangs; one without faults takes a second
DEADLINE = 30.0
TRIES = 4
PLACES = ("first", "middle", "last")


#: small pages: of each there are a first, a middle and a last one
DEALS_A_PAGE, PEOPLE_A_PAGE = 7, 9
#: every kind in every place of the two long walks, in the middle of the listing, and the telling ones at the rest
EVERYWHERE = ("leads", "messages")
TELLING = ("502 503 504", "cut JSON", "JSON of another shape", "204", "empty list", "null id", "a row of 2100")


def cases() -> list[Any]:
    return representatives(_cases(), lambda name, kind, place: [kind, name, (TARGETS[name].vendor, place)])


def _cases() -> Iterator[Any]:
    for name, target in TARGETS.items():
        for kind_name, kind in KINDS.items():
            for place in PLACES if name in EVERYWHERE else ("middle",) if name in ("chats", "events") else ("first",):
                known = {target.vendor, name} & set(kind.only)
                if known and (name in EVERYWHERE or name == "chats" or kind_name in TELLING):
                    yield pytest.param(name, kind_name, place, id=f"{name}-{kind_name}-{place}")


# --- the vendors and a calm read ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outside() -> Iterator[server.Sandbox]:
    """A small company whose stories are all over: what changes is what a test changes."""
    last = clock.now().date() - timedelta(days=25)
    first = next(day for back in range(4, 20) if fills_pages(day := last - timedelta(days=back), last))
    with server.start("small", now=clock.now, first_day=first, last_day=last) as sandbox:
        yield sandbox


def fills_pages(first: date, last: date) -> bool:
    """Whether the days have three pages of deals and of people, whatever weekdays they are."""
    company = generate(7, "small", first, last)
    shown = [deal for deal in company.deals if not deal.history.state(clock.now())["is_deleted"]]
    return len(shown) > 2 * DEALS_A_PAGE and len(company.radist_contacts) > 2 * PEOPLE_A_PAGE


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amocrm, "PAGE", DEALS_A_PAGE)
    monkeypatch.setattr(amocrm, "EVENT_PAGES", (100,))
    monkeypatch.setattr(radist, "PAGE", PEOPLE_A_PAGE)


@dataclass(frozen=True)
class Calm:
    """A read without faults: {path: how often it was asked}, by vendor."""

    asked: dict[str, Counter[str]]

    def pages(self, target: Target, path: str) -> int:
        return sum(count for asked, count in self.asked[target.vendor].items() if re.search(path, asked))


@pytest.fixture(scope="module")
def calm_reads() -> dict[str, Calm]:
    return {}


@pytest.fixture
def calm(calm_reads: dict[str, Calm], make_company: Callable[[], Company]) -> Calm:
    if not calm_reads:
        company = make_company()
        asked = {}
        for vendor in ("amocrm", "radist"):
            assert company.read(vendor).status == "complete"
            assert oracle.differences(oracle.told(company.outside.world, vendor), oracle.held(company, vendor)) == []
            asked[vendor] = Counter(row["path"] for row in company.outside.request_logs[vendor].requests())
            company.outside.request_logs[vendor].clear()
        calm_reads["calm"] = Calm(asked)
    return calm_reads["calm"]


def mend(outside: server.Sandbox, vendor: str) -> None:
    outside.faults[vendor].clear()
    outside.faults[vendor].add({"kind": "rate", "per_second": None})
    outside.request_logs[vendor].clear()


def bounded(company: Company, vendor: str) -> SourceResult:
    """A read that may not hang."""
    results: list[SourceResult] = []
    reader = threading.Thread(target=lambda: results.append(company.read(vendor)), daemon=True)
    reader.start()
    reader.join(DEADLINE)
    assert not reader.is_alive(), "the read hangs"
    return results[0]


@pytest.fixture(scope="module")
def pair() -> dict[str, str]:
    """The account's latest OAuth pair: every exchange kills the one before."""
    return {}


def by_oauth(company: Company, pair: dict[str, str]) -> None:
    """Connect the company by OAuth, with a pair that can be renewed."""
    at = company.outside.addresses["amocrm"]
    asked = {
        "client_id": at["client_id"],
        "client_secret": at["client_secret"],
        "grant_type": "refresh_token",
        "refresh_token": pair.get("refresh_token", at["refresh_token"]),
    }
    pair.update(
        httpx.post(f"{at['base_url']}/oauth2/access_token", json=asked, verify=NO_CERTIFICATES)
        .raise_for_status()
        .json()
    )
    public = {"base_url": at["base_url"], "client_id": at["client_id"], "redirect_uri": "https://example.test"}
    secrets = {name: pair[name] for name in ("access_token", "refresh_token")}
    with db.as_service("test") as connection:
        integrations.save_public(connection, company.tenant_id, "amocrm", {**public, "requests_per_second": 1000})
        integrations.save_secrets(
            connection, company.tenant_id, "amocrm", {"client_secret": at["client_secret"], **secrets}
        )
    company.outside.request_logs["amocrm"].clear()


# --- the catalogue --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target_name", "kind_name", "place"), cases())
def test_complete_or_said_so(
    company: Company,
    calm: Calm,
    pair: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    target_name: str,
    kind_name: str,
    place: str,
) -> None:
    target, kind = TARGETS[target_name], KINDS[kind_name]
    vendor, outside, world = target.vendor, company.outside, company.outside.world
    path = target.path.replace("{busiest}", str(busiest(world)))
    # the listing is looked at once more from its top
    pages = calm.pages(target, path) - (target_name == "chats")
    assert pages >= (1 if place == "first" else 3)
    after = {"first": 0, "middle": pages // 2, "last": pages - 1}[place]
    if kind.border:
        after = max(after, 1)
    oauth = vendor == "amocrm" and kind_name.startswith("401")
    if oauth:
        by_oauth(company, pair)
    short = synkro.http.factory.Bounds
    with monkeypatch.context() as patch, oracle.as_it_was(world):
        patch.setattr(synkro.http.factory, "Bounds", lambda **given: short(**{**kind.bounds, **given}))
        before = oracle.told(world, vendor)
        outside.faults[vendor].add({**kind.fault, "path": path, "after": after})
        fault = outside.faults[vendor]._active[-1]
        result = bounded(company, vendor)
        told = oracle.told(world, vendor)
        harmed = fault.state.get("harmed")
        ends = kind.ends_at(target_name, vendor)
        assert fault.fired, "a fault that did not strike proves nothing"
        assert (
            ends != "rides" or kind_name not in ("an edit between pages", "a deletion between pages") or told != before
        )
        check_requests(company, vendor, calm, oauth=oauth, storm=kind_name == "429 storm")
        check_account(company, vendor, result)
        check_end(result, target, ends)
        check_rows(company, vendor, result, before, told, harmed)
        mend(outside, vendor)
        patch.undo()
        if kind_name == "403 block" and vendor == "amocrm":
            refuses_until_a_person_looked(company)
        with db.as_service("test") as connection:
            connection.execute("delete from private.vendor_limits")
        again = bounded(company, vendor)
        if oauth:
            pair.update(integrations.secrets(company.tenant_id, "amocrm"))
        assert again.status == "complete", again.error and (again.error.message, again.error.detail)
        check_account(company, vendor, again)
        left = oracle.differences(told, oracle.held(company, vendor))
        if ends == "rejects":
            left = [line for line in left if not (line.endswith(": lost") and str(harmed) in line)]
        assert left == []
        assert company.marks()[target.stream].complete_until > clock.now() - timedelta(hours=2, minutes=1)


def busiest(world: Any) -> int:
    chat = max(world.company.chats, key=lambda chat: (len(chat.messages), chat.id))
    return int(chat.id)


def check_requests(company: Company, vendor: str, calm: Calm, *, oauth: bool, storm: bool) -> None:
    """Reading only, four tries a request, no more calls in a storm than twice the usual."""
    rows = company.outside.request_logs[vendor].requests()
    tokens = [row for row in rows if row["path"].startswith("/oauth2/")]
    assert len(tokens) <= (1 if oauth else 0)
    assert {row["method"] for row in rows if row not in tokens} == {"GET"}
    asked = Counter(row["path"] for row in rows)
    assert [path for path, count in asked.items() if count > calm.asked[vendor].get(path, 1) + TRIES - 1] == []
    if storm:
        assert len(rows) <= 2 * sum(calm.asked[vendor].values())


def check_account(company: Company, vendor: str, result: SourceResult) -> None:
    """What the read says of itself adds up, and the database says the same."""
    rows = company.sql(
        "select stream, status, seen, rejected, loaded, reasons, error from synkro.stream_loads where run_id ="
        " (select run_id from synkro.stream_loads where tenant_id = %s order by started_at desc limit 1)",
        company.tenant_id,
    )
    stored = {row["stream"]: row for row in rows}
    for load in result.loads:
        assert load.seen == load.rejected + load.loaded, load
        row = stored[load.stream]
        assert {name: getattr(load, name) for name in row} == row
        assert (load.status == "complete") == (load.error is None)


def check_end(result: SourceResult, target: Target, ends: str) -> None:
    load = next((load for load in result.loads if load.stream == target.stream), None)
    said = result.error and (result.error.message, result.error.detail)
    if ends == "refuses":
        assert load is None or load.status != "complete"
        assert result.status in ("incomplete", "failed") and result.error is not None
        assert re.search("[а-я]{4}", result.error.message) and "Traceback" not in result.error.message
        assert result.complete_until is None or target.stream == "deleted"
    else:
        assert load is not None
        assert (result.status, load.status, said) == ("complete", "complete", None)
        assert (load.rejected >= 1) == (ends == "rejects")


def check_rows(
    company: Company, vendor: str, result: SourceResult, before: oracle.Facts, told: oracle.Facts, harmed: Any
) -> None:
    """A stream that says it is complete has every row; whatever stands in raw was told by the vendor."""
    found = oracle.held(company, vendor)
    marks = company.marks()
    complete = {load.stream for load in result.loads if load.status == "complete"}
    assert set(marks) == complete
    for table, rows in found.items():
        wanted = before[table]
        if table in complete:
            missing = wanted.keys() - rows.keys() - (wanted.keys() - told[table].keys())
            assert {key for key in missing if harmed is None or str(harmed) not in str(key)} == set(), table
        for key, content in rows.items():
            if harmed is not None and table == "chats":
                continue
            assert content in (wanted.get(key), told[table].get(key)), (table, key)


def refuses_until_a_person_looked(company: Company) -> None:
    """A blocked account is not called again: every call would prolong the block."""
    refused = company.read("amocrm")
    assert refused.status == "failed" and "остановлены" in str(refused.error)
    assert company.outside.request_logs["amocrm"].requests() == []
    account = accounts.account("amocrm", company.integration("amocrm").public, True)
    account.limiter(company.tenant_id).unblock()
