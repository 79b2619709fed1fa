"""A tick of the queue's sensor that found nothing stays to listen: a row is offered when it is written, not when the next
tick comes.

``runs.request`` notifies in the transaction that writes the row, so the notice comes when the row can be seen. Dagster's
loop takes five seconds a tick however short it is: the wait costs no tick and no process, an idle connection. Only the
code server listens (:func:`enable`); whoever evaluates the sensor elsewhere has its answer at once. Where notices do not
pass (a pooler in transaction mode), the rows are found by the next tick, as without them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from synkro.core.errors import SynkroError
from synkro.database import connections, db
from synkro.runs import queue

logger = logging.getLogger(__name__)

#: a tick takes 0.2–0.5 s besides: together just about the loop's five seconds
SECONDS = 4.3

_is_enabled = False


def enable() -> None:
    """From now on the ticks of this process listen."""
    global _is_enabled
    _is_enabled = True


class Ear:
    """Hears of rows written since it was made."""

    def __init__(self, connection: psycopg.Connection[Any] | None) -> None:
        self._connection = connection

    def hears(self, seconds: float = SECONDS) -> bool:
        """Wait for a row, ``False`` when none came in this time. Without a connection it waits for nothing."""
        if self._connection is None:
            return False
        return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))


@contextmanager
def listening() -> Iterator[Ear]:
    """Listen from now on: what is looked for after this and not found will be heard of."""
    if not _is_enabled:
        yield Ear(None)
        return
    try:
        connection = connections.connect(db.owner_url(), "question", autocommit=True, patience=0)
    except (psycopg.Error, SynkroError):
        # the tick itself will say what is wrong with the database
        logger.info("nothing to listen to", exc_info=True)
        yield Ear(None)
        return
    with connection:
        connection.execute(f"listen {queue.CHANNEL}")
        yield Ear(connection)
