"""The only way to Dagster's UI: for operators, under our own sign-in, at ``/dagster``.

Dagster takes mutations by GET, in any form, from any page, and knows nobody. Here GraphQL goes by POST with a JSON body alone,
everything else is read without its query, and a request is made anew for the web server: neither our cookie nor anything else
of the browser's that is not named below reaches it, and of its answer only what is named comes back. Who is asking, from
which page and how much has been settled by :mod:`app.middleware` before; an open socket ends with its session or the person's role.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import quote, urlsplit

import httpx
import websockets
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection

from app import auth, middleware, static_pages
from app.offload import off_loop
from app.texts import t
from synkro.database import db
from synkro.runs import dagster_ui
from synkro.tenancy import users

logger = logging.getLogger("synkro.app")

#: of the browser's headers; Host, cookies and everything that speaks of the connection stay here
TO_DAGSTER = ("accept", "accept-encoding", "accept-language", "content-type", "idempotency-key", "user-agent")
#: of Dagster's; cookies of its would be ours, as the address is
FROM_DAGSTER = (
    "content-type", "content-length", "content-encoding", "content-disposition", "etag", "last-modified", "vary",
    "x-dagster-call-counts",
)  # fmt: skip
#: pages of the web server that people do not need here: it turns a file into a page with scripts
CLOSED = ("notebook", "dagit")
SUBPROTOCOL = "graphql-ws"
#: Dagster's page puts the name of its question there, for the log; the address is not passed on
_OPERATION = re.compile(rb"(op=[A-Za-z0-9_]{0,200})?")
CONNECT_SECONDS = 5.0
#: a page of partitions is reckoned for seconds; Dagster itself ends a statement after 15
ANSWER_SECONDS = 60.0
#: bytes of one message of a subscription: a hundred events of a run
MAX_MESSAGE = 4_000_000


class DagsterProxy:
    """ASGI app, mounted at :data:`synkro.runs.dagster_ui.PREFIX` behind the guard."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(WebSocket(scope, receive, send))
        else:
            with suppress(ClientDisconnect):
                answer = await self._answer(Request(scope, receive))
                await answer(scope, receive, send)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _answer(self, request: Request) -> Response:
        caller: auth.Caller | None = request.state.caller
        path = request.scope["path"]
        if caller is None or not _is_plain(path) or not await off_loop(is_operator, caller):
            # the same as a page that is not there
            return static_pages.not_found()
        return await _refusal(request) or await self._forwarded(request)

    async def _forwarded(self, request: Request) -> Response:
        headers = {name: request.headers[name] for name in TO_DAGSTER if name in request.headers}
        headers[dagster_ui.KEY_HEADER] = dagster_ui.key()
        # without its query: no page of Dagster's reads it on the server, and where a query is read it is a way in
        url = dagster_ui.address() + quote(request.scope["path"])
        try:
            body = await request.body()
            asked = self._http().build_request(request.method, url, headers=headers, content=body or None)
            answer = await self._http().send(asked, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            logger.warning("Dagster does not answer: %s", error)
            return _down(request)
        kept = {name: answer.headers[name] for name in FROM_DAGSTER if name in answer.headers}
        if (location := _inner(answer.headers.get("location"))) is not None:
            kept["location"] = location
        return StreamingResponse(_chunks(answer), answer.status_code, kept)

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
                limits=httpx.Limits(max_connections=32, max_keepalive_connections=8),
                follow_redirects=False,
                # no proxy of the environment stands between the two
                trust_env=False,
            )
        return self._client

    async def _socket(self, websocket: WebSocket) -> None:
        """Subscriptions: Dagster's socket carries nothing else."""
        caller: auth.Caller = websocket.state.caller
        await websocket.receive()
        if SUBPROTOCOL not in websocket.scope["subprotocols"] or not await off_loop(is_operator, caller):
            await websocket.close(1008)
            return
        address = "ws" + dagster_ui.address().removeprefix("http") + dagster_ui.GRAPHQL
        try:
            upstream = await websockets.connect(
                address,
                subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
                additional_headers={dagster_ui.KEY_HEADER: dagster_ui.key()},
                open_timeout=CONNECT_SECONDS,
                close_timeout=CONNECT_SECONDS,
                max_size=MAX_MESSAGE,
                compression=None,
                proxy=None,
            )
        except (OSError, TimeoutError, websockets.WebSocketException) as error:
            logger.warning("Dagster does not answer: %s", error)
            await websocket.close(1013)
            return
        try:
            await _joined(websocket, upstream, caller)
        finally:
            await upstream.close()


async def _joined(websocket: WebSocket, upstream: ClientConnection, caller: auth.Caller) -> None:
    """Carry messages both ways until a side has done, or the person may not be here any more."""
    await websocket.accept(subprotocol=SUBPROTOCOL)
    with middleware.watch.hold(caller) as ended:
        sides = [asyncio.create_task(side) for side in (_up(websocket, upstream), _down_to(websocket, upstream))]
        over = asyncio.create_task(ended.wait())
        try:
            await asyncio.wait([*sides, over], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*sides, over):
                task.cancel()
            await asyncio.gather(*sides, over, return_exceptions=True)
    # the browser may have gone first
    with suppress(RuntimeError):
        await websocket.close(1008 if ended.is_set() else 1001)


async def _up(websocket: WebSocket, upstream: ClientConnection) -> None:
    with suppress(WebSocketDisconnect, websockets.ConnectionClosed, KeyError):
        while True:
            await upstream.send(await websocket.receive_text())


async def _down_to(websocket: WebSocket, upstream: ClientConnection) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        async for message in upstream:
            await websocket.send_text(message if isinstance(message, str) else message.decode())


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    """As they come and as they are packed."""
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()


def is_operator(caller: auth.Caller) -> bool:
    with db.as_service("dagster") as connection:
        return bool(users.operators(connection, [caller.user.user_id]))


def _is_plain(path: str) -> bool:
    """Nothing that Dagster's router may read otherwise than we do."""
    inner = path.removeprefix(dagster_ui.PREFIX)
    if path == inner or "\\" in path or "//" in path or not path.isprintable():
        return False
    parts = inner.split("/")
    return not {".", ".."} & set(parts) and len(path) <= 2000


async def _refusal(request: Request) -> Response | None:
    path = request.scope["path"]
    if path == dagster_ui.GRAPHQL:
        return await _graphql_refusal(request)
    first = path.removeprefix(dagster_ui.PREFIX).strip("/").partition("/")[0].strip().lower()
    if first in (*CLOSED, "graphql"):
        return static_pages.not_found()
    if request.method not in ("GET", "HEAD"):
        return static_pages.refused(t("dagster.method"), 405)
    return None


async def _graphql_refusal(request: Request) -> Response | None:
    headers = Headers(scope=request.scope)
    if request.method != "POST":
        return _said(t("dagster.method"), 405)
    if not _OPERATION.fullmatch(request.scope.get("query_string", b"")):
        return _said(t("dagster.query"), 400)
    kinds = headers.getlist("content-type")
    if len(kinds) != 1 or not _is_json(kinds[0]) or "content-encoding" in headers:
        return _said(t("dagster.json"), 415)
    try:
        asked = json.loads(await request.body())
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
        return _said(t("dagster.json"), 400)
    return None


def _is_json(content_type: str) -> bool:
    """``application/json``, in UTF-8 if it says which."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    return kind == "application/json" and all(one in ("charset=utf-8", 'charset="utf-8"') for one in parameters)


def _inner(location: str | None) -> str | None:
    """A redirect within Dagster, without the address it has inside."""
    path = urlsplit(location or "").path
    return path if path == dagster_ui.PREFIX or path.startswith(f"{dagster_ui.PREFIX}/") else None


def _said(text: str, status: int) -> Response:
    """As Dagster's UI reads errors."""
    return JSONResponse({"errors": [{"message": text}]}, status)


def _down(request: Request) -> Response:
    return _said(t("dagster.down"), 502) if request.method == "POST" else static_pages.dagster_down()
