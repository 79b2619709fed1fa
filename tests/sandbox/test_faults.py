"""Every kind of fault does on the wire what its line in the catalogue says."""

from __future__ import annotations

import gzip
import json
import threading
import time
from typing import Any

import httpx
import pytest

from sandbox.faults import transport_faults
from sandbox.faults.catalogue import KINDS
from sandbox.server import Sandbox
from tests.sandbox.conftest import amo, radist, root
from tests.support.sockets import NO_CERTIFICATES
from tests.support.virtual_time import VirtualTime

LISTING = "/messaging/chats/with_contacts/"
MESSAGES = "/messaging/messages/"
BUSY = {"chat_id": 59000001}


def strike(sandbox: Sandbox, *faults: dict[str, Any], vendor: str = "amocrm") -> None:
    with root(sandbox, vendor) as control:
        assert control.post("/_faults", json=list(faults)).status_code == 200


def test_the_catalogue_is_listed_and_a_stranger_is_refused(sandbox: Sandbox) -> None:
    with root(sandbox, "radist") as control:
        listed = control.get("/_faults").json()
        assert listed["kinds"] == {name: what for name, (what, _, _) in KINDS.items()} and len(KINDS) >= 30
        for body, words in (
            ({"kind": "earthquake"}, "slow_loris"),
            ({"kind": "status", "colour": 1}, "status, detail"),
            ({"kind": "rate", "bucket": "tea"}, "listings"),
            ({"kind": "switch", "name": "tea"}, "until_inclusive"),
            ({"kind": "down", "path": "("}, "regular expression"),
            ([], ""),
            (["down"], "JSON object"),
        ):
            answer = control.post("/_faults", json=body)
            assert answer.status_code == (400 if words else 200) and words in answer.text
        assert control.post("/_faults", content=b"{").status_code == 400
        assert control.put("/_faults").status_code == 405


def test_after_and_times_choose_the_page(sandbox: Sandbox) -> None:
    strike(sandbox, {"kind": "server_error", "path": "/leads", "after": 2, "times": 2})
    with amo(sandbox) as client:
        assert [client.get("/leads").status_code for _ in range(6)] == [200, 200, 500, 500, 200, 200]
        assert client.get("/contacts").status_code == 200
    strike(sandbox, {"kind": "server_error", "path": r"page=2"})
    with amo(sandbox) as client:
        assert [client.get("/leads", params={"page": p, "limit": 5}).status_code for p in (1, 2, 2)] == [200, 500, 200]
        with root(sandbox, "amocrm") as control:
            assert len(control.get("/_faults").json()["active"]) == 2
            control.delete("/_faults")
            assert control.get("/_faults").json()["active"] == []


@pytest.mark.parametrize(
    ("kind", "status", "html", "words"),
    [
        ("rate_limited_header", 429, False, "Too Many"),
        ("rate_limited_body", 429, False, "retry_after"),
        ("rate_limited_html", 429, True, "429"),
        ("blocked_html", 403, True, "Forbidden"),
        ("forbidden", 403, False, "Forbidden"),
        ("unauthorized", 401, False, "Unauthorized"),
        ("server_error", 500, False, "Internal"),
        ("html_200", 200, True, "nginx"),
        ("no_content", 204, False, ""),
        ("empty_body", 200, False, ""),
        ("wrong_shape", 200, False, "unexpected"),
        ("status", 418, False, "tea"),
    ],
)
@pytest.mark.parametrize("vendor", ["amocrm", "radist"])
def test_an_answer_instead_of_the_true_one(
    sandbox: Sandbox, vendor: str, kind: str, status: int, html: bool, words: str
) -> None:
    more = {"status": 418, "detail": "tea"} if kind == "status" else {}
    strike(sandbox, {"kind": kind, **more}, vendor=vendor)
    with amo(sandbox) if vendor == "amocrm" else radist(sandbox) as client:
        answer = client.get("/leads" if vendor == "amocrm" else LISTING)
    assert answer.status_code == status and words in answer.text
    assert ("html" in answer.headers.get("content-type", "")) is html
    assert (kind == "rate_limited_header") == ("retry-after" in answer.headers)
    if kind == "rate_limited_body":
        assert answer.json()["retry_after"] == 1
    if not html and status >= 400:
        assert set(answer.json()) >= ({"title", "status"} if vendor == "amocrm" else {"detail"})


def test_gateway_errors_come_in_a_burst(sandbox: Sandbox) -> None:
    strike(sandbox, {"kind": "gateway_errors"})
    with amo(sandbox) as client:
        assert [client.get("/leads").status_code for _ in range(6)] == [502, 503, 504, 502, 503, 200]


def test_a_storm_passes(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualTime()
    monkeypatch.setattr(transport_faults, "time", clock)
    strike(sandbox, {"kind": "rate_limit_storm", "seconds": 60})
    with amo(sandbox) as client:
        assert [client.get("/leads").status_code for _ in range(3)] == [429] * 3
        clock.sleep(59)
        assert client.get("/leads").status_code == 429
        clock.sleep(2)
        assert client.get("/leads").status_code == 200


def test_a_token_that_stays_bad_after_a_refresh(own: Sandbox) -> None:
    a = own.addresses["amocrm"]
    body = {
        "client_id": a["client_id"],
        "client_secret": a["client_secret"],
        "grant_type": "refresh_token",
        "refresh_token": a["refresh_token"],
    }
    strike(own, {"kind": "unauthorized_after_refresh"})
    with amo(own) as client:
        fresh = httpx.post(f"{a['base_url']}/oauth2/access_token", json=body, verify=NO_CERTIFICATES)
        assert fresh.status_code == 200
        assert (
            client.get("/leads", headers={"Authorization": f"Bearer {fresh.json()['access_token']}"}).status_code == 401
        )
        own.faults["amocrm"].clear()
        strike(own, {"kind": "unauthorized", "expire": True, "after": 1})
        assert [client.get("/leads").status_code for _ in range(3)] == [200, 401, 401]
        strike(own, {"kind": "refresh_refused"})
        refused = httpx.post(
            f"{a['base_url']}/oauth2/access_token",
            json={**body, "refresh_token": fresh.json()["refresh_token"]},
            verify=NO_CERTIFICATES,
        )
        assert refused.status_code == 401 and refused.json()["hint"] == "Token has been revoked"


@pytest.mark.parametrize("kind", ["reset_mid_body", "content_length_longer", "down", "lost_answer"])
def test_the_connection_breaks(sandbox: Sandbox, kind: str) -> None:
    strike(sandbox, {"kind": kind, "times": 1})
    with amo(sandbox) as client, root(sandbox, "amocrm") as control:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            client.get("/leads")
        assert client.get("/leads").status_code == 200
        assert [row["status"] for row in control.get("/_journal").json()] == [0, 200]


@pytest.mark.parametrize(
    "spec", [{"kind": "timeout"}, {"kind": "slow_loris"}, {"kind": "content_length_longer", "hang": True}]
)
def test_the_answer_does_not_end(sandbox: Sandbox, spec: dict[str, Any]) -> None:
    strike(sandbox, spec)
    with amo(sandbox) as client, pytest.raises(httpx.ReadTimeout):
        client.get("/leads", timeout=httpx.Timeout(60, read=0.4))


def test_a_slow_answer_is_whole_in_the_end(sandbox: Sandbox) -> None:
    strike(sandbox, {"kind": "slow_loris", "every": 0.0005})
    with amo(sandbox) as client:
        assert len(client.get("/leads", params={"limit": 1}).json()["_embedded"]["leads"]) == 1


def test_truncated_json_is_a_complete_http_answer(sandbox: Sandbox) -> None:
    strike(sandbox, {"kind": "truncated_json"})
    with amo(sandbox) as client:
        answer = client.get("/leads")
        assert answer.status_code == 200 and len(answer.content) == int(answer.headers["content-length"])
        with pytest.raises(json.JSONDecodeError):
            answer.json()


def test_a_gzip_bomb_is_small_on_the_wire(sandbox: Sandbox) -> None:
    strike(sandbox, {"kind": "gzip_bomb", "megabytes": 20})
    with amo(sandbox) as client, client.stream("GET", "/leads") as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip" and len(packed) < 60_000
    assert len(gzip.decompress(packed)) == 20 * 1_048_576 + 2


def test_records_are_bent(sandbox: Sandbox) -> None:
    params = {"limit": 5, "order[updated_at]": "asc"}
    with amo(sandbox) as client:

        def leads(page: int = 1, **fault: Any) -> list[Any]:
            sandbox.faults["amocrm"].clear()
            if fault:
                strike(sandbox, fault)
            found = client.get("/leads", params={**params, "page": page}).json()
            return found["_embedded"]["leads"]

        true = leads()
        assert leads(kind="duplicate_in_page") == [*true, true[0]]
        assert leads(kind="empty_embedded") == []
        assert leads(kind="null_id")[0]["id"] is None and "id" not in leads(kind="null_id", drop=True)[0]
        assert [r["updated_at"] for r in leads(kind="clock_skew", hours=-2)] == [r["updated_at"] - 7200 for r in true]
        assert leads(kind="bad_time")[0]["created_at"] is None
        assert leads(kind="bad_time", value="вчера")[0]["created_at"] == "вчера"
        far = leads(kind="row_2100")
        assert far[0]["updated_at"] > 4_000_000_000 and far[1:] == true[1:]
        shuffled = leads(kind="unordered")
        assert shuffled != true and sorted(map(str, shuffled)) == sorted(map(str, true))
        assert len(leads(kind="oversize_page")) > 40


def test_the_same_row_on_two_pages(sandbox: Sandbox) -> None:
    strike(sandbox, {"kind": "same_id_two_pages", "path": "/leads"})
    with amo(sandbox) as client:
        pages = [client.get("/leads", params={"limit": 5, "page": p}).json()["_embedded"]["leads"] for p in (1, 2)]
    assert pages[1][0] == pages[0][-1] and len(pages[1]) == 6


def test_a_link_that_leads_nowhere_new(sandbox: Sandbox) -> None:
    strike(sandbox, {"kind": "next_link_loop"})
    strike(sandbox, {"kind": "next_link_loop"}, vendor="radist")
    with amo(sandbox) as client, radist(sandbox) as chats:
        body = client.get("/leads", params={"limit": 5}).json()
        assert body["_links"]["next"]["href"] == body["_links"]["self"]["href"]
        first = chats.get(LISTING, params={"limit": 5}).json()
        cursor = first["response_metadata"]["next_cursor"]
        again = chats.get(LISTING, params={"limit": 5, "cursor": cursor}).json()
        assert again["response_metadata"]["next_cursor"] == cursor
        newest = chats.get(MESSAGES, params={**BUSY, "limit": 2}).json()
        assert chats.get(MESSAGES, params={**BUSY, "limit": 2, "until": newest[-1]["created_at"]}).json() == newest


def test_rows_drift_and_vanish_between_pages(own: Sandbox) -> None:
    params = {"limit": 5, "order[updated_at]": "asc"}
    with amo(own) as client:
        every = [r["id"] for r in client.get("/leads", params={**params, "limit": 250}).json()["_embedded"]["leads"]]
        strike(own, {"kind": "page_drift", "path": "/leads", "after": 1})
        pages = [
            [r["id"] for r in client.get("/leads", params={**params, "page": p}).json()["_embedded"]["leads"]]
            for p in (1, 2)
        ]
        assert pages == [every[:5], every[6:11]]
        own.faults["amocrm"].clear()
        strike(own, {"kind": "page_delete", "path": "/leads", "after": 1})
        ids = [
            [r["id"] for r in client.get("/leads", params={**params, "page": p}).json()["_embedded"]["leads"]]
            for p in (1, 2)
        ]
        assert ids[0] == every[1:6] and ids[1] == every[7:12]
    with radist(own) as client:
        strike(own, {"kind": "page_drift", "path": "with_contacts", "after": 1}, vendor="radist")
        first = client.get(LISTING, params={"limit": 5}).json()
        cursor = first["response_metadata"]["next_cursor"]
        second = client.get(LISTING, params={"limit": 5, "cursor": cursor}).json()["data"]
        assert second[0]["contact_id"] in {r["contact_id"] for r in first["data"]}


def test_the_journal_has_four_fields_and_keeps_the_order(sandbox: Sandbox) -> None:
    with amo(sandbox) as client, root(sandbox, "amocrm") as control:
        client.get("/leads", params={"limit": 3, "filter[id][]": "1"})
        client.get("/account")
        rows = control.get("/_journal").json()
        assert [set(row) for row in rows] == [{"at", "method", "path", "status"}] * 2
        assert rows[0]["path"] == "/api/v4/leads?limit=3&filter%5Bid%5D%5B%5D=1" and rows[0]["status"] == 204
        assert rows[0]["at"] < rows[1]["at"]
        assert control.delete("/_journal").json() == control.get("/_journal").json() == []


def test_a_request_under_way_stands_in_the_journal(sandbox: Sandbox) -> None:
    strike(sandbox, {"kind": "timeout", "seconds": 3})

    def ask() -> None:
        with amo(sandbox) as client, pytest.raises(httpx.HTTPError):
            client.get("/leads")

    asking = threading.Thread(target=ask)
    asking.start()
    give_up = time.monotonic() + 60
    with root(sandbox, "amocrm") as control:
        while not (rows := control.get("/_journal").json()):
            assert time.monotonic() < give_up
            time.sleep(0.02)
        assert rows[0]["status"] is None
        asking.join()
        assert control.get("/_journal").json()[0]["status"] == 0
