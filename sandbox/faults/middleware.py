"""The middleware of one vendor's server: it writes the request log, serves the control pages and applies faults.

``instrument(app, request_log, faults)`` wraps any ASGI app. Control pages, without any key: ``GET /_journal``,
``DELETE /_journal``, ``GET /_violations``, ``GET|POST|DELETE /_faults``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.faults import transport_faults
from sandbox.faults.catalogue import Faults, UnknownFault
from sandbox.faults.request_log import RequestLog, mask

#: open connections by (client, server) address: some faults need the socket itself
_TRANSPORTS: dict[tuple[Any, Any], asyncio.Transport] = {}


class Protocol(H11Protocol):
    """uvicorn's HTTP protocol that remembers its socket, so that a fault can cut or write it raw."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _TRANSPORTS[(self.client, self.server)] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _TRANSPORTS.pop((self.client, self.server), None)
        super().connection_lost(exc)


@dataclass(slots=True)
class Answer:
    """A whole answer of the app, caught before it is sent."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    def json(self) -> Any:
        """The body, or None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def with_json(self, payload: Any) -> Answer:
        return Answer(self.status, self.headers, json.dumps(payload, ensure_ascii=False).encode())


class Call:
    """One request a fault scenarios with."""

    def __init__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, faults: Faults) -> None:
        self._app, self.scope, self._receive, self._send, self.faults = app, scope, receive, send, faults
        self.status = 0

    async def answer(self, query: bytes | None = None, extra: dict[str, Any] | None = None) -> Answer:
        """Let the app answer, with another query string or extra scope keys if wanted."""
        scope = {**self.scope, **(extra or {})}
        if query is not None:
            scope["query_string"] = query
        caught = Answer(500)

        async def catch(message: Message) -> None:
            if message["type"] == "http.response.start":
                caught.status, caught.headers = message["status"], list(message.get("headers", []))
            elif message["type"] == "http.response.body":
                caught.body += message.get("body", b"")

        await self._app(scope, self._receive, catch)
        return caught

    async def send(self, answer: Answer) -> None:
        """Send a whole answer with a true Content-Length."""
        self.status = answer.status
        headers = [(k, v) for k, v in answer.headers if k.lower() != b"content-length"]
        if answer.status != 204:
            headers.append((b"content-length", str(len(answer.body)).encode()))
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": answer.body})

    def error(self, status: int, detail: str, **more: Any) -> Answer:
        """The vendor's own error body."""
        content_type, body = self.faults.errors(status, detail, more)
        return Answer(status, [(b"content-type", content_type.encode())], json.dumps(body, ensure_ascii=False).encode())

    @property
    def transport(self) -> asyncio.Transport:
        """The socket of this connection."""
        return _TRANSPORTS[(_pair(self.scope["client"]), _pair(self.scope["server"]))]

    async def gone(self, seconds: float = 3600) -> bool:
        """Wait until the client has hung up; False when it still waits after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        return True


def _pair(address: Any) -> tuple[str, int] | None:
    return tuple(address) if address else None


def dated(app: ASGIApp, now: Callable[[], datetime]) -> ASGIApp:
    """Give every answer the ``Date`` of the vendor's own clock, which a test may have stopped and a fault have moved."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(now() + scope.get("sandbox.skew", timedelta()), usegmt=True)
                message = {**message, "headers": [*message.get("headers", []), (b"date", date.encode())]}
            await send(message)

        await app(scope, receive, stamped)

    return wrapped


def instrument(app: ASGIApp, request_log: RequestLog, faults: Faults) -> ASGIApp:
    """Wrap a vendor's app: control pages first, then the request log, then whatever fault is due."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if scope["path"] in ("/_journal", "/_violations", "/_faults"):
            await _control(scope, receive, send, request_log, faults)
            return
        query = scope.get("query_string", b"").decode("latin-1")
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").split("?")[0]
        path = f"{raw}?{query}" if query else raw
        if raw.startswith("/_"):
            await app(scope, receive, send)  # a vendor's own test hooks
            return
        row = request_log.arrived(scope["method"], path)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                row["status"] = message["status"]
            await send(message)

        fault = faults.match(mask(path))
        watchers = faults.observe(mask(path))
        if fault is None and not watchers:
            await app(scope, receive, watched)
            return
        call = Call(app, scope, receive, watched, faults)
        try:
            await transport_faults.play(fault, call, watchers)
        finally:
            if row["status"] is None:
                row["status"] = call.status

    return wrapped


async def _control(scope: Scope, receive: Receive, send: Send, request_log: RequestLog, faults: Faults) -> None:
    """``/_journal``, ``/_violations`` and ``/_faults``."""
    page, method = scope["path"], scope["method"]
    status = 200
    payload: Any = None
    if page == "/_journal" and method == "GET":
        payload = request_log.requests()
    elif page == "/_journal" and method == "DELETE":
        request_log.clear()
        payload = []
    elif page == "/_violations" and method == "GET":
        payload = request_log.violations()
    elif page == "/_faults" and method in ("GET", "POST", "DELETE"):
        try:
            if method == "POST":
                body = json.loads(await _body(receive) or b"null")
                for spec in body if isinstance(body, list) else [body]:
                    if not isinstance(spec, dict):
                        raise UnknownFault("a fault is a JSON object with a kind, or a list of them")
                    faults.add(spec)
            elif method == "DELETE":
                faults.clear()
            payload = faults.as_dict()
        except ValueError as error:
            status, payload = 400, {"error": str(error)}
    else:
        status, payload = 405, {"error": f"{method} {page}: not a control page"}
    data = json.dumps(payload, ensure_ascii=False, default=str).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def _body(receive: Receive) -> bytes:
    data, more = b"", True
    while more:
        message = await receive()
        data += message.get("body", b"")
        more = message.get("more_body", False)
    return data
