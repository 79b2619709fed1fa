"""What was asked of one server: every request with its answer, and the requests that must never have been sent.

A request is written down when it arrives, so a sliding-window meter can be run over ``at``; ``status`` is null while
the answer is under way and 0 when the connection was cut instead of answered.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from threading import Lock
from typing import Any

LIMIT = 200_000
_BOT = re.compile(r"/bot[^/]+")


class RequestLog:
    """The list behind ``GET /_journal`` and ``GET /_violations``."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._violations: list[dict[str, Any]] = []
        self._lock = Lock()

    def arrived(self, method: str, path: str) -> dict[str, Any]:
        """Write a request down; the caller fills ``status`` of the returned row."""
        row = {"at": datetime.now(UTC).isoformat(), "method": method, "path": mask(path), "status": None}
        with self._lock:
            self._rows.append(row)
            if len(self._rows) > LIMIT:
                del self._rows[: LIMIT // 10]
        return row

    def violation(self, method: str, path: str, why: str) -> None:
        """A request that a read-only client must not send, or a limit it must not break."""
        row = {"at": datetime.now(UTC).isoformat(), "method": method, "path": mask(path), "why": why}
        with self._lock:
            self._violations.append(row)

    def requests(self) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._rows]

    def violations(self) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._violations]

    def clear(self) -> None:
        with self._lock:
            self._rows.clear()
            self._violations.clear()


def mask(path: str) -> str:
    """Telegram carries the token in the path: it is never written down."""
    return _BOT.sub("/bot***", path)
