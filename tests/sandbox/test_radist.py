"""Radist over HTTP: the whole company arrives by cursor and ``until``, in the vendor's spellings."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from sandbox.company.model import Chat
from sandbox.server import Sandbox
from tests.sandbox.conftest import NOW, radist, root
from tests.support.sockets import NO_CERTIFICATES

LISTING = "/messaging/chats/with_contacts/"
MESSAGES = "/messaging/messages/"


def moment(raw: str) -> datetime:
    found = datetime.fromisoformat(raw)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def listing(client: httpx.Client, limit: int = 100) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        body = client.get(LISTING, params={"limit": limit, **({"cursor": cursor} if cursor else {})}).json()
        rows += body["data"]
        cursor = body.get("response_metadata", {}).get("next_cursor")
        if not cursor:
            return rows


def history(client: httpx.Client, chat_id: int, limit: int = 100) -> list[dict[str, Any]]:
    """Backwards by the safe rule: until = oldest + 1 ms, dedupe, and step below it when a page brings nothing new."""
    found: dict[str, dict[str, Any]] = {}
    until: str | None = None
    while True:
        params = {"chat_id": chat_id, "limit": limit, **({"until": until} if until else {})}
        page = client.get(MESSAGES, params=params).json()
        fresh = [m for m in page if m["message_id"] not in found]
        found |= {m["message_id"]: m for m in fresh}
        if len(page) < limit:
            return list(found.values())
        step = timedelta(milliseconds=1) if fresh else timedelta(milliseconds=-1)
        until = (min(moment(m["created_at"]) for m in page) + step).isoformat().replace("+00:00", "Z")


def busiest(sandbox: Sandbox) -> Chat:
    world = sandbox.world
    return max(world.company.chats, key=lambda c: len(world.messages(c)))


def test_every_message_of_every_dialog_arrives(sandbox: Sandbox) -> None:
    expected = sandbox.world.expected(datetime(2026, 9, 1, tzinfo=UTC), NOW + timedelta(seconds=1))
    with radist(sandbox) as client:
        chats = [chat["chat_id"] for row in listing(client, 30) for chat in row["chats"]]
        assert sorted(chats) == sorted(expected.messages)
        for chat_id in chats[:25]:
            rows = history(client, chat_id)
            assert {m["message_id"] for m in rows} == set(expected.messages[chat_id])


def test_until_pages_of_five_bring_a_long_dialog_whole(sandbox: Sandbox) -> None:
    chat = busiest(sandbox)
    with radist(sandbox) as client:
        rows = history(client, chat.id, limit=5)
    assert sorted(m["message_id"] for m in rows) == sorted(m.id for m in sandbox.world.messages(chat))


def test_until_is_inclusive_newest_first_and_both_are_switches(sandbox: Sandbox) -> None:
    chat = busiest(sandbox)
    messages = sandbox.world.messages(chat)
    params = {"chat_id": chat.id, "limit": 3, "until": messages[5].at.isoformat()}
    with radist(sandbox) as client:
        ids = [m["message_id"] for m in client.get(MESSAGES, params=params).json()]
        assert ids == [messages[5].id, messages[4].id, messages[3].id]
        sandbox.faults["radist"].add({"kind": "switch", "name": "until_inclusive", "value": False})
        sandbox.faults["radist"].add({"kind": "switch", "name": "messages_order", "value": "oldest"})
        ids = [m["message_id"] for m in client.get(MESSAGES, params=params).json()]
        assert ids == [messages[2].id, messages[3].id, messages[4].id]


def test_a_hundred_and_fifty_messages_of_one_moment(own: Sandbox) -> None:
    """Ties wider than a page: the newest hundred is all that ``until`` can show of that moment."""
    chat = busiest(own)
    for i in range(150):
        own.world.say(chat.id, f"строка {i}", at=NOW - timedelta(minutes=3))
    with radist(own) as client:
        page = client.get(MESSAGES, params={"chat_id": chat.id, "limit": 500}).json()
        assert len(page) == 100 and len({moment(m["created_at"]) for m in page}) == 1


def test_the_listing_is_newest_first_and_may_drift(own: Sandbox) -> None:
    with radist(own) as client:
        rows = listing(client, 10)
        times = [moment(r["last_chat_updated_at"]) for r in rows]
        assert times == sorted(times, reverse=True)
        first = client.get(LISTING, params={"limit": 10}).json()
        own.world.say(rows[-1]["chats"][0]["chat_id"], "Добрый день!")
        cursor = first["response_metadata"]["next_cursor"]
        second = client.get(LISTING, params={"limit": 10, "cursor": cursor}).json()["data"]
        assert second[0]["contact_id"] == first["data"][-1]["contact_id"]
        assert client.get(LISTING).json()["data"][0]["contact_id"] == rows[-1]["contact_id"]


@pytest.mark.parametrize(
    ("value", "last"), [("null", {"next_cursor": None}), ("empty", {"next_cursor": ""}), ("missing", None)]
)
def test_the_last_page_says_so_in_three_ways(sandbox: Sandbox, value: str, last: Any) -> None:
    sandbox.faults["radist"].add({"kind": "switch", "name": "last_cursor", "value": value})
    with radist(sandbox) as client:
        cursor = client.get(LISTING, params={"limit": 40}).json()["response_metadata"]["next_cursor"]
        assert client.get(LISTING, params={"limit": 40, "cursor": cursor}).json().get("response_metadata") == last
        assert client.get(LISTING, params={"cursor": "nonsense"}).status_code == 422


@pytest.mark.parametrize(("value", "chats"), [("empty", []), ("null", None)])
def test_a_contact_without_dialogs(sandbox: Sandbox, value: str, chats: Any) -> None:
    with radist(sandbox) as client:
        usual = listing(client, 13)
        sandbox.faults["radist"].add({"kind": "switch", "name": "bare_contact", "value": value})
        rows = listing(client, 13)
    assert len(rows) == len(usual) + 1 and rows[-1]["chats"] == chats


def test_times_come_in_four_spellings_of_one_moment(sandbox: Sandbox) -> None:
    with radist(sandbox) as client:
        raw = [
            m["created_at"]
            for row in listing(client)[:12]
            for c in row["chats"]
            for m in client.get(MESSAGES, params={"chat_id": c["chat_id"]}).json()
        ]
    shapes = {
        "offset": r"T\d\d:\d\d:\d\d\+00:00$",
        "micro offset": r"\.\d{6}\+00:00$",
        "micro naive": r"\.\d{6}$",
        "zulu": r"Z$",
    }
    assert all(any(re.search(shape, value) for value in raw) for shape in shapes.values())
    assert all(any(re.search(shape, value) for shape in shapes.values()) for value in raw)


def test_payloads_sit_under_their_type_and_name_no_author(sandbox: Sandbox) -> None:
    seen: dict[str, dict[str, Any]] = {}
    wanted = {"text", "image", "voice", "file", "sticker", "waba_template", "waba_interactive"}
    with radist(sandbox) as client:
        for row in listing(client):
            for chat in row["chats"] if wanted - set(seen) else ():
                for m in client.get(MESSAGES, params={"chat_id": chat["chat_id"]}).json():
                    assert not {"author", "user", "manager"} & set(m)
                    assert m["direction"] in ("inbound", "outbound")
                    assert m["direction"] == "outbound" or m["delivered_at"] is None
                    seen.setdefault(m["message_type"], m)
    assert wanted <= set(seen)
    assert seen["text"]["text"]["text"] and seen["waba_interactive"]["waba_interactive"]["body"]["text"]
    assert seen["waba_template"]["waba_template"]["text"] and seen["file"]["file"]["name"].endswith(".pdf")
    assert "caption" in seen["image"]["image"]


def test_read_at_comes_later(sandbox: Sandbox) -> None:
    chat, message = next(
        (c, m)
        for c in sandbox.world.company.chats
        for m in c.messages
        if m.read_at and m.read_at - m.at > timedelta(minutes=5) and m.read_at < NOW
    )
    with radist(sandbox) as client:
        for minutes, read in ((1, False), (60 * 24 * 30, True)):
            sandbox.world.set_now(min(message.at + timedelta(minutes=minutes), NOW))
            rows = {m["message_id"]: m for m in history(client, chat.id)}
            assert (rows[message.id]["read_at"] is not None) is read


def test_a_late_message_of_the_past(own: Sandbox) -> None:
    chat = busiest(own)
    with radist(own) as client, root(own, "radist") as control:
        at = (own.world.messages(chat)[2].at + timedelta(seconds=1)).isoformat()
        made = control.post("/_inject", json={"chat_id": chat.id, "text": "из истории", "at": at}).json()
        assert made["message_id"] in {m["message_id"] for m in history(client, chat.id)}
        assert control.post("/_inject", json={"chat_id": 1}).status_code == 404


def test_the_door(sandbox: Sandbox) -> None:
    a = sandbox.addresses["radist"]
    with radist(sandbox) as client, root(sandbox, "radist") as control:
        assert client.get(LISTING, headers={"X-Api-Key": "wrong"}).status_code == 401
        assert (
            httpx.get(
                f"{a['base_url']}/companies/77/messaging/chats/sources/",
                headers={"X-Api-Key": a["api_key"]},
                verify=NO_CERTIFICATES,
            ).status_code
            == 404
        )
        moved = client.get("/messaging/chats/sources")
        assert moved.status_code == 307 and moved.headers["location"].endswith("/sources/")
        assert client.get(MESSAGES).status_code == 422
        assert client.get(MESSAGES, params={"chat_id": 1}).json() == []
        control.post("/_faults", json={"kind": "switch", "name": "scope", "value": False})
        assert client.get(LISTING).status_code == 403
        control.post("/_faults", json={"kind": "switch", "name": "revoked", "value": True})
        assert client.get(LISTING).status_code == 401


def test_company_connections_and_sources(sandbox: Sandbox) -> None:
    a = sandbox.addresses["radist"]
    with radist(sandbox) as client:
        key = {"X-Api-Key": a["api_key"]}
        assert "id" in httpx.get(f"{a['base_url']}/users/me", headers=key, verify=NO_CERTIFICATES).json()
        assert (
            httpx.get(f"{a['base_url']}/companies/", headers=key, verify=NO_CERTIFICATES).json()["companies"][0]["id"]
            == a["company_id"]
        )
        kinds = {c["type"] for c in client.get("/connections/").json()["connections"]}
        assert kinds == {"whatsapp", "waba", "telegram", "max_personal", "amocrm"}
        sources = client.get("/messaging/chats/sources/").json()
        assert {s["type"] for s in sources} == {"whatsapp", "waba", "telegram", "max_personal"}
        for value, kinds in (("empty", set()), ("null", {"avito"})):
            sandbox.faults["radist"].add({"kind": "switch", "name": "sources", "value": value})
            odd = client.get("/messaging/chats/sources/").json()
            assert {s["type"] for s in odd if s["connection_id"] is None} == kinds
        assert client.get(f"/connections/{sources[0]['connection_id']}").json()["type"] == "whatsapp"
        assert client.get("/connections/9").status_code == 404
        assert client.get("/contacts/").json()["items"][0]["phones"] is not None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
def test_anything_but_get_is_refused_and_written_down(sandbox: Sandbox, method: str) -> None:
    with radist(sandbox) as client, root(sandbox, "radist") as control:
        assert client.request(method, MESSAGES).status_code == 405
        assert [v["method"] for v in control.get("/_violations").json()] == [method]


def test_one_listing_a_second_five_calls_a_second(sandbox: Sandbox) -> None:
    with radist(sandbox) as client, root(sandbox, "radist") as control:
        control.post(
            "/_faults",
            json=[
                {"kind": "rate", "bucket": "listings", "per_second": 1},
                {"kind": "rate", "bucket": "all", "per_second": 5},
            ],
        )
        assert [client.get(LISTING, params={"limit": 1}).status_code for _ in range(2)] == [200, 429]
        codes = [client.get(MESSAGES, params={"chat_id": 1}).status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
