"""Every address by every person: who gets in, what a stranger is told, which headers go along, what never leaves."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from starlette.routing import Mount, Route

from app import middleware
from app.layout import PAGES
from synkro.database import db
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import SECRET, World

ACTORS = ("operator", "admin", "user", "stranger", "nobody")


def addresses(world: World, slug: str = "alpha") -> dict[str, str]:
    """Route → an address of it; a route without one fails the test below."""
    report = world.reports[slug].report_id
    return {
        "/": "/",
        "/t/{slug}/reports": f"/t/{slug}/reports",
        "/t/{slug}/reports/{report_id}": f"/t/{slug}/reports/{report}",
        "/t/{slug}/reports/{report_id}/rows/{metric}": f"/t/{slug}/reports/{report}/rows/unanswered_now",
        "/t/{slug}/dialogs/{dialog_id:path}": f"/t/{slug}/dialogs/{slug}%3Ad%2F0",
        "/t/{slug}/cases": f"/t/{slug}/cases",
        "/t/{slug}/dashboards": f"/t/{slug}/dashboards",
        "/t/{slug}/data": f"/t/{slug}/data",
        "/t/{slug}/settings": f"/t/{slug}/settings",
        "/tenants": "/tenants",
        "/accounts": "/accounts?q=admin",
        "/accounts/{user_id}": f"/accounts/{world.people['admin'].user_id}",
        "/profile": "/profile",
        "/audit": "/audit",
    }


#: route → people who get 200; 403 for those who may see the tenant but not this; the rest 404
ALLOWED = {
    "/": ("operator", "admin", "user", "stranger", "nobody"),
    "/t/{slug}/reports": ("operator", "admin", "user"),
    "/t/{slug}/reports/{report_id}": ("operator", "admin", "user"),
    "/t/{slug}/reports/{report_id}/rows/{metric}": ("operator", "admin", "user"),
    "/t/{slug}/dialogs/{dialog_id:path}": ("operator", "admin", "user"),
    "/t/{slug}/cases": ("operator", "admin", "user"),
    "/t/{slug}/dashboards": ("operator", "admin", "user"),
    "/t/{slug}/data": ("operator", "admin", "user"),
    "/t/{slug}/settings": ("operator", "admin"),
    "/tenants": ("operator",),
    "/accounts": ("operator",),
    "/accounts/{user_id}": ("operator",),
    "/profile": ACTORS,
    "/audit": ("operator", "admin", "stranger"),
}
FORBIDDEN = {
    "/t/{slug}/settings": ("user",),
    "/tenants": ("admin", "user", "stranger", "nobody"),
    "/accounts": ("admin", "user", "stranger", "nobody"),
    "/accounts/{user_id}": ("admin", "user", "stranger", "nobody"),
    "/audit": ("user", "nobody"),
}


async def test_every_page_by_every_person(site: Site, world: World) -> None:
    assert set(addresses(world)) == set(PAGES) == set(ALLOWED), "a page without a declared expectation"
    for actor in ACTORS:
        browser = await site.signed_in(actor)
        for route, path in addresses(world).items():
            expected = 200 if actor in ALLOWED[route] else 403 if actor in FORBIDDEN.get(route, ()) else 404
            answer = await browser.get(path)
            assert answer.status_code == expected, (actor, path, answer.status_code)
            if expected != 200:
                assert "Айгерим" not in answer.text and "Алатау" not in answer.text


async def test_foreign_and_absent_are_the_same_bytes(site: Site, world: World) -> None:
    """Positive control: the stranger reads their own company's pages at the same addresses."""
    stranger = await site.signed_in("stranger")
    for path in addresses(world, "beta").values():
        if not path.startswith(("/tenants", "/accounts")):
            assert (await stranger.get(path)).status_code == 200, path
    absent = await stranger.get("/t/nothing_here/reports")
    foreign_report, own = world.reports["alpha"].report_id, world.reports["beta"].report_id
    for path in (
        "/t/alpha/reports",
        f"/t/alpha/reports/{foreign_report}",
        f"/t/beta/reports/{foreign_report}",
        f"/t/beta/reports/{uuid4()}",
        "/t/beta/reports/not-a-uuid",
        f"/t/beta/reports/{own}/rows/no_such_metric",
        f"/t/beta/reports/{own}/rows/unanswered_now%27--",
        f"/t/beta/reports/{foreign_report}/rows/messages",
        "/t/beta/dialogs/alpha%3Ad%2F0",
        "/t/beta/dialogs/nothing",
        "/t/alpha/settings",
        "/t/alpha/dashboards",
        f"/t/alpha/reports/{foreign_report}/export/waits.csv",
        f"/t/beta/reports/{foreign_report}/export/numbers.csv",
        f"/t/beta/reports/{own}/export/secrets.csv",
        "/t/beta/reports?p=abc",
        "/nowhere/at/all",
    ):
        answer = await stranger.get(path)
        assert (answer.status_code, answer.content) == (404, absent.content), path
        assert dict(answer.headers) == dict(absent.headers), path


async def test_a_report_is_found_under_its_own_company_only(site: Site, world: World) -> None:
    """The operator sees both companies, and still no address mixes them."""
    operator = await site.signed_in("operator")
    for slug, other in (("alpha", "beta"), ("beta", "alpha")):
        report = world.reports[slug].report_id
        for tail in ("", "/rows/messages", "/export/numbers.csv"):
            assert (await operator.get(f"/t/{slug}/reports/{report}{tail}")).status_code == 200
            assert (await operator.get(f"/t/{other}/reports/{report}{tail}")).status_code == 404


async def test_an_operators_look_stands_in_the_companys_log(site: Site, world: World) -> None:
    """By page and by program; an administrator's own look does not."""
    beta, run = world.reports["beta"], world.runs["failed"]
    slug = next(one.slug for one in world.tenants.values() if one.tenant_id == run.tenant_id)
    looked = {
        "/t/beta/dashboards": "beta",
        f"/t/beta/reports/{beta.report_id}": "beta",
        "/api/v1/tenants/beta/runs": "beta",
        f"/api/v1/reports/{beta.report_id}": "beta",
        f"/api/v1/runs/{run.run_id}": slug,
    }
    for person in ("operator", "stranger"):
        browser = await site.signed_in(person)
        for path, where in looked.items():
            if person == "operator" or where == "beta":
                assert (await browser.get(path)).status_code == 200, (person, path)
    with db.as_service("test") as connection:
        told = connection.execute(
            "select t.slug, l.actor, l.message from synkro.audit_log l join synkro.tenants t using (tenant_id)"
            " where l.action = 'operator.looked' and l.message = any (%s)",
            (list(looked),),
        ).fetchall()
    operator = world.people["operator"].email
    assert {(line["message"], line["slug"], line["actor"]) for line in told} == {
        (path, slug, operator) for path, slug in looked.items()
    }
    csv = await (await site.signed_in("stranger")).get("/audit/export.csv?tenant=beta")
    assert csv.status_code == 200 and "operator.looked" in csv.text
    assert (await (await site.signed_in("user")).get("/audit/export.csv?tenant=alpha")).status_code == 403
    assert (await (await site.signed_in("stranger")).get("/audit/export.csv?tenant=alpha")).status_code == 404


async def test_the_neighbour_is_nowhere(site: Site, world: World) -> None:
    browser = await site.signed_in("admin")
    for path in addresses(world).values():
        answer = await browser.get(path)
        for word in ("Беты", "Бета", "тайна", "beta", str(world.tenants["beta"].tenant_id)):
            assert word not in answer.text, (path, word)
    stranger = await site.signed_in("stranger")
    assert "Беты" in (await stranger.get(addresses(world, "beta")["/t/{slug}/dialogs/{dialog_id:path}"])).text


async def test_secrets_and_phones_never_reach_a_page(site: Site, world: World) -> None:
    browser = await site.signed_in("admin")
    seen = ""
    for route, path in addresses(world).items():
        answer = await browser.get(path)
        seen += answer.text
        if route == "/t/{slug}/settings":
            assert "•••• 88ee" in answer.text, "the hint is shown"
    assert SECRET not in seen and SECRET[:12] not in seen
    assert "ciphertext" not in seen and "gAAAA" not in seen
    assert re.findall(r"\+?7701555\d{4}|701 555 44 33", seen) == []
    assert "•••• 1234" in seen


async def test_nothing_hostile_becomes_markup(site: Site, world: World) -> None:
    """Texts travel as JSON of text nodes; the only HTML is ours."""
    browser = await site.signed_in("admin")
    for path in addresses(world).values():
        text = (await browser.get(path)).text
        for raw in ("<img src=x", "<script>window.__xss", "<svg onload", "<iframe srcdoc", "</script><script>window"):
            assert raw not in text, (path, raw)
        assert '"innerHTML"' not in text and '"sanitize":false' not in text


def routes_of(app: object, prefix: str = "") -> list[tuple[str, set[str]]]:
    found = []
    for route in app.routes:  # type: ignore[attr-defined]
        if isinstance(route, Route):
            found.append((prefix + route.path, set(route.methods or ())))
        elif isinstance(route, Mount):
            if hasattr(route.app, "routes"):
                found += routes_of(route.app, prefix + route.path.rstrip("/"))
        elif hasattr(route, "original_router"):
            found += routes_of(route.original_router, prefix)
    return found


async def test_headers_on_every_route(site: Site, world: World) -> None:
    routes = routes_of(site.app)
    assert len(routes) > 25
    admin = await site.signed_in("admin")
    tried = 0
    for browser in (site.browser(), admin):
        for path, methods in routes:
            filled = re.sub(r"\{[^}]+\}", "x", path)
            for method in methods & {"GET", "POST"}:
                if filled == "/logout":
                    continue
                answer = await browser.request(method, filled, headers=ORIGIN)
                tried += 1
                for name, value in middleware.HEADERS.items():
                    assert answer.headers.get(name) == value, (method, filled, name)
                is_file = middleware.is_asset(filled) and answer.status_code == 200
                assert answer.headers["cache-control"] == (
                    "public, max-age=31536000, immutable" if is_file else "no-store"
                ), filled
                assert answer.status_code < 500 or filled == "/api/health", (method, filled)
                assert answer.headers.get("access-control-allow-origin") is None
    assert tried > 50


async def test_without_a_session_nothing_opens(site: Site, world: World) -> None:
    async with site.browser() as browser:
        for path in addresses(world).values():
            assert (await browser.get(path)).headers["location"].startswith("/login?next="), path
        for path in ("/api/v1/tenants", "/api/openapi.json", "/api/docs", "/api/nothing"):
            answer = await browser.get(path)
            assert answer.status_code == 401 and answer.json()["error"]["kind"] == "authentication"


async def test_an_unexpected_error_has_an_id_and_no_traceback(
    site: Site, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from services import overview

    def broken(*_: object) -> None:
        raise RuntimeError("secret detail of the inside")

    monkeypatch.setattr(overview, "cards", broken)
    browser = await site.signed_in("admin")
    answer = await browser.get("/")
    assert answer.status_code == 500
    error_id = re.search(r"<code>([0-9a-f]{8})</code>", answer.text)
    assert error_id and f"Error {error_id[1]}" in caplog.text
    assert "secret detail" not in answer.text and "Traceback" not in answer.text
