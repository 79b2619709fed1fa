"""One account of one vendor: a call is sent, tried again where that is safe, and comes back as JSON or as our error.

Made by ``synkro/http/factory.py``, which checks the address first; nobody else makes one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self

import httpx

from synkro.connectors import registry
from synkro.core.errors import DataError
from synkro.core.log import redact
from synkro.http import errors, ratelimit
from synkro.http.auth import VendorAuth
from synkro.http.destination import NAMES, Destination, Vendor
from synkro.http.errors import VendorForbidden, VendorUnauthorized, VendorUnavailable
from synkro.http.ratelimit import Limiter
from synkro.http.transport import Bounds, GuardedTransport, PermitRenewal

#: seconds a call may spend waiting for its permit and for the vendor to recover, unless told otherwise
PATIENCE = 120.0
#: the longest of our own pauses; a vendor's Retry-After may be longer
_LONGEST_PAUSE = 60.0

#: (method, path without query and token, status or None, seconds, bytes received)
OnRequest = Callable[[str, str, int | None, float, int], None]


def common(bounds: Bounds) -> dict[str, Any]:
    """What every client of ours is made with, synchronous or not."""
    return {
        "timeout": httpx.Timeout(bounds.read, connect=bounds.connect),
        # the transport unpacks gzip in bounded steps; other encodings are not asked for
        "headers": {"User-Agent": "synkro/0.1", "Accept": "application/json", "Accept-Encoding": "gzip"},
        # a vendor's session cookie would travel between tries and tenants
        "cookies": CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
    }


class VendorClient:
    """Requests to one account of one vendor. Safe to share between threads; close it, or use ``with``."""

    def __init__(
        self,
        destination: Destination,
        base_url: str,
        *,
        auth: VendorAuth | None,
        limiter: Limiter,
        bounds: Bounds,
        before_request: Callable[[], None] | None,
        on_request: OnRequest | None,
    ) -> None:
        self.vendor: Vendor = destination.vendor
        connector = registry.CONNECTORS.get(destination.vendor)
        self._is_blocked_by_403 = bool(connector and connector.api and connector.api.is_blocked_by_403)
        self.base_url = base_url.rstrip("/")
        #: the vendor's time at its first answer (aware UTC): marks count in its clock, ours may be hours off;
        #: a gateway with a clock of its own adds a second one
        self.vendor_clocks: list[datetime] = []
        self._destination = destination
        self._auth = auth
        self._limiter = limiter
        self._bounds = bounds
        self._before = before_request or (lambda: None)
        self._on_request = on_request
        self._http = httpx.Client(
            transport=GuardedTransport(destination, bounds),
            trust_env=False,
            follow_redirects=False,
            **common(bounds),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"VendorClient({self.vendor}, {self._destination.host})"

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """GET a path under the base URL, or a vendor's absolute link. Options: see :meth:`request`."""
        return self.request("GET", path, params=params, **options)

    def post(self, path: str, *, json: Any = None, **options: Any) -> Any:
        """POST, where the vendor is not read-only. Not repeated unless ``idempotent=True``."""
        return self.request("POST", path, json=json, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Mapping[str, Any] | None = None,
        files: Any = None,
        expect: type | tuple[type, ...] = dict,
        anonymous: bool = False,
        idempotent: bool | None = None,
        forbidden_ok: bool = False,
        patience: float = PATIENCE,
        bounds: Bounds | None = None,
        limiter: Limiter | None = None,
    ) -> Any:
        """Send, retry where it is safe, and return the decoded JSON (``None`` for an empty answer).

        ``params`` are merged over those of the link. ``expect``: type of the top level, else
        :class:`DataError`. ``anonymous``: without the client's auth (token endpoints). ``idempotent``: may be
        repeated after the body was sent; GET may, others may not. ``forbidden_ok``: a 403 with a JSON body is
        this path's own and does not stop the account (amoCRM ``/users`` wants an admin). ``patience``:
        seconds for all waits of this call; a longer pause raises :class:`TransientError` with
        ``retry_after``. ``files`` takes bytes, not streams: a repeated try sends them again. ``bounds``,
        ``limiter``: instead of the client's (a long poll, a listing path).
        """
        bounds = bounds or self._bounds
        limiter = limiter or self._limiter
        repeatable = method == "GET" if idempotent is None else idempotent
        url = self._url(path, params)

        def build() -> httpx.Request:
            # anew for every try: a file's stream is used up, and an auth may have changed the URL
            made = self._http.build_request(
                method,
                url,
                json=json,
                data=data,
                files=files,
                timeout=httpx.Timeout(bounds.read, connect=bounds.connect),
            )
            made.extensions |= {"synkro_total": bounds.total, "synkro_body": bounds.body_bytes}
            return made

        self._destination.check_request(build())
        started = time.monotonic()
        refreshed = anonymous or self._auth is None
        for attempt in range(1, bounds.tries + 1):
            self._before()
            permit = partial(
                limiter.acquire, check=self._before, max_wait=max(0.0, started + patience - time.monotonic())
            )
            permit()
            request = build()
            request.extensions["trace"] = PermitRenewal(permit)
            try:
                return self._once(request, None if anonymous else self._auth, expect)
            except VendorUnauthorized:
                if refreshed or attempt == bounds.tries:
                    raise
                refreshed = True
                assert self._auth is not None
                if not self._auth.refresh():
                    raise
            except VendorForbidden as error:
                if self._is_blocked_by_403 and (error.html or not forbidden_ok):
                    limiter.block_until_operator(error.message)
                raise
            except VendorUnavailable as error:
                error.maybe_delivered = not repeatable and not error.not_sent
                pause = self._pause(error, attempt, bounds)
                if error.status == 429:
                    # before anything else: the other threads of this account must not run into it too
                    limiter.block(pause)
                error.retry_after = pause
                if (
                    error.non_retryable
                    or error.maybe_delivered
                    or attempt == bounds.tries
                    or time.monotonic() - started + pause > patience
                ):
                    raise
                if error.status != 429:
                    ratelimit.sleep(pause, self._before)
        raise AssertionError("unreachable")

    @staticmethod
    def _pause(error: VendorUnavailable, attempt: int, bounds: Bounds) -> float:
        own: float = min(bounds.backoff * 2 ** (attempt - 1), _LONGEST_PAUSE) * random.uniform(0.8, 1.2)
        return max(own, error.retry_after or 0.0)

    def _once(self, request: httpx.Request, auth: httpx.Auth | None, expect: type | tuple[type, ...]) -> Any:
        path, started = request.url.path, time.monotonic()
        status: int | None = None
        received = 0
        try:
            response = self._http.send(request, auth=auth, stream=True)
            status = response.status_code
            if not self.vendor_clocks:
                told = (errors.moment(text) for text in response.headers.get_list("date"))
                self.vendor_clocks = [moment for moment in told if moment is not None]
            try:
                body = response.read()
            finally:
                response.close()
            received = len(body)
            return self._answer(response, body, expect)
        except httpx.HTTPError as error:
            # from None: httpx keeps the request, with its headers, on the exception
            raise errors.of_exception(self.vendor, self._destination.host, error) from None
        finally:
            if self._on_request is not None:
                self._on_request(request.method, redact(path), status, time.monotonic() - started, received)

    def _answer(self, response: httpx.Response, body: bytes, expect: type | tuple[type, ...]) -> Any:
        if not response.is_success:
            raise errors.of_status(self.vendor, response.status_code, response.headers, body)
        if not body.strip():
            return None
        kind = response.headers.get("content-type", "")
        if "html" in kind.lower():
            raise errors.of_body(self.vendor, body, f"content type {kind[:60]}")
        try:
            answer = errors.decode(body)
        except ValueError as error:
            raise errors.of_body(self.vendor, body, f"not JSON ({type(error).__name__})") from None
        if not isinstance(answer, expect):
            raise errors.of_shape(self.vendor, answer, str(expect))
        return answer

    def _url(self, path: str, params: Mapping[str, Any] | None) -> httpx.URL:
        """The address of a call; a link of the vendor must stay where the client was made for."""
        bare = path.partition("?")[0]
        if not path.isascii() or not path.isprintable() or set(path) & set(' \\#"<>') or ".." in bare.split("/"):
            raise DataError(
                f"{NAMES[self.vendor]}: недопустимый адрес запроса, он не отправлен.",
                detail=redact(path)[:200],
            )
        if "://" in bare or path.startswith("//"):
            try:
                url = httpx.URL(path)
            except httpx.InvalidURL:
                url = httpx.URL("")
            if url.userinfo or not url.host:
                raise DataError(f"{NAMES[self.vendor]}: недопустимая ссылка в ответе, запрос не отправлен.")
        else:
            url = httpx.URL(f"{self.base_url}/{path.removeprefix('/')}")
        return url.copy_merge_params(dict(params)) if params else url
