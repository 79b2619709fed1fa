"""Dagster's UI behind our sign-in: the operator works in it, nobody else gets a byte, and no page of somebody else acts in it.

Dagster's own web server stands behind the proxy, so what is refused is what it would have done.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app import auth, middleware, static_pages
from orchestration.process.webserver import BehindKey
from synkro.accounts import sessions
from synkro.core.errors import ConfigurationError
from synkro.core.settings import settings
from synkro.database import db
from synkro.runs import dagster_ui
from synkro.tenancy import users
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import World

GRAPHQL = dagster_ui.GRAPHQL
LIMIT = "mutation m($key: String!) { setConcurrencyLimit(concurrencyKey: $key, limit: 3) }"
LIMITS = "{ instance { concurrencyLimits { concurrencyKey } } }"
#: of a run that is not there: one message and the end
EVENTS = 'subscription { pipelineRunLogs(runId: "none", cursor: "HEAD") { __typename } }'
KEY = "a1b2c3d4e5f60718293a4b5c6d7e8f90"


@dataclass
class Dagster:
    """Dagster's web server on a port, and what came to it."""

    app: Any
    scopes: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            self.scopes.append(scope)
        await self.app(scope, receive, send)

    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.scopes[-1]["headers"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Dagster's own app, as its command makes it, without a code location."""
    from dagster import DagsterInstance
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import EmptyWorkspaceTarget
    from dagster_webserver.app import create_app_from_workspace_process_context

    with (
        DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance,
        WorkspaceProcessContext(
            instance, version="", read_only=False, workspace_load_target=EmptyWorkspaceTarget()
        ) as context,
    ):
        yield create_app_from_workspace_process_context(context, dagster_ui.PREFIX, 2000)


@pytest.fixture(scope="module")
def dagster(made: Any) -> Iterator[Dagster]:
    upstream = Dagster(BehindKey(made, KEY))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(upstream, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SYNKRO_DAGSTER_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
            patch.setenv("SYNKRO_DAGSTER_KEY", KEY)
            settings.cache_clear()
            yield upstream
        settings.cache_clear()
        server.should_exit = True
        thread.join(timeout=30)


async def ask(browser: httpx.AsyncClient, query: str, **variables: Any) -> httpx.Response:
    """As Dagster's page asks."""
    return await browser.post(f"{GRAPHQL}?op=Test", json={"query": query, "variables": variables}, headers=ORIGIN)


async def limits(browser: httpx.AsyncClient) -> set[str]:
    """What the mutations of these tests have written."""
    said = (await ask(browser, LIMITS)).json()
    return {one["concurrencyKey"] for one in said["data"]["instance"]["concurrencyLimits"]}


async def test_an_operator_works_in_it_and_nobody_else_sees_it(dagster: Dagster, site: Site) -> None:
    operator = await site.signed_in("operator")
    page = await operator.get("/dagster", follow_redirects=True)
    assert page.status_code == 200 and '"pathPrefix": "/dagster"' in page.text
    script = page.text.partition('src="/dagster/_next/')[2].partition('"')[0]
    file = await operator.get(f"/dagster/_next/{script}")
    assert file.status_code == 200 and "javascript" in file.headers["content-type"] and len(file.content) > 1000
    assert (await ask(operator, LIMIT, key="operators")).json() == {"data": {"setConcurrencyLimit": True}}
    assert await limits(operator) == {"operators"}

    absent = await operator.get("/t/nowhere/reports")
    for name in ("admin", "user", "stranger"):
        other = await site.signed_in(name)
        before = len(dagster.scopes)
        for answer in (
            await other.get("/dagster/"),
            await other.get("/dagster/runs/1"),
            await other.get(f"/dagster/_next/{script}"),
            await other.get("/dagster/server_info"),
            await ask(other, LIMIT, key=name),
            await ask(other, LIMITS),
        ):
            assert (answer.status_code, answer.content) == (404, absent.content), name
        assert len(dagster.scopes) == before, "nothing of it reached Dagster"
    nobody = site.browser()
    assert (await nobody.get("/dagster/runs")).headers["location"] == "/login?next=%2Fdagster%2Fruns"
    assert (await ask(nobody, LIMIT, key="nobody")).status_code == 401
    token = await nobody.post(GRAPHQL, json={"query": LIMITS}, headers={**ORIGIN, "Authorization": "Bearer x"})
    assert token.status_code == 401
    newcomer = await site.signed_in("newcomer")
    assert (await ask(newcomer, LIMIT, key="newcomer")).status_code == 403
    assert await limits(operator) == {"operators"}


async def test_no_page_of_somebody_else_acts_in_it(dagster: Dagster, site: Site, world: World) -> None:
    """Everything a foreign page can make the operator's browser send, and what a clumsy program could."""
    operator = await site.signed_in("operator")
    question = {"query": 'mutation { setConcurrencyLimit(concurrencyKey: "evil", limit: 1) }'}
    text = json.dumps(question)
    as_json = {"Content-Type": "application/json", **ORIGIN}
    mine = {"Cookie": f"{auth.cookie_name()}={operator.cookies[auth.cookie_name()]}"}
    host = {"Host": "evil.example", "Origin": "http://evil.example", "Content-Type": "application/json", **mine}
    before = len(dagster.scopes)
    answers = [
        # by an address
        await operator.get(GRAPHQL, params=question),
        await operator.get(GRAPHQL, params=question, headers={"Accept": "text/html"}),
        await operator.head(GRAPHQL, params=question),
        await operator.get(GRAPHQL, params=question, headers=ORIGIN),
        *[
            await operator.get(f"{path}?{httpx.QueryParams(question)}")
            for path in (
                "/dagster/graphql/", "/dagster/graphql%0A", "/dagster//graphql", "/dagster/./graphql", "/dagster/runs/../graphql",
                "/dagster/%67raphql", "/dagster/GraphQL", "/dagster/graphql%20", "/dagster/x/..%2fgraphql", "/dagster\\graphql",
                "/dagster/%5cgraphql", "/dagster/graphql%00", "/dagster/graphql/x", "/dagster/dagit/notebook", "/dagster/notebook",
            )
        ],
        await operator.post(GRAPHQL, params=question, json={"query": LIMITS}, headers=ORIGIN),
        await operator.post(GRAPHQL, params={"op": "x", **question}, headers=as_json, content=text),
        await operator.post(f"{GRAPHQL}?op=x%26query=1", headers=as_json, content=text),
        # in another form
        await operator.post(GRAPHQL, data=question, headers=ORIGIN),
        await operator.post(GRAPHQL, files={"query": (None, question["query"])}, headers=ORIGIN),
        *[
            await operator.post(GRAPHQL, content=text, headers={"Content-Type": kind, **ORIGIN})
            for kind in (
                "text/plain", "application/graphql", "text/plain; application/json", "application/json, text/plain", "",
                "application/json; charset=utf-16", "application/jsonp", "application/x-www-form-urlencoded; application/json",
                "multipart/form-data; boundary=application/json",
            )
        ],
        await operator.post(GRAPHQL, content=text, headers=[*as_json.items(), ("Content-Type", "text/plain")]),
        await operator.post(GRAPHQL, content=text, headers={**as_json, "Content-Encoding": "gzip"}),
        await operator.post(GRAPHQL, content=f"[{text}]", headers=as_json),
        await operator.post(GRAPHQL, content=question["query"], headers=as_json),
        await operator.post(GRAPHQL, content="[" * 100_000, headers=as_json),
        await operator.post(GRAPHQL, content=text + " " * middleware.MAX_BODY, headers=as_json),
        # by another method or entry point
        await operator.put(GRAPHQL, content=text, headers=as_json),
        await operator.post("/dagster/report_asset_materialization/evil", content=b"{}", headers=as_json),
        await operator.post("/dagster/report_asset_check/evil?check_name=x&passed=true", headers=as_json),
        await operator.post("/dagster/runs", content=text, headers=as_json),
        # from another page, or under another name
        *[
            await operator.post(GRAPHQL, content=text, headers={"Content-Type": "application/json", **origin})
            for origin in ({}, {"Origin": "null"}, {"Origin": "http://evil.example"}, {"Origin": "http://test.evil.example"})
        ],
        await site.browser().post(GRAPHQL, content=text, headers=host),
        await site.browser().get("/dagster/", headers=host),
        await site.browser().post(GRAPHQL, content=text, headers=[*as_json.items(), *mine.items(), ("Host", "test"), ("Host", "evil.example")]),
    ]  # fmt: skip
    assert [answer.status_code for answer in answers if answer.status_code < 400] == []
    assert len(dagster.scopes) == before, "nothing of it reached Dagster"
    assert "evil" not in await limits(operator)
    # a page of Dagster's may carry a query: it is the page's own business
    assert (await operator.get("/dagster/runs", params=question)).status_code == 200
    assert dagster.scopes[-1]["query_string"] == b"" and "evil" not in await limits(operator)


async def test_what_passes_and_what_does_not(dagster: Dagster, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = await site.signed_in("operator")
    browsers = {
        "Authorization": "Basic eDp5", "X-Forwarded-For": "6.6.6.6", "Connection": "keep-alive, x-extra", "X-Extra": "1", "TE": "trailers",
        "Idempotency-Key": "k1", "Proxy-Authorization": "Basic eDp5", "Upgrade": "h2c", "Referer": "http://test/dagster/", **ORIGIN,
    }  # fmt: skip
    answer = await operator.post(f"{GRAPHQL}?op=x", json={"query": "{ version }"}, headers=browsers)
    assert answer.json() == {"data": {"version": answer.json()["data"]["version"]}}
    seen = dagster.headers()
    assert dagster.scopes[-1]["query_string"] == b""
    assert seen.pop("host").startswith("127.0.0.1:") and seen["idempotency-key"] == "k1"
    assert not {"cookie", "authorization", "x-forwarded-for", "x-extra", "te", "upgrade", "referer", "origin"} & set(
        seen
    )
    assert seen[dagster_ui.KEY_HEADER] == KEY and KEY not in answer.text + str(answer.headers)
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"

    async def planting(scope: Any, receive: Any, send: Any) -> None:
        names = [(b"set-cookie", b"synkro=evil"), (b"location", b"http://127.0.0.1:3000/dagster/x"), (b"refresh", b"0")]
        await send({"type": "http.response.start", "status": 307, "headers": names})
        await send({"type": "http.response.body", "body": b""})

    monkeypatch.setattr(dagster, "app", planting)
    answer = await operator.get("/dagster/locations")
    assert answer.headers["location"] == "/dagster/x" and not {"set-cookie", "refresh"} & set(answer.headers)


async def test_an_answer_is_passed_on_as_it_comes(
    dagster: Dagster, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser that has gone does not leave the other side waiting either."""
    operator = await site.signed_in("operator")
    first, gone = asyncio.Event(), threading.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    monkeypatch.setattr(dagster, "app", endless)
    cookie = f"{auth.cookie_name()}={operator.cookies[auth.cookie_name()]}"
    scope = {**SCOPE, "type": "http", "method": "GET", "scheme": "http", "path": "/dagster/logs/x", "headers": [(b"host", b"test"), (b"cookie", cookie.encode())]}  # fmt: skip

    async def receive() -> dict[str, Any]:
        if not asked:
            asked.append(1)
            return {"type": "http.request", "body": b""}
        await first.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message.get("body") == b"first":
            first.set()

    asked: list[int] = []
    await asyncio.wait_for(site.app(scope, receive, send), 30)
    assert first.is_set() and await asyncio.to_thread(gone.wait, 30)


async def test_a_page_says_that_dagster_is_down(dagster: Dagster, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = await site.signed_in("operator")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        monkeypatch.setenv("SYNKRO_DAGSTER_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
    settings.cache_clear()
    page, asked = await operator.get("/dagster/runs"), await ask(operator, LIMITS)
    assert page.status_code == asked.status_code == 502
    assert "Dagster не отвечает" in page.text and "остановлен" in asked.json()["errors"][0]["message"]
    assert page.content == static_pages.dagster_down().body
    async with opened(site, operator.cookies[auth.cookie_name()]) as browser:
        assert await browser.said() == {"type": "websocket.close", "code": 1013, "reason": ""}


# --- the socket -------------------------------------------------------------------------------------------

SCOPE: dict[str, Any] = {
    "root_path": "", "query_string": b"", "client": ("127.0.0.1", 5), "server": ("test", 80), "asgi": {"version": "3.0"},
    "http_version": "1.1",
}  # fmt: skip


class BrowserSocket:
    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outgoing: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def said(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.outgoing.get(), 30)

    async def says(self, **message: Any) -> None:
        await self.incoming.put({"type": "websocket.receive", "text": json.dumps(message)})


@asynccontextmanager
async def opened(
    site: Site,
    cookie: str | None,
    origin: str | None = "http://test",
    host: str = "test",
    subprotocols: tuple[str, ...] = ("graphql-ws",),
    path: str = GRAPHQL,
) -> AsyncIterator[BrowserSocket]:
    browser = BrowserSocket()
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    if cookie is not None:
        headers.append((b"cookie", f"{auth.cookie_name()}={cookie}".encode()))
    scope = {**SCOPE, "type": "websocket", "scheme": "ws", "path": path, "headers": headers, "subprotocols": list(subprotocols), "state": {}}  # fmt: skip
    await browser.incoming.put({"type": "websocket.connect"})
    task = asyncio.create_task(site.app(scope, browser.incoming.get, browser.outgoing.put))
    try:
        yield browser
        await browser.incoming.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(task, 30)
    finally:
        task.cancel()


def cookie_of(world: World, name: str) -> tuple[str, str]:
    session_id = sessions.open_session(world.people[name].user_id, None, None)
    return session_id, auth.sealed(session_id)


async def test_an_operators_socket_carries_subscriptions(dagster: Dagster, site: Site, world: World) -> None:
    _, cookie = cookie_of(world, "operator")
    async with opened(site, cookie) as browser:
        assert (await browser.said())["subprotocol"] == "graphql-ws"
        assert "cookie" not in dagster.headers() and dagster.headers()[dagster_ui.KEY_HEADER] == KEY
        await browser.says(type="connection_init")
        assert json.loads((await browser.said())["text"]) == {"type": "connection_ack"}
        await browser.says(type="start", id="1", payload={"query": EVENTS})
        said = json.loads((await browser.said())["text"])
        assert said["payload"]["data"]["pipelineRunLogs"]["__typename"] == "PipelineRunLogsSubscriptionFailure"


async def test_nobody_elses_socket_opens(dagster: Dagster, site: Site, world: World) -> None:
    _, mine = cookie_of(world, "operator")
    dead_id, dead = cookie_of(world, "operator")
    sessions.close_session(dead_id)
    by_letter = auth.sealed(sessions.open_session(world.people["operator"].user_id, None, None, may_set_password=True))
    before = len(dagster.scopes)
    refused: list[dict[str, Any]] = [
        *[{"cookie": mine, "origin": origin} for origin in (None, "", "null", "http://evil.example", "https://test")],
        *[{"cookie": mine, "host": host, "origin": f"http://{host}"} for host in ("evil.example", "test.evil.example")],
        *[{"cookie": cookie} for cookie in (None, "", "junk.x", dead, mine[:-1], by_letter)],
        *[{"cookie": cookie_of(world, name)[1]} for name in ("admin", "user", "stranger", "newcomer")],
        *[{"cookie": mine, "subprotocols": offered} for offered in ((), ("graphql-transport-ws",))],
        *[{"cookie": mine, "path": path} for path in ("/dagster/", "/dagster/graphql/", "/dagster/graphql\n")],
    ]
    for case in refused:
        async with opened(site, **case) as browser:
            assert (await browser.said())["type"] == "websocket.close", case
    assert len(dagster.scopes) == before


async def test_a_socket_ends_with_the_session_and_with_the_role(dagster: Dagster, site: Site, world: World) -> None:
    first_id, first = cookie_of(world, "operator")
    _, second = cookie_of(world, "operator")
    async with opened(site, first) as gone, opened(site, second) as stays:
        assert {(await one.said())["type"] for one in (gone, stays)} == {"websocket.accept"}
        sessions.close_session(first_id)
        assert await gone.said() == {"type": "websocket.close", "code": 1008, "reason": ""}
        await stays.says(type="connection_init")
        assert "ack" in (await stays.said())["text"]
        with db.as_service("test") as connection:
            users.revoke(connection, world.people["operator"].user_id, None)
        try:
            assert (await stays.said())["code"] == 1008
        finally:
            with db.as_service("test") as connection:
                users.grant(connection, world.people["operator"].user_id, None, "super_admin")
    assert middleware.watch._held == {}


# --- the web server itself --------------------------------------------------------------------------------


def test_the_web_server_answers_who_shows_the_key(made: Any) -> None:
    """A page in a browser on this machine, or a neighbour in the containers' network, has none."""
    with closing(TestClient(BehindKey(made, KEY), raise_server_exceptions=False)) as client:
        mutation = {"query": 'mutation { setConcurrencyLimit(concurrencyKey: "direct", limit: 1) }'}
        for shown in ({}, {dagster_ui.KEY_HEADER: "x"}, {dagster_ui.KEY_HEADER: ""}, {"cookie": KEY}):
            for answer in (
                client.get(GRAPHQL, params=mutation, headers={"Origin": "http://evil.example", **shown}),
                client.post(GRAPHQL, json=mutation, headers=shown),
                client.get("/dagster/", headers=shown),
                client.post(dagster_ui.IS_UP, headers=shown),
            ):
                assert answer.status_code == 403
        assert client.get(dagster_ui.IS_UP).json()["dagster_version"]
        told = client.post(GRAPHQL, json={"query": LIMITS}, headers={dagster_ui.KEY_HEADER: KEY}).json()
        assert "direct" not in str(told) and "concurrencyLimits" in str(told)
        with (
            pytest.raises(WebSocketDisconnect) as closed,
            client.websocket_connect(GRAPHQL, subprotocols=["graphql-ws"]),
        ):
            pass
        assert closed.value.code == 1008


def test_the_command_puts_the_key_before_dagster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from dagster_webserver import cli

    from cli.process import serve
    from orchestration.process import webserver

    monkeypatch.setenv("SYNKRO_DAGSTER_READ_ONLY", "1")
    monkeypatch.setenv("SYNKRO_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    command = serve._webserver(tmp_path, serve.LOOPBACK)
    assert command[1:3] == ["-m", "orchestration.process.webserver"]
    served: list[tuple[Any, dict[str, Any]]] = []
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    # no code server is needed to see what would be served
    monkeypatch.setattr(cli, "workspace_opts_to_load_target", lambda opts: None)
    monkeypatch.setattr(cli.uvicorn, "run", lambda app, **options: served.append((app, options)))
    monkeypatch.setattr(
        cli, "create_app_from_workspace_process_context", lambda context, *rest, **more: (context, rest)
    )
    monkeypatch.setattr("sys.argv", ["webserver", *command[3:]])
    with pytest.raises(SystemExit) as ended:
        webserver.main()
    assert ended.value.code == 0
    ((app, options),) = served
    assert (
        isinstance(app, BehindKey)
        and app._key.decode() == dagster_ui.key()
        and len(dagster_ui.key()) >= dagster_ui.MIN_KEY
    )
    context, (prefix, _) = app.app
    assert (context.read_only, prefix, options["host"]) == (True, dagster_ui.PREFIX, "127.0.0.1")
    settings.cache_clear()


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SYNKRO_DAGSTER_URL": "http://dagster-webserver:3000"}, "SYNKRO_DAGSTER_KEY"),
        ({"SYNKRO_DAGSTER_KEY": "short"}, "SYNKRO_DAGSTER_KEY"),
        ({"SYNKRO_DAGSTER_KEY": "a" * 40}, "SYNKRO_DAGSTER_KEY"),
        *[
            ({"SYNKRO_DAGSTER_KEY": KEY, "SYNKRO_DAGSTER_URL": url}, "SYNKRO_DAGSTER_URL")
            for url in ("dagster:3000", "http://", "file:///etc", "http://u:p@dagster", "http://d/x", "http://d:x", "http://d?x")
        ],
    ],
)  # fmt: skip
def test_a_wrong_address_or_key_is_named(
    environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SYNKRO_DAGSTER_URL", "SYNKRO_DAGSTER_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match=named):
            dagster_ui.key()
            dagster_ui.address()
    finally:
        monkeypatch.undo()
        settings.cache_clear()
