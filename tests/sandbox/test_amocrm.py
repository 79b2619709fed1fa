"""amoCRM over HTTP, held against the oracle of the company and against the vendor's documented habits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from sandbox.server import Sandbox
from tests.sandbox.conftest import FIRST, NOW, amo, root
from tests.support.sockets import NO_CERTIFICATES

LONG_AGO = datetime(2026, 9, 1, tzinfo=UTC)


def walk(client: httpx.Client, path: str, key: str, **params: Any) -> list[dict[str, Any]]:
    """All rows by ``_links.next`` alone."""
    found: list[dict[str, Any]] = []
    answer = client.get(path, params=params)
    while answer.status_code == 200:
        body = answer.json()
        found += body["_embedded"][key]
        following = body["_links"].get("next")
        if not following:
            break
        assert following["href"].startswith("http://127.0.0.1:")
        answer = client.get(following["href"])
    return found


@pytest.mark.parametrize("limit", [7, 50, 250])
def test_leads_and_contacts_are_all_there_page_by_page(sandbox: Sandbox, limit: int) -> None:
    expected = sandbox.world.expected(LONG_AGO, NOW + timedelta(seconds=1))
    with amo(sandbox) as client:
        leads = walk(client, "/leads", "leads", limit=limit)
        contacts = walk(client, "/contacts", "contacts", limit=limit)
    assert {row["id"]: row["updated_at"] for row in leads} == expected.leads
    assert {row["id"]: row["updated_at"] for row in contacts} == expected.contacts
    assert len(leads) == len(expected.leads) > 40


def test_one_row_more_than_a_page_is_a_page_of_its_own(sandbox: Sandbox) -> None:
    every = len(sandbox.world.expected(LONG_AGO, NOW + timedelta(seconds=1)).leads)
    with amo(sandbox) as client:
        for limit, pages in ((every - 1, 2), (every, 1)):
            body = client.get("/leads", params={"limit": limit}).json()
            assert ("next" in body["_links"]) == (pages == 2)
            assert len(walk(client, "/leads", "leads", limit=limit)) == every


def test_a_window_of_updates_has_both_ends_included(sandbox: Sandbox) -> None:
    with amo(sandbox) as client:
        every = walk(client, "/leads", "leads", limit=250, **{"order[updated_at]": "asc"})
        times = [row["updated_at"] for row in every]
        assert times == sorted(times)
        low, high = times[10], times[20]
        rows = walk(
            client, "/leads", "leads", limit=3, **{"filter[updated_at][from]": low, "filter[updated_at][to]": high}
        )
    assert {row["id"] for row in rows} == {row["id"] for row in every if low <= row["updated_at"] <= high}


def test_a_keyset_walk_finds_everything(sandbox: Sandbox) -> None:
    """Always page 1, ``from`` = the last second seen: no page number, no drift."""
    found: dict[int, int] = {}
    low = 0
    with amo(sandbox) as client:
        while True:
            params = {"limit": 20, "order[updated_at]": "asc", "filter[updated_at][from]": low}
            rows = client.get("/leads", params=params).json()["_embedded"]["leads"]
            fresh = {r["id"]: r["updated_at"] for r in rows if r["id"] not in found}
            if not fresh:
                break
            found |= fresh
            low = rows[-1]["updated_at"]
    assert found == sandbox.world.expected(LONG_AGO, NOW + timedelta(seconds=1)).leads


def test_filters_are_silently_ignored_when_the_account_may_not_filter(sandbox: Sandbox) -> None:
    params = {"limit": 250, "filter[updated_at][from]": int(NOW.timestamp()) - 3600}
    with amo(sandbox) as client, root(sandbox, "amocrm") as control:
        some = len(walk(client, "/leads", "leads", **params))
        control.post("/_faults", json={"kind": "switch", "name": "is_api_filter_enabled", "value": False})
        every = len(walk(client, "/leads", "leads", **params))
        assert client.get("/account", params={"with": "is_api_filter_enabled"}).json()["is_api_filter_enabled"] is False
    assert some < every > 40


def test_a_filter_by_ids_statuses_and_people(sandbox: Sandbox) -> None:
    with amo(sandbox) as client:
        every = walk(client, "/leads", "leads", limit=250)
        ids = [row["id"] for row in every[:3]]
        assert [r["id"] for r in walk(client, "/leads", "leads", **{"filter[id][]": ids})] == ids
        assert [
            r["id"] for r in walk(client, "/leads", "leads", **{f"filter[id][{i}]": x for i, x in enumerate(ids)})
        ] == ids
        lost = walk(
            client,
            "/leads",
            "leads",
            **{"filter[statuses][0][pipeline_id]": 501, "filter[statuses][0][status_id]": 143},
        )
        assert (
            {r["id"] for r in lost}
            == {r["id"] for r in every if r["status_id"] == 143 and r["pipeline_id"] == 501}
            != set()
        )
        mine = walk(client, "/leads", "leads", limit=250, **{"filter[responsible_user_id]": 7000001})
        assert {r["id"] for r in mine} == {r["id"] for r in every if r["responsible_user_id"] == 7000001} != set()


def test_with_is_honoured_exactly(sandbox: Sandbox) -> None:
    with amo(sandbox) as client:
        bare = client.get("/leads", params={"limit": 1}).json()["_embedded"]["leads"][0]
        assert set(bare["_embedded"]) == {"tags", "companies"}
        rows = walk(client, "/leads", "leads", limit=250, **{"with": "contacts,loss_reason,nonsense"})
        assert all(set(r["_embedded"]) == {"tags", "companies", "contacts", "loss_reason"} for r in rows)
        main = [[c["is_main"] for c in r["_embedded"]["contacts"]] for r in rows]
        assert all(flags.count(True) == 1 for flags in main if flags)
        assert any(r["_embedded"]["loss_reason"] for r in rows) and any(not r["_embedded"]["loss_reason"] for r in rows)
        assert (
            "leads" not in client.get("/contacts", params={"limit": 1}).json()["_embedded"]["contacts"][0]["_embedded"]
        )
        contacts = walk(client, "/contacts", "contacts", limit=250, **{"with": "leads"})
        assert any(c["_embedded"]["leads"] for c in contacts) and any(not c["_embedded"]["leads"] for c in contacts)


def test_only_deleted_gives_stubs_of_the_bin(own: Sandbox) -> None:
    with amo(own) as client:
        lead = client.get("/leads", params={"limit": 1}).json()["_embedded"]["leads"][0]["id"]
        own.world.delete_lead(lead, by=7000001)
        rows = walk(client, "/leads", "leads", **{"with": "only_deleted", "limit": 250})
        assert {"id", "updated_at", "is_deleted", "_links"} == set(rows[0])
        assert {r["id"]: r["updated_at"] for r in rows} == own.world.expected(
            LONG_AGO, NOW + timedelta(seconds=1)
        ).deleted_leads
        assert lead in {r["id"] for r in rows} and client.get(f"/leads/{lead}").status_code == 204
        log = walk(client, "/events", "events", **{"filter[type]": "lead_deleted"})
        assert lead in {e["entity_id"] for e in log}


def test_empty_answers_are_204_without_a_body(sandbox: Sandbox) -> None:
    with amo(sandbox) as client:
        for path in (
            "/companies",
            "/talks",
            "/leads?page=99",
            "/leads/1",
            "/contacts/1",
            "/leads/unsorted",
            "/contacts/tags",
        ):
            answer = client.get(path)
            assert (answer.status_code, answer.content) == (204, b""), path
        assert client.get("/talks/5").status_code == 404
        assert client.get("/nonsense").status_code == 404


def test_content_types_and_problems(sandbox: Sandbox) -> None:
    with amo(sandbox) as client:
        assert client.get("/leads").headers["content-type"] == "application/hal+json"
        too_many = client.get("/leads", params={"limit": 251})
        assert too_many.status_code == 422 and too_many.headers["content-type"] == "application/problem+json"
        assert set(too_many.json()) >= {"title", "type", "status", "detail"}
        refused = client.get("/leads", headers={"Authorization": "Bearer nobody"})
        assert refused.status_code == 401 and refused.json()["status"] == 401
        assert client.get("/leads", params={"limit": "many"}).status_code == 400


def test_account_users_pipelines_and_reasons(sandbox: Sandbox) -> None:
    with amo(sandbox) as client:
        account = client.get("/account", params={"with": "datetime_settings"}).json()
        assert account["_embedded"]["datetime_settings"]["timezone"] == "Asia/Almaty"
        assert "amojo_id" not in account and client.get("/account").json().get("_embedded") is None
        users = walk(client, "/users", "users")
        assert len(users) == 5 and [u["rights"]["is_active"] for u in users].count(False) == 1
        assert sum(u["rights"]["is_admin"] for u in users) == 1
        pipelines = client.get("/leads/pipelines").json()
        assert pipelines["_total_items"] == 3
        for pipeline in pipelines["_embedded"]["pipelines"]:
            statuses = {s["id"] for s in pipeline["_embedded"]["statuses"]}
            assert {142, 143} <= statuses
            own = client.get(f"/leads/pipelines/{pipeline['id']}/statuses").json()["_embedded"]["statuses"]
            assert {s["id"] for s in own} == statuses
        assert len(walk(client, "/leads/loss_reasons", "loss_reasons")) == 7
        fields = walk(client, "/contacts/custom_fields", "custom_fields")
        assert {f["code"] for f in fields} == {"PHONE", "EMAIL"}
        assert client.get("/webhooks").json()["_total_items"] == 1


def test_events_newest_first_with_their_filters(sandbox: Sandbox) -> None:
    expected = sandbox.world.expected(LONG_AGO, NOW + timedelta(seconds=1))
    with amo(sandbox) as client:
        every = walk(client, "/events", "events", limit=250)
        assert len(client.get("/events", params={"limit": 250}).json()["_embedded"]["events"]) == 100
        assert [e["id"] for e in every] == expected.events[::-1]
        chat = walk(
            client, "/events", "events", limit=100, **{"filter[type]": "incoming_chat_message,outgoing_chat_message"}
        )
        assert {e["type"] for e in chat} == {"incoming_chat_message", "outgoing_chat_message"}
        assert all("linked_talk_contact_id" in e["_embedded"]["entity"] and e["value_before"] == [] for e in chat)
        day = int(NOW.timestamp()) - 86400
        late = walk(client, "/events", "events", **{"filter[created_at][from]": day})
        assert {e["id"] for e in late} == {e["id"] for e in every if e["created_at"] >= day} != set()
        assert len(walk(client, "/events", "events", limit=100, **{"filter[created_at]": f"{day},{day + 9000}"})) < len(
            late
        )
        types = {t["key"] for t in client.get("/events/types").json()["_embedded"]["events_types"]}
        assert {e["type"] for e in every} <= types
        assert client.get(f"/events/{every[0]['id']}").json()["id"] == every[0]["id"]


@pytest.mark.parametrize(
    "params",
    [
        {"filter[type]": "lead_added,internal_chat_message"},
        {"filter[entity_id][]": [str(i) for i in range(11)], "filter[entity]": "lead"},
        {"filter[entity_id][]": ["1"]},
        {"filter[created_by][]": [str(i) for i in range(11)]},
        {"filter[created_at]": "yesterday"},
    ],
)
def test_a_wrong_events_filter_spoils_the_whole_request(sandbox: Sandbox, params: dict[str, Any]) -> None:
    with amo(sandbox) as client:
        assert client.get("/events", params=params).status_code == 400


def test_notes_and_tasks(sandbox: Sandbox) -> None:
    expected = sandbox.world.expected(LONG_AGO, NOW + timedelta(seconds=1))
    with amo(sandbox) as client:
        calls = walk(client, "/contacts/notes", "notes", **{"filter[note_type]": "call_in,call_out"})
        common = walk(client, "/leads/notes", "notes", limit=250)
        assert {n["id"] for n in calls + common} == set(expected.notes)
        assert {"duration", "phone", "uniq"} <= set(calls[0]["params"])
        one = calls[0]
        assert [n["id"] for n in walk(client, f"/contacts/{one['entity_id']}/notes", "notes")].count(one["id"]) == 1
        assert client.get(f"/contacts/{one['entity_id']}/notes/{one['id']}").json() == one
        assert client.get("/leads/notes", params={"filter[note_type]": "gossip"}).status_code == 400
        tasks = walk(client, "/tasks", "tasks", limit=250)
        assert {t["id"] for t in tasks} == set(expected.tasks) != set()
        open_tasks = walk(client, "/tasks", "tasks", limit=250, **{"filter[is_completed]": 0})
        assert {t["id"] for t in open_tasks} == {t["id"] for t in tasks if not t["is_completed"]}
        assert client.get("/tasks", params={"filter[entity_id]": 5}).status_code == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_anything_but_get_is_refused_and_written_down(sandbox: Sandbox, method: str) -> None:
    with amo(sandbox) as client, root(sandbox, "amocrm") as control:
        assert client.request(method, "/leads").status_code == 405
        found = control.get("/_violations").json()
        assert [v["method"] for v in found] == [method] and found[0]["path"] == "/api/v4/leads"
        assert control.get("/_journal").json()[-1]["status"] == 405


def refresh(sandbox: Sandbox, token: str, **more: str) -> httpx.Response:
    a = sandbox.addresses["amocrm"]
    body = {
        "client_id": a["client_id"],
        "client_secret": a["client_secret"],
        "grant_type": "refresh_token",
        "refresh_token": token,
        "redirect_uri": "https://x.example",
    }
    return httpx.post(f"{a['base_url']}/oauth2/access_token", json={**body, **more}, verify=NO_CERTIFICATES)


def test_tokens_rotate_and_a_used_refresh_token_is_revoked(own: Sandbox) -> None:
    a = own.addresses["amocrm"]
    first = refresh(own, a["refresh_token"])
    assert first.status_code == 200 and set(first.json()) == {
        "token_type",
        "expires_in",
        "access_token",
        "refresh_token",
    }
    assert first.json()["refresh_token"] != a["refresh_token"]
    again = refresh(own, a["refresh_token"])
    assert again.status_code == 401 and again.json()["hint"] == "Token has been revoked"
    assert again.json()["type"].endswith("OAuthProblemJson")
    with root(own, "amocrm") as control:
        control.post("/_expire")
    with amo(own) as client:
        assert client.get("/account").status_code == 401
        token = refresh(own, first.json()["refresh_token"]).json()["access_token"]
        assert client.get("/account", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    wrong = refresh(own, "x", client_secret="no")
    assert wrong.status_code == 401 and "hint" not in wrong.json()
    assert own.request_logs["amocrm"].violations() == []


def test_grace_keeps_the_old_pair_until_the_new_one_is_used(own: Sandbox) -> None:
    own.faults["amocrm"].add({"kind": "switch", "name": "refresh_reuse", "value": "grace"})
    old = own.addresses["amocrm"]["refresh_token"]
    assert refresh(own, old).status_code == 200
    second = refresh(own, old)
    assert second.status_code == 200
    with amo(own) as client:
        assert (
            client.get("/account", headers={"Authorization": f"Bearer {second.json()['access_token']}"}).status_code
            == 200
        )
    assert refresh(own, old).status_code == 401


def test_tokens_by_form_and_by_code(own: Sandbox) -> None:
    from sandbox.vendors import amocrm

    a, code = own.addresses["amocrm"], amocrm.credentials(7).code
    body = {
        "client_id": a["client_id"],
        "client_secret": a["client_secret"],
        "grant_type": "authorization_code",
        "code": code,
    }
    assert httpx.post(f"{a['base_url']}/oauth2/access_token", data=body, verify=NO_CERTIFICATES).status_code == 200
    assert httpx.post(f"{a['base_url']}/oauth2/access_token", data=body, verify=NO_CERTIFICATES).status_code == 400


def test_more_than_seven_a_second_is_429_and_insisting_is_403(sandbox: Sandbox) -> None:
    with amo(sandbox) as client, root(sandbox, "amocrm") as control:
        control.post(
            "/_faults",
            json=[
                {"kind": "rate", "bucket": "api", "per_second": 7},
                {"kind": "switch", "name": "block_after", "value": 5},
            ],
        )
        answers = [client.get("/account") for _ in range(14)]
        codes = [a.status_code for a in answers]
        assert codes[:7] == [200] * 7 and 429 in codes and codes[-1] == 403
        refused = next(a for a in answers if a.status_code == 429)
        assert refused.json()["retry_after"] == 1 and "retry-after" not in refused.headers
        assert "text/html" in answers[-1].headers["content-type"]


def test_the_lead_of_yesterday_was_what_it_was_yesterday(sandbox: Sandbox) -> None:
    """A stopped clock shows the past: fewer rows, older states, nothing newer than the clock."""
    past = NOW - timedelta(days=9)
    with amo(sandbox) as client:
        today = {r["id"]: r for r in walk(client, "/leads", "leads", limit=250)}
        sandbox.world.set_now(past)
        then = {r["id"]: r for r in walk(client, "/leads", "leads", limit=250)}
    assert max(r["updated_at"] for r in then.values()) <= past.timestamp()
    assert len(then) < len(today)
    assert any(today[i]["status_id"] != then[i]["status_id"] for i in then if i in today)
    assert all(then[i]["closed_at"] is None for i in then if then[i]["status_id"] not in (142, 143))


def test_an_edit_between_two_pages_moves_the_row(own: Sandbox) -> None:
    """Offsets over live data: one row is skipped, which is why the extractor must not trust page numbers."""
    with amo(own) as client:
        params = {"limit": 5, "order[updated_at]": "asc"}
        every = [r["id"] for r in walk(client, "/leads", "leads", **params)]
        one = client.get("/leads", params=params).json()
        own.world.edit_lead(one["_embedded"]["leads"][0]["id"], price=5)
        two = client.get(one["_links"]["next"]["href"]).json()
    assert [r["id"] for r in two["_embedded"]["leads"]] == every[6:11]


def test_phones_are_raw_and_found_by_digits(sandbox: Sandbox) -> None:
    with amo(sandbox) as client:
        contacts = walk(client, "/contacts", "contacts", limit=250)
        raw = [
            f["values"][0]["value"]
            for c in contacts
            for f in c["custom_fields_values"] or ()
            if f["field_code"] == "PHONE"
        ]
        assert len({"".join("9" if x.isdigit() else x for x in value) for value in raw}) >= 5
        assert any(c["custom_fields_values"] is None for c in contacts)
        digits = "".join(x for x in raw[0] if x.isdigit())[-10:]
        assert len(walk(client, "/contacts", "contacts", query=digits)) >= 1


def test_the_first_day_is_a_parameter(sandbox: Sandbox) -> None:
    assert sandbox.world.company.first_day == FIRST
