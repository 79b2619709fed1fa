"""The wire under ``synkro/http/factory.py``: what may leave, where it may go, how much and how long may come back.

The guards sit in the transport, below every convenience of httpx and of the openai SDK, so a raw ``.post`` or
a library's own retry passes them too:

- *what*: a read-only vendor gets GET and nothing else; the refusal happens before a byte is sent;
- *where*: the origin of the base URL only, over a verified TLS connection, to an address that was checked and
  is the very address connected to (a second look-up could answer differently); redirects are never followed;
- *how long*: one deadline over connecting, headers and body, enforced at every socket read, because a server
  that drips a byte a second never trips a read time-out;
- *how much*: the body is unpacked by us in bounded steps, so a gzip bomb ends at the limit, not in memory.

Raises the errors of ``synkro.core.errors`` for what is forbidden and httpx's own for what is broken.
"""

from __future__ import annotations

import asyncio
import contextvars
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpcore
import httpx

from synkro.core.errors import PermanentError, SynkroError
from synkro.http.body import AsyncBody, Body, DeadlineExceeded, SyncBody, sharper
from synkro.http.destination import NAMES, Destination, resolve

REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: opening a connection within so many seconds is within the margin of the pace
_STALE = 0.03
#: bytes written between two looks at the deadline
_SLICE = 64 * 1024


@dataclass(frozen=True)
class Bounds:
    """Limits of one request. Seconds and bytes; the defaults are those of amoCRM's own SDK."""

    connect: float = 5.0
    read: float = 20.0
    #: from the first byte sent to the last byte read, one try
    total: float = 60.0
    #: after unpacking
    body_bytes: int = 32 * 1024 * 1024
    tries: int = 4
    #: first wait between tries; doubles, up to a minute
    backoff: float = 1.0


#: when the request of this thread must be over (monotonic); its sockets look at it
_deadline: contextvars.ContextVar[float] = contextvars.ContextVar("synkro_http_deadline", default=float("inf"))


def _left(timeout: float | None) -> float | None:
    """The smaller of a step's time-out and what is left of the request's deadline."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("deadline")
    return left if timeout is None else min(timeout, left)


class PermitRenewal:
    """Takes another permit when the one a request had expired while a connection was opened for it.

    httpcore calls it between its steps. The vendor counts a request when it arrives: one that was delayed by a
    handshake would fall into the next second's count.
    """

    def __init__(self, permit: Callable[[], float]) -> None:
        self._permit = permit
        self._opening: float | None = None

    def __call__(self, event: str, _: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self._opening = time.monotonic()
        elif event == "http11.send_request_headers.started" and self._opening is not None:
            if time.monotonic() - self._opening > _STALE:
                self._permit()
            self._opening = None


class _Stream(httpcore.NetworkStream):
    """A socket that knows the deadline of the request it serves."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # in slices, so that a reader that drains slowly meets the deadline between them
        for start in range(0, len(buffer), _SLICE):
            self._stream.write(buffer[start : start + _SLICE], _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Resolves, checks, and connects to what was checked."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._tcp = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        addresses = self._destination.checked(resolve(host, port, _left(timeout)))
        for last, address in enumerate(addresses, start=1 - len(addresses)):
            try:
                return _Stream(self._tcp.connect_tcp(address, port, _left(timeout), local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last == 0:
                    raise
        raise httpcore.ConnectError("no address")

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    """The same for asyncio; the deadline is kept around the awaits by the transport."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._tcp = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        found = await asyncio.to_thread(resolve, host, port, timeout)
        addresses = self._destination.checked(found)
        for last, address in enumerate(addresses, start=1 - len(addresses)):
            try:
                return await self._tcp.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last == 0:
                    raise
        raise httpcore.ConnectError("no address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=True)  # trust_env: SSL_CERT_FILE of a company's own authority
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _refuse_redirect(destination: Destination, response: httpx.Response) -> SynkroError | None:
    if response.status_code not in REDIRECTS:
        return None
    return PermanentError(
        f"{NAMES[destination.vendor]} перенаправляет на другой адрес, переход не выполнен. "
        "Проверьте адрес или поддомен в настройках подключения.",
        detail=f"HTTP {response.status_code} from {destination.host}",
    )


def _total(request: httpx.Request, bounds: Bounds) -> float:
    return time.monotonic() + float(request.extensions.get("synkro_total", bounds.total))


class GuardedTransport(httpx.HTTPTransport):
    """The synchronous transport of one client."""

    def __init__(self, destination: Destination, bounds: Bounds) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        self._destination, self._bounds = destination, bounds
        # httpx has no public way to hand a network backend down to its pool
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls(),
            max_connections=10,
            keepalive_expiry=5.0,
            network_backend=_Backend(destination),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._destination.check_request(request)
        until = _total(request, self._bounds)
        _deadline.set(until)
        try:
            response = super().handle_request(request)
        except httpx.TimeoutException as error:
            raise sharper(error, until) from error
        if refusal := _refuse_redirect(self._destination, response):
            response.close()
            raise refusal
        try:
            limit = int(request.extensions.get("synkro_body", self._bounds.body_bytes))
            body = Body(response, self._destination.vendor, limit)
        except SynkroError:
            response.close()
            raise
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = SyncBody(response.stream, body, until)
        return response


class AsyncGuardedTransport(httpx.AsyncHTTPTransport):
    """The asynchronous one, for the AI SDK."""

    def __init__(self, destination: Destination, bounds: Bounds) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        self._destination, self._bounds = destination, bounds
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_tls(),
            max_connections=20,
            keepalive_expiry=5.0,
            network_backend=_AsyncBackend(destination),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._destination.check_request(request)
        until = _total(request, self._bounds)
        try:
            async with asyncio.timeout(until - time.monotonic()):
                response = await super().handle_async_request(request)
        except TimeoutError as error:
            raise DeadlineExceeded("deadline") from error
        if refusal := _refuse_redirect(self._destination, response):
            await response.aclose()
            raise refusal
        try:
            body = Body(response, self._destination.vendor, self._bounds.body_bytes)
        except SynkroError:
            await response.aclose()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = AsyncBody(response.stream, body, until)
        return response
