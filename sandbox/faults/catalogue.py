"""What can go wrong on one server: the catalogue, the faults that are set, the rates and the vendor's switches.

A fault is ``{"kind": ..., "path": regular expression on path?query, "after": skip the first n requests that match,
"times": how often (null = until cleared)}`` plus the kind's own parameters. How each is played out on the wire is in
:mod:`sandbox.faults.transport_faults`.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

#: kind -> (what it does, default times, parameters with their defaults)
KINDS: dict[str, tuple[str, int | None, dict[str, Any]]] = {
    "rate_limited_header": ("429 with a Retry-After header", 1, {"retry_after": 1}),
    "rate_limited_body": ("429 with retry_after in the JSON body only", 1, {"retry_after": 1}),
    "rate_limited_html": ("429 with an HTML body and no hint", 1, {}),
    "rate_limit_storm": (
        "429 to everything for so many seconds from the first hit",
        None,
        {"seconds": 60, "retry_after": 1},
    ),
    "blocked_html": ("403 with the gateway's HTML page, until cleared", None, {}),
    "forbidden": ("403 in the vendor's own JSON: no rights or no scope", None, {}),
    "unauthorized": (
        "401 once in the middle of a run; expire: the access tokens are really too old from then on",
        1,
        {"expire": False},
    ),
    "unauthorized_after_refresh": (
        "401 to every call although the token endpoint gives new tokens",
        None,
        {},
    ),
    "refresh_refused": ("the token endpoint says the refresh token is revoked", None, {}),
    "server_error": ("500 once", 1, {}),
    "gateway_errors": ("a burst of 502, 503, 504 with HTML bodies", 5, {"statuses": [502, 503, 504]}),
    "reset_mid_body": ("half of the body, then a TCP reset", 1, {}),
    "content_length_longer": (
        "Content-Length promises more than the body has; hang keeps the connection open",
        1,
        {"extra": 1000, "hang": False},
    ),
    "truncated_json": ("a complete HTTP answer whose JSON stops in the middle", 1, {}),
    "wrong_shape": ("valid JSON of another shape", 1, {"body": {"unexpected": True}}),
    "html_200": ("an HTML page with status 200", 1, {}),
    "no_content": ("204 with an empty body", 1, {}),
    "empty_body": ("200 with an empty body", 1, {}),
    "empty_embedded": ("the right envelope around an empty list", 1, {}),
    "slow_loris": ("one byte of the answer every so many seconds", 1, {"every": 1.0}),
    "oversize_page": ("a page so many times larger than was asked for", 1, {"factor": 10}),
    "gzip_bomb": ("a small gzip body that unpacks to so many megabytes of JSON", 1, {"megabytes": 256}),
    "duplicate_in_page": ("the first record of the page stands in it twice", 1, {}),
    "same_id_two_pages": ("the last record of one page stands again on the next", None, {}),
    "page_drift": ("a record of the page before is edited before this one is served", 1, {}),
    "page_delete": ("a record of the page before is deleted before this one is served", 1, {}),
    "next_link_loop": ("the next link (cursor, until) leads back to the same page", None, {}),
    "null_id": (
        "the first record has a null id, or every one; drop removes the key",
        1,
        {"drop": False, "every": False},
    ),
    "clock_skew": (
        "the server's Date is off by so many hours; records: so are the times it keeps, and filters go by them",
        None,
        {"hours": 2, "records": True},
    ),
    "row_2100": ("one record, the first of the first page it strikes, is dated in the year 2100", None, {}),
    "bad_time": ("the first record's created_at is null, or the given value", 1, {"value": None}),
    "unordered": ("the records of a page come in no order", None, {}),
    "down": ("the connection is cut before a byte is answered", None, {}),
    "timeout": ("nothing is answered for so many seconds", 1, {"seconds": 3600}),
    "lost_answer": ("the request is carried out, the answer is lost", 1, {}),
    "status": ("any status with the vendor's error body", 1, {"status": 500, "detail": "Fault"}),
    "rate": (
        "sets the allowed requests per second (null: unlimited) of a bucket, or of all",
        None,
        {"per_second": None, "bucket": None},
    ),
    "switch": (
        "sets one of the vendor's switches, see the list of switches",
        None,
        {"name": "", "value": None},
    ),
}
COMMON = ("kind", "path", "after", "times")

#: builds the vendor's error: (status, detail, more fields) -> (content type, body)
ErrorBody = Callable[[int, str, Mapping[str, Any]], tuple[str, Any]]


class UnknownFault(ValueError):
    """The kind, the parameter or the switch does not exist; the message names those that do."""


@dataclass(slots=True)
class Fault:
    """One fault that is set, with what it has seen so far."""

    kind: str
    path: str
    after: int
    times: int | None
    params: dict[str, Any]
    seen: int = 0
    fired: int = 0
    state: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "path": self.path,
            "after": self.after,
            "times": self.times,
            **self.params,
            "seen": self.seen,
            "fired": self.fired,
        }


def plain_error(status: int, detail: str, more: Mapping[str, Any]) -> tuple[str, Any]:
    """The error body of a server that has not bound its own."""
    return "application/json", {"detail": detail, **more}


class Faults:
    """The faults, rates and switches of one server. A vendor binds its own with :meth:`bind`."""

    def __init__(self) -> None:
        self._active: list[Fault] = []
        self._lock = Lock()
        self.errors: ErrorBody = plain_error
        self.switches: dict[str, Any] = {}
        self.rates: dict[str, float | None] = {}
        self.hooks: dict[str, Callable[[list[Any]], None]] = {}
        self._defaults: tuple[dict[str, Any], dict[str, float | None]] = ({}, {})
        self._calls: dict[str, deque[float]] = {}

    def bind(
        self,
        *,
        errors: ErrorBody,
        switches: Mapping[str, Any] | None = None,
        rates: Mapping[str, float | None] | None = None,
        hooks: Mapping[str, Callable[[list[Any]], None]] | None = None,
    ) -> None:
        """A vendor says how its errors look, which switches and rate buckets it has, what page drift means there."""
        self.errors, self.hooks = errors, dict(hooks or {})
        self.switches, self.rates = dict(switches or {}), dict(rates or {})
        self._defaults = (dict(self.switches), dict(self.rates))

    def add(self, spec: Mapping[str, Any]) -> None:
        """Set one fault, rate or switch; raises :class:`UnknownFault` naming what exists."""
        kind = spec.get("kind")
        if kind not in KINDS:
            raise UnknownFault(f"unknown fault kind {kind!r}; known kinds: {', '.join(KINDS)}")
        _, times, defaults = KINDS[kind]
        unknown = set(spec) - set(COMMON) - set(defaults)
        if unknown:
            raise UnknownFault(
                f"{kind} has no {', '.join(sorted(unknown))}; it has {', '.join((*COMMON[1:], *defaults))}"
            )
        params = {name: spec.get(name, value) for name, value in defaults.items()}
        with self._lock:
            if kind == "rate":
                self._set_rate(params["bucket"], params["per_second"])
            elif kind == "switch":
                self._set_switch(params["name"], params["value"])
            else:
                path = str(spec.get("path") or "")
                try:
                    re.compile(path)
                except re.error as error:
                    raise UnknownFault(f"path is not a regular expression: {error}") from None
                self._active.append(
                    Fault(str(kind), path, int(spec.get("after") or 0), spec.get("times", times), params)
                )

    def _set_rate(self, bucket: str | None, per_second: float | None) -> None:
        if bucket is not None and bucket not in self.rates:
            raise UnknownFault(f"unknown rate bucket {bucket!r}; known: {', '.join(self.rates) or 'none'}")
        for name in [bucket] if bucket else list(self.rates):
            self.rates[name] = per_second
            self._calls.pop(name, None)

    def _set_switch(self, name: str, value: Any) -> None:
        if name not in self.switches:
            raise UnknownFault(f"unknown switch {name!r}; known: {', '.join(self.switches) or 'none'}")
        self.switches[name] = value

    def settle(self) -> None:
        """The present switches and rates are the ones :meth:`clear` returns to."""
        self._defaults = (dict(self.switches), dict(self.rates))

    def clear(self) -> None:
        """No faults, the vendor's own rates and switches."""
        with self._lock:
            self._active.clear()
            self._calls.clear()
            switches, rates = self._defaults
            self.switches.update(switches)
            self.rates.update(rates)

    def match(self, path: str) -> Fault | None:
        """The fault that strikes this request, if any; the first set one wins and is counted."""
        with self._lock:
            for fault in self._active:
                if not re.search(fault.path, path):
                    continue
                fault.seen += 1
                if fault.seen <= fault.after or (fault.times is not None and fault.fired >= fault.times):
                    continue
                fault.fired += 1
                return fault
        return None

    def observe(self, path: str) -> list[Fault]:
        """Faults that want to see the records of every page, also before they strike."""
        return [
            f
            for f in self._active
            if f.kind in ("same_id_two_pages", "page_drift", "page_delete") and re.search(f.path, path)
        ]

    def allow(self, bucket: str) -> bool:
        """One more request in this bucket within the last second? Sliding window; a refusal does not count."""
        limit = self.rates.get(bucket)
        if limit is None:
            return True
        now, span = time.monotonic(), 1.0 if limit >= 1 else 1.0 / limit
        calls = self._calls.setdefault(bucket, deque())
        while calls and now - calls[0] >= span:
            calls.popleft()
        if len(calls) >= max(1, int(limit)):
            return False
        calls.append(now)
        return True

    def as_dict(self) -> dict[str, Any]:
        """What ``GET /_faults`` answers."""
        kinds = {
            name: {"what": what, "times": times, "params": params} for name, (what, times, params) in KINDS.items()
        }
        return {
            "kinds": {n: k["what"] for n, k in kinds.items()},
            "details": kinds,
            "active": [f.as_dict() for f in self._active],
            "switches": self.switches,
            "rates": self.rates,
        }
