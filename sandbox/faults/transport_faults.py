"""How each fault of :mod:`sandbox.faults.catalogue` is played out on the wire.

A fault either answers in place of the vendor, bends the vendor's true answer, or misuses the connection itself.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING

from sandbox.faults import payload_faults
from sandbox.faults.catalogue import Fault

if TYPE_CHECKING:
    from sandbox.faults.middleware import Answer, Call

HTML = (
    b"<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
REASONS = {
    200: b"OK",
    403: b"Forbidden",
    429: b"Too Many Requests",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}


async def play(fault: Fault | None, call: Call, watchers: list[Fault]) -> None:
    """Answer one request under ``fault`` (None: only remember its records for the watchers)."""
    if fault is None:
        answer = await call.answer()
        _remember(watchers, answer, call.scope["path"])
        await call.send(answer)
    elif fault.kind in _INSTEAD:
        await _instead(fault, call)
    elif fault.kind in _ON_THE_SOCKET:
        await _on_the_socket(fault, call)
    else:
        await _payload_fault(fault, call, watchers)


# --- in place of the vendor's answer ----------------------------------------------------------------------------

_INSTEAD = [
    "rate_limited_header",
    "rate_limited_body",
    "rate_limited_html",
    "rate_limit_storm",
    "blocked_html",
    "forbidden",
    "unauthorized",
    "unauthorized_after_refresh",
    "refresh_refused",
    "server_error",
    "gateway_errors",
    "wrong_shape",
    "html_200",
    "no_content",
    "empty_body",
    "gzip_bomb",
    "status",
]


async def _instead(fault: Fault, call: Call) -> None:
    kind, p = fault.kind, fault.params
    is_token = "/oauth2/" in call.scope["path"]
    if kind == "rate_limit_storm":
        started = fault.state.setdefault("started", time.monotonic())
        if time.monotonic() - started > p["seconds"]:
            return await call.send(await call.answer())
    if (kind == "unauthorized_after_refresh" and is_token) or (kind == "refresh_refused" and not is_token):
        return await call.send(await call.answer())
    if p.get("expire") and "expire" in call.faults.hooks:
        call.faults.hooks["expire"]([])
    await call.send(_substitute(fault, call))


def _substitute(fault: Fault, call: Call) -> Answer:
    kind, p = fault.kind, fault.params
    if kind in ("rate_limited_header", "rate_limited_body", "rate_limit_storm"):
        answer = call.error(429, "Too Many Requests", retry_after=p["retry_after"])
        if kind == "rate_limited_header":
            answer = call.error(429, "Too Many Requests")
        if kind != "rate_limited_body":
            answer.headers.append((b"retry-after", str(p["retry_after"]).encode()))
        return answer
    if kind == "gateway_errors":
        return _html(p["statuses"][(fault.fired - 1) % len(p["statuses"])])
    if kind in ("rate_limited_html", "blocked_html", "html_200"):
        return _html({"rate_limited_html": 429, "blocked_html": 403, "html_200": 200}[kind])
    if kind == "refresh_refused":
        return call.error(401, "Token has been revoked", hint="Token has been revoked")
    if kind == "no_content":
        return _make(204, b"", b"application/json")
    if kind == "empty_body":
        return _make(200, b"", b"application/json")
    if kind == "wrong_shape":
        return _make(200, b"{}", b"application/json").with_json(p["body"])
    if kind == "gzip_bomb":
        answer = _make(200, bomb(int(p["megabytes"])), b"application/json")
        answer.headers.append((b"content-encoding", b"gzip"))
        return answer
    status = {
        "forbidden": 403,
        "unauthorized": 401,
        "unauthorized_after_refresh": 401,
        "server_error": 500,
    }.get(kind) or int(p["status"])
    detail = {403: "Forbidden", 401: "Unauthorized", 500: "Internal Server Error"}.get(status, "")
    return call.error(status, p.get("detail") or detail)


def _make(status: int, body: bytes, content_type: bytes) -> Answer:
    from sandbox.faults.middleware import Answer

    return Answer(status, [(b"content-type", content_type)], body)


def _html(status: int) -> Answer:
    reason = REASONS.get(status, b"Error")
    return _make(status, HTML % (status, reason, status, reason), b"text/html")


def bomb(megabytes: int) -> bytes:
    """A gzip body of spaces and ``{}`` that unpacks to so many MB (about 1 kB of wire per MB)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * 1_048_576
    return b"".join([packer.compress(block) for _ in range(megabytes)] + [packer.compress(b"{}"), packer.flush()])


# --- the connection itself --------------------------------------------------------------------------------------

_ON_THE_SOCKET = ("reset_mid_body", "content_length_longer", "slow_loris", "down", "timeout", "lost_answer")


async def _on_the_socket(fault: Fault, call: Call) -> None:
    if fault.kind == "down":
        _reset(call)
    elif fault.kind == "timeout":
        if not await call.gone(float(fault.params["seconds"])):
            _reset(call)
    else:
        answer = await call.answer()
        if fault.kind == "lost_answer":
            _reset(call)
        elif fault.kind == "reset_mid_body":
            call.transport.write(_head(answer, len(answer.body)) + answer.body[: len(answer.body) // 2])
            await asyncio.sleep(0.05)
            _reset(call)
        elif fault.kind == "content_length_longer":
            call.transport.write(_head(answer, len(answer.body) + int(fault.params["extra"])) + answer.body)
            if not fault.params["hang"]:
                call.transport.close()
        else:
            call.transport.write(_head(answer, len(answer.body)))
            await _drip(call, answer.body, float(fault.params["every"]))
    await call.gone()


async def _drip(call: Call, body: bytes, every: float) -> None:
    """One byte at a time until the client has had enough."""
    transport = call.transport  # a killed client's is forgotten between two bytes
    for i in range(len(body)):
        if transport.is_closing() or await call.gone(every):
            return
        transport.write(body[i : i + 1])
    transport.close()


def _head(answer: Answer, length: int) -> bytes:
    """The status line and headers, written by hand because the length lies."""
    lines = [b"HTTP/1.1 %d %s" % (answer.status, REASONS.get(answer.status, b"OK"))]
    lines += [k + b": " + v for k, v in answer.headers if k.lower() != b"content-length"]
    return b"\r\n".join([*lines, b"content-length: %d" % length, b"", b""])


def _reset(call: Call) -> None:
    """RST instead of FIN: linger 0."""
    try:
        transport = call.transport
    except KeyError:  # the client was quicker
        return
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


# --- the vendor's true answer, bent -----------------------------------------------------------------------------


async def _payload_fault(fault: Fault, call: Call, watchers: list[Fault]) -> None:
    kind, path = fault.kind, call.scope["path"]
    if kind in ("page_drift", "page_delete"):
        before = fault.state.get(path, [])
        if before:
            call.faults.hooks.get(kind, lambda _: None)(before)
    if kind == "oversize_page":
        return await call.send(await call.answer(extra={"sandbox.oversize": int(fault.params["factor"])}))
    query = payload_faults.query_of(fault, call.scope["query_string"])
    answer = await call.answer(query=query)
    previous = fault.state.get(path, [])
    _remember(watchers, answer, path)
    if kind == "truncated_json":
        return await call.send(_cut(answer))
    payload = answer.json()
    untouched = kind in ("page_drift", "page_delete") or (kind == "clock_skew" and not fault.params["records"])
    if payload is not None and not untouched:
        payload = payload_faults.payload_of(fault, payload, previous)
        answer = answer.with_json(payload)
    if kind == "clock_skew":
        call.scope["sandbox.skew"] = timedelta(hours=float(fault.params["hours"]))
    await call.send(answer)


def _cut(answer: Answer) -> Answer:
    half = _make(answer.status, answer.body[: max(1, len(answer.body) * 2 // 3)], b"")
    half.headers = answer.headers
    return half


def _remember(watchers: list[Fault], answer: Answer, path: str) -> None:
    records = payload_faults.rows(answer.json())
    for fault in watchers:
        if records:
            fault.state[path] = [dict(r) for r in records if isinstance(r, dict)]
