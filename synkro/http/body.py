"""The body of an answer: read until a deadline, unpacked in bounded steps, counted.

In flow the raw chunks of the wire; out come at most ``limit`` bytes. httpx would unpack a whole chunk at
once: 64 kB of a gzip bomb are 64 MB in memory before anyone can count them.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Iterator

import httpx

from synkro.core.errors import DataError
from synkro.http.destination import NAMES, Vendor

#: enough of a refusal to quote it; a longer one is cut, not an error
_REFUSAL_BYTES = 64 * 1024
_CHUNK = 64 * 1024


class DeadlineExceeded(httpx.ReadTimeout):
    """The whole answer did not arrive in time, though single bytes did."""


class BodyTooLarge(DataError):
    """The answer is larger than the limit."""


class Body:
    """Unpacks and counts the bytes of one answer."""

    def __init__(self, response: httpx.Response, vendor: Vendor, limit: int) -> None:
        encoding = response.headers.pop("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", ""):
            raise DataError(f"{NAMES[vendor]} прислал ответ в неизвестном сжатии.", detail=f"encoding {encoding[:40]}")
        if encoding == "gzip":
            response.headers.pop("content-length", None)
        self._unzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding == "gzip" else None
        self._refused = response.status_code >= 400
        self._limit = min(limit, _REFUSAL_BYTES) if self._refused else limit
        self._vendor = vendor
        self._seen = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The unpacked pieces of a chunk; an empty piece says: stop reading, this is enough."""
        while chunk:
            piece = chunk
            if self._unzip is None:
                chunk = b""
            else:
                try:
                    piece = self._unzip.decompress(chunk, _CHUNK)
                except zlib.error as error:
                    raise httpx.RemoteProtocolError("broken gzip") from error
                chunk = self._unzip.unconsumed_tail
            self._seen += len(piece)
            if self._seen > self._limit:
                if self._refused:
                    yield b""
                    return
                megabytes = max(1, self._limit // (1024 * 1024))
                raise BodyTooLarge(
                    f"{NAMES[self._vendor]} прислал слишком большой ответ (больше {megabytes} МБ). "
                    "Запрос остановлен; уменьшите период или размер страницы."
                )
            if piece:
                yield piece

    def end(self) -> None:
        if self._unzip is not None and not self._unzip.eof and self._seen:
            raise httpx.RemoteProtocolError("truncated gzip")


class SyncBody(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, body: Body, deadline: float) -> None:
        self._stream, self._body, self._until = stream, body, deadline

    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self._stream)
        while True:
            try:
                chunk = next(chunks)
            except StopIteration:
                break
            except httpx.ReadTimeout as error:
                raise sharper(error, self._until) from error
            for piece in self._body.feed(chunk):
                if not piece:
                    return
                yield piece
        self._body.end()

    def close(self) -> None:
        self._stream.close()


class AsyncBody(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, body: Body, deadline: float) -> None:
        self._stream, self._body, self._until = stream, body, deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._stream)
        while True:
            try:
                async with asyncio.timeout(self._until - time.monotonic()):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                break
            except TimeoutError as error:
                raise DeadlineExceeded("deadline") from error
            for piece in self._body.feed(chunk):
                if not piece:
                    return
                yield piece
        self._body.end()

    async def aclose(self) -> None:
        await self._stream.aclose()


def sharper(error: httpx.TimeoutException, deadline: float) -> httpx.TimeoutException:
    return DeadlineExceeded("deadline") if time.monotonic() >= deadline - 0.01 else error
