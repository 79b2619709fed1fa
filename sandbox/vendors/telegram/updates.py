"""The queue of updates a bot reads with getUpdates: offsets, long waits, expiry after a day, and the two conflicts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

DAY = 86400.0
DEFAULT = (
    "message",
    "edited_message",
    "my_chat_member",
    "callback_query",
    "channel_post",
    "edited_channel_post",
    "inline_query",
)
WEBHOOK_ACTIVE = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
OTHER_POLLER = "terminated by other getUpdates request; make sure that only one bot instance is running"
BY_WEBHOOK = "terminated by setWebhook request"


class Conflict(Exception):
    """The text after ``Conflict: ``."""


class Updates:
    """Pending updates of one bot. Only the newest poller waits; an earlier one is sent away with 409."""

    def __init__(self, seed: int) -> None:
        self._queue: list[tuple[int, float, dict[str, Any]]] = []
        self._next = 90_001 + seed
        self._allowed: tuple[str, ...] = DEFAULT
        self._poller: asyncio.Event | None = None
        self._reason = OTHER_POLLER
        self._last_conflict = -10.0
        self._last_call: tuple[int, float] = (-1, -10.0)
        self.webhook = ""
        self.callbacks: set[str] = set()

    def add(self, update: Mapping[str, Any]) -> dict[str, Any]:
        """Queue an update; one that already has an ``update_id`` keeps it (a repeat), others get the next."""
        number = int(update.get("update_id") or self._next)
        self._next = max(self._next, number + 1)
        whole = {"update_id": number, **{k: v for k, v in update.items() if k != "update_id"}}
        if any(kind in self._allowed for kind in whole if kind != "update_id"):
            self._queue.append((number, time.time(), whole))
        return whole

    def new_callback(self) -> str:
        number = str(4_000_000_000 + len(self.callbacks))
        self.callbacks.add(number)
        return number

    def pending(self) -> int:
        self._forget_old()
        return len(self._queue)

    def set_webhook(self, url: str, *, drop: bool = False) -> None:
        self.webhook = url
        if url and self._poller is not None:
            self._reason = BY_WEBHOOK
            self._poller.set()
        if drop:
            self._queue.clear()

    async def poll(self, request: Request, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
        """``getUpdates``; raises :class:`Conflict`. ``timeout`` is cut to 50 s, ``limit`` to 100."""
        if self.webhook:
            raise Conflict(WEBHOOK_ACTIVE)
        if isinstance(fields.get("allowed_updates"), list):
            self._allowed = tuple(fields["allowed_updates"]) or DEFAULT
        if self._poller is not None:
            self._reason = OTHER_POLLER
            self._poller.set()
        mine = self._poller = asyncio.Event()
        offset = int(fields.get("offset") or 0)
        self._confirm(offset)
        limit = min(max(int(fields.get("limit") or 100), 1), 100)
        timeout = min(max(float(fields.get("timeout") or 0), 0.0), 50.0)
        asked, self._last_call = self._last_call, (offset, time.monotonic())
        if asked[0] == offset and time.monotonic() - asked[1] < 3:
            timeout = max(timeout, 3.0)  # the vendor slows down who asks the same too often
            limit = 1 if time.monotonic() - asked[1] < 0.5 else limit
        until = time.monotonic() + timeout
        try:
            while True:
                self._forget_old()
                if mine.is_set():
                    raise Conflict(self._reason)
                if self._queue or time.monotonic() >= until or await request.is_disconnected():
                    return [update for _, _, update in self._queue[:limit]]
                await asyncio.sleep(0.05)
        except Conflict:
            # a second instance that insists is slowed down, so that the two do not spin
            if time.monotonic() - self._last_conflict < 3:
                await asyncio.sleep(3)
            self._last_conflict = time.monotonic()
            raise
        finally:
            if self._poller is mine:
                self._poller = None

    def _confirm(self, offset: int) -> None:
        """Everything below ``offset`` is read; a negative one keeps only the newest and forgets the rest."""
        if offset > 0:
            self._queue = [row for row in self._queue if row[0] >= offset]
        elif offset < 0:
            self._queue = self._queue[offset:]

    def _forget_old(self) -> None:
        self._queue = [row for row in self._queue if time.time() - row[1] < DAY]
