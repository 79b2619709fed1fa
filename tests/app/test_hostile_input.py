"""No input brings an error of ours: hostile values in every path, query, form and JSON field of every route.

The routes are taken from the app itself: one that is added is tried too. ``SYNKRO_TEST_REQUESTS`` asks for a number of random
requests beside the table (``make assurance``: 50,000).
"""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import hypothesis
import pytest
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, seed
from hypothesis import strategies as st
from nicegui import Client

from app import layout
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import World

#: as bytes: what a client may send, not what a library would
VALUES: dict[str, bytes] = {
    "NUL": b"\0",
    "NUL inside": b"al\0pha",
    "beyond bigint": b"9223372036854775808",
    "a huge integer": b"9" * 5000,
    "a negative one": b"-9223372036854775809",
    "half of a character": b"\xed\xa0\x80",
    "no UTF-8": b"\xff\xfe",
    "too long": b"a" * 4000,
    "a path": b"../../../../etc/passwd",
    "a quote": b"'\"; select pg_sleep(9)--",
    "not a number": b"NaN",
    "infinity": b"1e999",
    "control characters": bytes(range(1, 32)),
    "nothing": b"",
}
#: named, so that a route is reached behind its checks
KNOWN = {"slug": b"alpha", "metric": b"messages", "report_type": b"daily"}
#: what a route takes from its query without saying so
READ_BY_HAND = {"/auth/confirm": ("token_hash", "type", "code", "error", "error_code", "message")}
BODIES: tuple[Any, ...] = (
    {"from": "2026-01-01T00:00\0", "to": "2026-01-02T00:00"},
    {"from": "\ud800" * 10, "to": "9" * 40},
    {"from": "99999999-01-01", "to": "2026-01-02", "exceed_limits": "\0"},
    {"from": 10**400, "to": None},
    [],
    "\0",
    {"from": ["2026-01-01"] * 8, "to": {}},
)


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    query: tuple[str, ...]
    #: fields of a form; None: JSON or nothing
    form: tuple[str, ...] | None = None

    @property
    def parts(self) -> list[str]:
        return re.findall(r"\{(\w+)", self.path)

    def url(self, values: dict[str, bytes], query: dict[str, bytes]) -> str:
        path = re.sub(r"\{(\w+)[^}]*\}", lambda part: quote_from_bytes(values[part[1]], safe=""), self.path)
        asked = "&".join(f"{name}={quote_from_bytes(value, safe='')}" for name, value in query.items())
        return f"{path}?{asked}" if asked else path


def api_routes(app: Any) -> Iterator[APIRoute]:
    for route in app.routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from api_routes(route.original_router)


def routes_of(app: Any) -> list[Route]:
    found = []
    for path, function in layout.PAGES.items():
        names = set(re.findall(r"\{(\w+)", path)) | {"viewer"}
        found.append(Route("GET", path, tuple(n for n in inspect.signature(function).parameters if n not in names)))
    for route in api_routes(app):
        if route.methods:
            for method in route.methods:
                prefix = "/api" if route.path.startswith(("/v1", "/health", "/docs", "/{path")) else ""
                query = tuple(field.alias for field in route.dependant.query_params)
                forms = tuple(f.alias for f in route.dependant.body_params if type(f.field_info).__name__ == "Form")
                found.append(Route(method, prefix + route.path, query, forms or None))
    for path, names in READ_BY_HAND.items():
        found.append(Route("GET", path, names))
    # signs everybody out
    return [route for route in found if route.path != "/logout"]


def known(route: Route, world: World) -> dict[str, bytes]:
    alpha = world.reports["alpha"].report_id
    named = {**KNOWN, "report_id": str(alpha).encode(), "dialog_id": b"alpha:d/0", "run_id": str(alpha).encode()}
    return {name: named.get(name, b"x") for name in route.parts}


def table(routes: list[Route], world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every value once in every parameter, the others as they should be."""
    for route in routes:
        usual = known(route, world)
        for value in VALUES.values():
            for name in route.parts:
                if value or name != "token":
                    yield route.method, route.url({**usual, name: value or b"%"}, {}), {}
            for name in route.query:
                yield route.method, route.url(usual, {name: value}), {}
            if route.form:
                raw = "&".join(f"{name}={quote_from_bytes(value, safe='')}" for name in route.form)
                yield route.method, route.url(usual, {}), form(raw.encode())
        if route.method == "POST" and not route.form:
            for body in BODIES:
                yield route.method, route.url(usual, {}), {"json": body}
            yield route.method, route.url(usual, {}), {"content": b"{", "headers": {"Content-Type": "application/json"}}


def form(raw: bytes) -> dict[str, Any]:
    return {"content": raw, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}


async def answer(browser: httpx.AsyncClient, method: str, url: str, more: dict[str, Any]) -> int:
    if "json" in more:
        more = {"content": json.dumps(more["json"]), "headers": {"Content-Type": "application/json"}}
    more = {**more, "headers": {**ORIGIN, **more.get("headers", {})}}
    return (await browser.request(method, url, **more)).status_code


async def test_no_value_of_the_table_brings_an_error(site: Site, world: World) -> None:
    routes = routes_of(site.app)
    assert len(routes) > 30
    browser = await site.signed_in("operator")
    cases = list(table(routes, world))
    bad = []
    for case in cases:
        status = await answer(browser, *case)
        if status >= 500 and not case[1].startswith("/api/health"):
            bad.append((status, case[0], case[1][:120], str(case[2])[:80]))
    assert bad == [], f"{len(bad)} of {len(cases)}"
    # not one of them was met at the entry point for want of a session, and what is asked rightly is answered
    for path in ("/", "/t/alpha/dialogs/alpha:d/0", "/audit", "/api/v1/tenants/alpha/reports?limit=5"):
        assert await answer(browser, "GET", path, {}) == 200, path


#: pieces a random value is made of
PIECES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.integers(-(10**40), 10**40).map(lambda number: str(number).encode()),
    st.sampled_from(sorted(VALUES.values())),
)
REQUESTS = int(os.environ.get("SYNKRO_TEST_REQUESTS", "0"))


@pytest.mark.assurance
async def test_no_random_request_brings_an_error(site: Site, world: World) -> None:
    """``SYNKRO_TEST_REQUESTS`` of them (200 without it), each a route with random values in all its places."""
    routes, wanted = routes_of(site.app), REQUESTS or 200
    browser = await site.signed_in("operator")
    bad: list[Any] = []
    done = 0

    @seed(20261130)
    @hypothesis.settings(max_examples=wanted, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(routes), st.lists(PIECES, min_size=8, max_size=8), st.booleans())
    def collect(route: Route, values: list[bytes], keeps: bool) -> None:
        chosen.append((route, values, keeps))

    chosen: list[Any] = []
    collect()
    for route, values, keeps in chosen[:wanted]:
        usual = known(route, world)
        parts = {
            name: usual[name] if keeps or not value else value for name, value in zip(route.parts, values, strict=False)
        }
        query = dict(zip(route.query, values[3:], strict=False))
        more: dict[str, Any] = {}
        if route.form:
            fields = zip(route.form, values[5:], strict=False)
            more = form("&".join(f"{name}={quote_from_bytes(value, safe='')}" for name, value in fields).encode())
        elif route.method == "POST":
            text = values[5].decode("utf-8", "surrogateescape")
            more = {"json": {"from": text, "to": text, "exceed_limits": text}}
        status = await answer(browser, route.method, route.url(parts, query), more)
        done += 1
        if done % 200 == 0:
            # nobody opens the sockets of these pages, and they would live for a minute
            for client in list(Client.instances.values()):
                client.delete()
        if status >= 500 and route.path != "/api/health":
            bad.append((status, route.method, route.url(parts, query)[:200], str(more)[:200]))
    assert bad == [] and done == wanted
    print(f"{done} requests, {len(bad)} errors")
