"""The log in slices: how far it was read, in days, and how long the next slice may be.

Entries are immutable and asked for by ``created_at``, so a slice that was read is whole for ever, except for its
last minutes: entries may be written late. An attempt that goes on begins at the end of the last whole slice, but
not later than the overlap before the earlier attempt began; the watermark may therefore be the *last* attempt's.

A slice costs one page that is not full. Slices of :data:`PAGES` pages make that a few requests in a hundred, and
never need the deep page numbers nobody documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ingestion.amocrm.paginator import EVENT_SLICE
from ingestion.extract.context import OVERLAP, Session
from ingestion.extract.start import Start
from ingestion.load.batches import Checkpoint

#: pages a slice should have
PAGES = 30
_FIRST = timedelta(days=1)
#: a stretch so short, that of a daily read, is one slice
_SHORT = timedelta(days=3)
#: a slice grows by this at most: a quiet week says nothing of the next one
_GROWTH = 8
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


class Slices:
    """``all()`` once, ``page()`` for every page of a slice; ``point()`` and ``days`` at any time."""

    def __init__(self, session: Session, start: Start) -> None:
        self._session, self._from = session, start.read_from
        self.begun = start.unfinished.started_at if start.unfinished else None
        self._resumed = datetime.fromisoformat(start.unfinished.position["until"]) if start.unfinished else None
        #: everything before this moment was read
        self._until = self._resumed or start.read_from
        self._pages = 0

    def all(self) -> Iterator[tuple[datetime, datetime]]:
        """Slices up to now, both ends included; they do not touch, and one is whole when the next is asked for."""
        begin, end = self._until.replace(microsecond=0), self._session.until
        length = _FIRST if end - begin > _SHORT else _SHORT
        while begin <= end:
            last = min(begin + length - _SECOND, end)
            self._pages = 0
            yield begin, last
            self._until = begin = last + _SECOND
            fitting = max(_SECOND * 60, length * PAGES / max(1, self._pages))
            length = min(length * _GROWTH, fitting, EVENT_SLICE)

    def page(self) -> None:
        self._pages += 1

    @property
    def days(self) -> tuple[int, int]:
        """Days read, and days there are."""
        total = max(1, -((self._from - self._session.until) // _DAY))
        return min(total, (self._until - self._from) // _DAY), total

    def point(self) -> Checkpoint | None:
        until = min(self._until, self._session.started_at - OVERLAP)
        if self._resumed is None and until <= self._from:
            return None
        done, total = self.days
        return Checkpoint({"until": max(until, self._resumed or until).isoformat()}, done, total)
