"""The socket's entry point: our Origin, a living session, and the page opened by that very session."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from nicegui import Client, core
from nicegui.page import page

from app import auth, middleware
from synkro.accounts import sessions
from synkro.core.settings import settings
from synkro.database import db
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import World

HOSTS = ["http://test", "http://TEST"]
FOREIGN = [
    None, "", "null", "http://evil.example", "https://test", "http://test:8080", "http://test.evil.example", "http://xtest",
    "ws://test", "file://", "http://test@evil.example", "http://evil.example/http://test", "http://test/../x",
]  # fmt: skip


async def handshake(
    app: Any, origin: str | None, cookie: str | None, client_id: str = "x", path: str = "/_nicegui_ws/socket.io/"
) -> str:
    """What the server says first: ``websocket.accept`` or ``websocket.close``."""
    headers = [(b"host", b"test")]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    if cookie is not None:
        headers.append((b"cookie", cookie.encode()))
    scope = {
        "type": "websocket", "path": path, "raw_path": path.encode(), "scheme": "ws", "headers": headers, "root_path": "",
        "query_string": f"EIO=4&transport=websocket&client_id={client_id}".encode(), "subprotocols": [], "state": {},
        "client": ("127.0.0.1", 5), "server": ("test", 80), "asgi": {"version": "3.0"}, "http_version": "1.1",
    }  # fmt: skip
    said: list[str] = []
    incoming = iter([{"type": "websocket.connect"}])

    async def receive() -> dict[str, Any]:
        return next(incoming, {"type": "websocket.disconnect", "code": 1000})

    async def send(message: dict[str, Any]) -> None:
        said.append(message["type"])

    await app(scope, receive, send)
    return said[0]


@pytest.fixture
def reached() -> middleware.Guard:
    """The guard before an app that only says it was reached."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    return middleware.Guard(app)


def cookie_of(world: World, name: str) -> tuple[str, str]:
    session_id = sessions.open_session(world.people[name].user_id, None, None)
    return session_id, f"{auth.cookie_name()}={auth.sealed(session_id)}"


async def test_handshakes(reached: middleware.Guard, world: World) -> None:
    _, mine = cookie_of(world, "user")
    _, newcomer = cookie_of(world, "newcomer")
    dead_id, dead = cookie_of(world, "user")
    sessions.close_session(dead_id)
    for origin in HOSTS:
        assert await handshake(reached, origin, mine) == "websocket.accept"
    refused = 0
    for origin in FOREIGN:
        for cookie in (mine, None, "synkro=junk", dead):
            assert await handshake(reached, origin, cookie) == "websocket.close", (origin, cookie)
            refused += 1
    for cookie in (None, "", "synkro=", "synkro=abc.def", dead, newcomer, mine[:-1], f"other={mine.split('=')[1]}"):
        for origin in HOSTS:
            assert await handshake(reached, origin, cookie) == "websocket.close", cookie
            refused += 1
    assert await handshake(reached, HOSTS[0], mine, path="/elsewhere") == "websocket.close"
    assert refused >= 60


OWN_HOSTS = [
    "test",
    "TEST",
    "test:8080",
    "127.0.0.1:8080",
    "localhost",
    "[::1]:8080",
    "synkro.example",
    "synkro.example:443",
]
OTHER_HOSTS = [
    "evil.example", "test.evil.example", "synkro.example.evil.example", "xsynkro.example", "synkro.example@evil.example",
    "evil.example@synkro.example", "synkro.example/evil.example", "evil.example/synkro.example", "synkro.example:443:1", "127.0.0.1.evil.example",
    "synkro.example#", "synkro.example?", "", "synkro.example,evil.example", "127.1", "[::ffff:127.0.0.1]", "synkro.example:x",
    "s\u0443nkro.example",
]  # fmt: skip


async def test_the_app_answers_to_its_own_names(
    site: Site, monkeypatch: pytest.MonkeyPatch, shared_world: World
) -> None:
    monkeypatch.setenv("SYNKRO_PUBLIC_URL", "https://synkro.example")
    settings.cache_clear()
    browser = site.browser()
    for host in OWN_HOSTS:
        assert (await browser.get("/login", headers={"Host": host})).status_code == 200, host
    for host in OTHER_HOSTS:
        for path in ("/login", "/", "/api/health", "/api/v1/tenants", "/static/synkro.css"):
            answer = await browser.get(path, headers={"Host": host.encode()})
            assert answer.status_code == 421 and "nosniff" in answer.headers["x-content-type-options"], host
            if path.startswith("/api/"):
                assert answer.json()["error"]["kind"] == "host"
    two = await browser.get("/login", headers=[("Host", "test"), ("Host", "evil.example")])
    assert two.status_code == 421


async def test_a_page_belongs_to_its_session(site: Site, world: World, reached: middleware.Guard) -> None:
    person = await site.person("user")
    client = await person.open("/")
    own = person.http_client.cookies["synkro"]
    assert await handshake(reached, "http://test", f"synkro={own}", client.id) == "websocket.accept"
    for name in ("admin", "stranger", "user"):
        _, other = cookie_of(world, name)
        assert await handshake(reached, "http://test", other, client.id) == "websocket.close", name


async def test_long_polling_is_refused(site: Site, world: World) -> None:
    browser = await site.signed_in("user")
    answer = await browser.get("/_nicegui_ws/socket.io/?EIO=4&transport=polling")
    assert answer.status_code == 405
    assert core.app.config.socket_io_js_transports == ["websocket"]


async def test_events_need_a_living_session(site: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await site.person("user")
    client = await person.open("/")
    session_id = auth.opened(person.http_client.cookies["synkro"])
    assert session_id
    seen: list[Any] = []
    cut: list[str] = []
    caller = auth.identify(session_id)
    monkeypatch.setattr(core.sio, "get_environ", lambda sid: {"asgi.scope": {"state": {"caller": caller}}})

    async def disconnect(sid: str) -> None:
        cut.append(sid)

    monkeypatch.setattr(core.sio, "disconnect", disconnect)
    handler = middleware._guarded("event", lambda sid, message: seen.append(message))
    middleware.watch.add(session_id)
    await handler("sid", {"client_id": client.id})
    assert len(seen) == 1 and cut == []

    stranger_page = Client(page(""), request=client.request)
    stranger_page._request = await_request(world)
    await handler("sid", {"client_id": stranger_page.id})
    assert len(seen) == 1 and cut == ["sid"], "another session's page"

    with db.as_service("test") as connection:
        connection.execute(
            "update auth.users set banned_until = now() + interval '1 day' where email = 'user@example.com'"
        )
    assert middleware.RECHECK_SECONDS <= 5, "who is locked out is out within seconds"
    await middleware.watch.recheck()
    await handler("sid", {"client_id": client.id})
    assert len(seen) == 1 and len(cut) == 2
    with db.as_service("test") as connection:
        connection.execute("update auth.users set banned_until = null where email = 'user@example.com'")


async def test_a_flood_of_events_is_dropped_and_cut_off(
    site: Site, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who types is far below the pace; another session is not touched by the flood."""
    seen: list[str] = []
    cut: list[str] = []
    callers = {name: auth.Caller(world.people[name], f"session of {name}") for name in ("user", "admin")}
    monkeypatch.setattr(core.sio, "get_environ", lambda sid: {"asgi.scope": {"state": {"caller": callers[sid]}}})

    async def disconnect(sid: str) -> None:
        cut.append(sid)

    now = [100.0]
    monkeypatch.setattr(core.sio, "disconnect", disconnect)
    monkeypatch.setattr(middleware, "pace", middleware.Pace())
    monkeypatch.setattr(middleware, "time", SimpleNamespace(monotonic=lambda: now[0]))
    handler = middleware._guarded("event", lambda sid, message: seen.append(sid))
    for caller in callers.values():
        middleware.watch.add(caller.session_id)
    for _ in range(300):
        await handler("user", {"client_id": ""})
        now[0] += 0.1
    assert len(seen) == 300, "ten a second, for half a minute"
    seen.clear()
    for _ in range(1000):
        await handler("user", {"client_id": ""})
    assert len(seen) == 200 and cut == []
    await handler("admin", {"client_id": ""})
    assert seen[-1] == "admin"
    now[0] += 1
    for _ in range(60):
        await handler("user", {"client_id": ""})
    assert seen.count("user") == 250, "what a second brings back"
    for _ in range(middleware.Pace.PATIENCE):
        await handler("user", {"client_id": ""})
    assert "user" in cut and "admin" not in cut
    middleware.pace.keep(["session of admin"])
    assert set(middleware.pace._left) == {"session of admin"}


def await_request(world: World) -> Any:
    class Request:
        class state:
            caller = auth.Caller(world.people["stranger"], "someone-elses-session")

    return Request()


async def test_every_socket_handler_is_guarded(site: Site) -> None:
    handlers = core.sio.handlers["/"]
    assert set(handlers) == {"connect", "handshake", "disconnect", "event", "javascript_response", "ack", "log"}
    unguarded = {name for name, handler in handlers.items() if not hasattr(handler, "guarded")}
    assert unguarded == {"connect", "disconnect"}, "the ASGI guard stands before connect"


async def test_an_upload_comes_from_its_own_page_and_is_bounded(site: Site, world: World) -> None:
    person = await site.person("admin")
    await person.open("/t/alpha/settings")
    assert person.client is not None
    path = f"/_nicegui/client/{person.client.id}/upload/1"
    stranger = await site.signed_in("user")
    answer = await stranger.post(path, content=b"x", headers=ORIGIN)
    assert answer.status_code == 403 and "другом сеансе" in answer.text
    large = {**ORIGIN, "content-length": str(middleware.MAX_BODY + 1)}
    assert (await stranger.post(path, content=b"x", headers=large)).status_code == 403
    larger = {**ORIGIN, "content-length": str(middleware.MAX_UPLOAD + 1)}
    assert (await stranger.post(path, content=b"x", headers=larger)).status_code == 413
    assert (await stranger.post("/profile", content=b"x", headers=large)).status_code == 413
    assert (await site.browser().post(path, content=b"x", headers=ORIGIN)).status_code == 303
