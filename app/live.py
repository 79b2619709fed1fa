"""One poller for all open pages: what runs are doing, read once a second and a half per person and tenant.

Pages only read memory. Each snapshot is taken through the person's own entry point, so a right taken away empties it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from nicegui import Client

from app.offload import off_loop
from services.reports import runs
from services.reports.runs import Progress

logger = logging.getLogger("synkro.app")

POLL_SECONDS = 1.5
REAP_SECONDS = 15.0
Key = tuple[UUID, UUID]


@dataclass
class Channel:
    """The latest snapshot for one person and tenant; ``version`` grows when it changed."""

    progress: Progress | None = None
    version: int = 0


class Live:
    def __init__(self) -> None:
        self._channels: dict[Key, Channel] = {}
        self._pages: Counter[Key] = Counter()

    def join(self, client: Client, user_id: UUID, tenant_id: UUID) -> Channel:
        """Watch until the page is gone."""
        key = (user_id, tenant_id)
        self._pages[key] += 1
        client.on_delete(lambda: self._leave(key))
        return self._channels.setdefault(key, Channel())

    def _leave(self, key: Key) -> None:
        self._pages[key] -= 1
        if self._pages[key] <= 0:
            del self._pages[key]
            self._channels.pop(key, None)

    async def poll(self) -> None:
        for key, channel in list(self._channels.items()):
            fresh = await off_loop(runs.progress, *key)
            if fresh is not None and fresh != channel.progress:
                channel.progress = fresh
                channel.version += 1

    async def poll_forever(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.poll()
            except Exception as error:
                logger.warning("The progress of runs could not be read: %s", error)

    async def reap_forever(self) -> None:
        """End runs whose worker died, also where no Dagster daemon is there to do it."""
        while True:
            await asyncio.sleep(REAP_SECONDS)
            try:
                await off_loop(runs.reap)
            except Exception as error:
                logger.warning("Expired runs could not be looked for: %s", error)


live = Live()
