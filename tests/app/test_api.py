"""The REST API: shapes of the contract, whose rows, writes with an Origin of ours only."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest

from services import health
from synkro.database import db
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import World

REPORT_KEYS = [
    "id", "version", "is_current", "status", "report_type", "window_start", "window_end", "as_of", "is_complete",
    "summary_text", "telegram_text", "numbers", "usual", "changes", "live", "revised", "coverage", "claims",
    "summaries", "dropped", "cost_usd",
]  # fmt: skip
RUN_KEYS = [
    "id", "tenant", "status", "current_step", "progress", "error", "attempt", "window_start", "window_end",
    "history_from", "report_id",
]  # fmt: skip
FOREIGN_ORIGINS = [
    {}, {"Origin": "null"}, {"Origin": "http://evil.example"}, {"Origin": "https://test"}, {"Origin": "http://test:81"},
    {"Origin": "http://test.evil.example"}, {"Origin": "http://eviltest"}, {"Origin": "test"}, {"Origin": "http://test/path"},
    {"Origin": "http://user@test"},
]  # fmt: skip


def window(world: World) -> dict[str, str]:
    return {"from": (world.now - timedelta(hours=9)).isoformat(), "to": (world.now - timedelta(hours=8)).isoformat()}


async def test_shapes(site: Site, world: World) -> None:
    browser = await site.signed_in("user")
    assert [one["slug"] for one in (await browser.get("/api/v1/tenants")).json()] == ["alpha"]
    listed = (await browser.get("/api/v1/tenants/alpha/reports")).json()
    # what the AI cost is for administrators
    assert [list(one) for one in listed] == [[key for key in REPORT_KEYS if key != "cost_usd"]]
    assert listed[0]["version"] == 2
    report = (await browser.get(f"/api/v1/tenants/alpha/reports/{world.reports['alpha'].report_id}")).json()
    assert report == {**listed[0], "reconciliation": []}
    assert report == (await browser.get(f"/api/v1/reports/{report['id']}")).json()
    assert report["coverage"] == {"read": 11, "total": 13, "skipped": {"no_text": 2}}
    assert list(report["claims"][0]) == ["section", "text", "dialog_id", "message_ids", "quote"]
    admin = await site.signed_in("admin")
    for path in ("tenants/alpha/reports", f"tenants/alpha/reports/{report['id']}", f"reports/{report['id']}"):
        whole = (await admin.get(f"/api/v1/{path}")).json()
        keys = list(whole[0] if isinstance(whole, list) else whole)
        assert [key for key in keys if key != "reconciliation"] == REPORT_KEYS
    runs = (await browser.get("/api/v1/tenants/alpha/runs")).json()
    assert list(runs[0]) == RUN_KEYS and {one["status"] for one in runs} == {"running", "failed"}


async def test_a_run_is_asked_for_joined_stopped_and_repeated(site: Site, world: World) -> None:
    browser = await site.signed_in("user")
    asked = await browser.post("/api/v1/tenants/alpha/runs", json=window(world), headers=ORIGIN)
    assert asked.status_code == 202 and asked.json()["status"] == "pending"
    again = await browser.post("/api/v1/tenants/alpha/runs", json=window(world), headers=ORIGIN)
    assert again.json()["id"] == asked.json()["id"]
    stopped = await browser.post(f"/api/v1/runs/{asked.json()['id']}/stop", headers=ORIGIN)
    assert stopped.json()["status"] == "cancelled"
    repeated = await browser.post(f"/api/v1/runs/{asked.json()['id']}/retry", headers=ORIGIN)
    assert repeated.json()["attempt"] == 2 and repeated.json()["id"] != asked.json()["id"]
    assert (await browser.get(f"/api/v1/runs/{repeated.json()['id']}")).json() == repeated.json()
    with db.as_service("test") as connection:
        rows = connection.execute("select action from synkro.audit_log where action like 'run.%' order by audit_id")
        actions = [row["action"] for row in rows]
    assert actions == ["run.requested", "run.joined", "run.stopped", "run.retried"]


async def test_writes_need_our_origin(site: Site, world: World) -> None:
    browser = await site.signed_in("user")
    run = world.runs["running"].run_id
    for headers in FOREIGN_ORIGINS:
        for path in (
            "/api/v1/tenants/alpha/runs",
            f"/api/v1/runs/{run}/stop",
            f"/api/v1/runs/{run}/retry",
            "/logout",
            "/login",
        ):
            answer = await browser.post(path, json=window(world), headers=headers)
            assert answer.status_code == 403, (path, headers)
    assert (await browser.get(f"/api/v1/runs/{run}")).json()["status"] == "running"


async def test_limits_are_said_plainly(site: Site, world: World) -> None:
    browser = await site.signed_in("user")
    old = {
        "from": (world.now - timedelta(days=40)).isoformat(),
        "to": (world.now - timedelta(days=39, hours=12)).isoformat(),
    }
    for body, word in ((old, "слишком давно"), ({**window(world), "to": "2999-01-01T00:00:00Z"}, "не закончилось")):
        answer = await browser.post("/api/v1/tenants/alpha/runs", json=body, headers=ORIGIN)
        assert answer.status_code == 422 and word in answer.json()["error"]["message"]
    for body in ({}, {"from": 1, "to": 2}, [], {"from": "x" * 100, "to": "y"}):
        answer = await browser.post("/api/v1/tenants/alpha/runs", json=body, headers=ORIGIN)
        assert answer.status_code == 422 and answer.json()["error"]["kind"] == "data"
    assert (await browser.get("/api/v1/tenants/alpha/reports?limit=100000")).status_code == 422


async def test_foreign_and_absent_answer_alike(site: Site, world: World) -> None:
    stranger = await site.signed_in("stranger")
    assert (await stranger.get("/api/v1/tenants/beta/reports")).status_code == 200
    answers = [
        await stranger.get(path)
        for path in (
            "/api/v1/tenants/alpha/reports",
            "/api/v1/tenants/absent/reports",
            f"/api/v1/tenants/beta/reports/{world.reports['alpha'].report_id}",
            f"/api/v1/tenants/beta/reports/{uuid4()}",
            f"/api/v1/reports/{world.reports['alpha'].report_id}",
            "/api/v1/reports/nonsense",
            f"/api/v1/runs/{world.runs['failed'].run_id}",
            f"/api/v1/runs/{uuid4()}",
            "/api/v1/nothing",
        )
    ]
    assert {(a.status_code, a.content) for a in answers} == {(404, answers[0].content)}
    for action in ("stop", "retry"):
        answer = await stranger.post(f"/api/v1/runs/{world.runs['running'].run_id}/{action}", headers=ORIGIN)
        assert (answer.status_code, answer.content) == (404, answers[0].content)
    refused = await stranger.post("/api/v1/tenants/alpha/runs", json=window(world), headers=ORIGIN)
    assert refused.status_code == 404


async def test_health_names_what_is_unwell(site: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger gets an answer of the last seconds and no counts; the operator what is so now."""
    looks: list[int] = []
    look = health.check
    monkeypatch.setattr(health, "check", lambda: looks.append(1) or look())
    with db.as_service("test") as connection:
        connection.execute(
            "insert into synkro.outbox (tenant_id, destination, payload, status) values (%s, '1', '{}', 'failed')",
            (world.tenants["alpha"].tenant_id,),
        )
    operator = await site.signed_in("operator")
    async with site.browser() as browser:
        said = (await browser.get("/api/health")).json()
        assert said["status"] == "degraded" and said["unwell"] == ["engine", "telegram"]
        assert "alpha" not in str(said) and not re.search(r"\d", str(said))
        assert (
            (await operator.get("/api/health")).json()["checks"]["telegram"]["message"].startswith("Не отправлено: 1")
        )
        with db.as_service("test") as connection:
            from synkro.runs import heartbeats

            heartbeats.beat(connection, "engine")
            connection.execute("delete from synkro.outbox where destination = '1' and status = 'failed'")
        assert (await operator.get("/api/health")).json()["status"] == "ok"
        for _ in range(50):
            assert (await browser.get("/api/health")).json() == said
        assert len(looks) == 3, "fifty strangers asked the database nothing"
        monkeypatch.setattr(health, "CACHE_SECONDS", 0.0)
        assert (await browser.get("/api/health")).json()["status"] == "ok"


async def test_the_description_lists_only_ours(site: Site, world: World) -> None:
    browser = await site.signed_in("user")
    paths = (await browser.get("/api/openapi.json")).json()["paths"]
    assert all(path.startswith(("/api/v1/", "/api/health")) for path in paths) and len(paths) >= 8
    assert "/api/v1/tenants" in (await browser.get("/api/docs")).text
