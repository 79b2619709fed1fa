"""What a read is given and what it gives back, and the plumbing every stream of one read shares.

In flows the context of a run: the tenant, its window, the database, and two callbacks, one that stops the
read and one that shows its progress. :class:`Session` makes both safe to call from the threads of a read and
counts each stream's requests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import psycopg

from synkro.core import clock
from synkro.core.errors import Cancelled, SynkroError
from synkro.core.windows import Window
from synkro.runs.watermarks import Source, StreamLoad

#: read again on every run: vendors write late, and amoCRM's time stamps are whole seconds
OVERLAP = timedelta(minutes=10)

#: how far before its window a first load begins, unless the run says otherwise
HISTORY = timedelta(days=60)

#: progress is a row in the database: not more often than this, in seconds
_PROGRESS_GAP = 0.5


@dataclass(frozen=True)
class LoadContext:
    """One run's order to read a vendor."""

    tenant_id: UUID
    slug: str
    run_id: UUID
    window: Window
    #: the schemas' owner, for dlt
    database_url: str
    #: fresh per run; removed after
    work_dir: Path
    #: called before every request and while waiting; raises Cancelled or LeaseLost to stop
    checkpoint: Callable[[], None]
    #: (step, done, total or None, message in Russian)
    progress: Callable[[str, int, int | None, str], None]
    allow_local: bool
    #: dialogs whose messages are read in one run; 0 = all of them
    radist_fetch_limit: int = 0
    #: where a first load begins, aware UTC; None = :data:`HISTORY` before the window's start
    history_from: datetime | None = None
    #: a person waits for this run: what another one does as well is left to it
    is_awaited: bool = False
    #: an open connection outside a transaction to hold a load's lock on, instead of one more; None = open one
    lock_session: Callable[[], psycopg.Connection[Any] | None] | None = None

    @property
    def history_start(self) -> datetime:
        """The beginning of a first load: what was asked for, or the usual stretch before the window."""
        return self.history_from or self.window.start - HISTORY


@dataclass
class SourceResult:
    """What a read left behind. ``complete_until``: the earliest watermark of the streams that matter."""

    source: str
    status: Literal["complete", "incomplete", "failed"]
    loads: list[StreamLoad]
    complete_until: datetime | None
    error: SynkroError | None


@dataclass
class Session:
    """The callbacks of one read, behind one lock, and the stream each request is made for."""

    ctx: LoadContext
    source: Source
    #: the watermark of this read, aware UTC; the vendor's own clock may put it earlier (``set_clock``)
    started_at: datetime = field(default_factory=clock.now)
    #: where a walk that needs an end ends: the later of both clocks
    until: datetime = field(default_factory=clock.now)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _current: threading.local = field(default_factory=threading.local)
    _stopped: BaseException | None = None
    _shown_at: float = 0.0

    def set_clock(self, told: list[datetime]) -> None:
        """Mark by the earliest clock and read to the latest one.

        A watermark that lies in the vendor's future would hide the rows written until then.
        """
        self.started_at, self.until = min([self.started_at, *told]), max([self.until, *told])

    def checkpoint(self) -> None:
        """Raise if the run must stop. Once it did, every thread of this read stops with the same error."""
        with self._lock:
            if self._stopped is not None:
                raise self._stopped
            try:
                self.ctx.checkpoint()
            except BaseException as error:
                self._stopped = error
                raise

    def stop(self) -> None:
        """Make the other threads of this read end at their next request."""
        with self._lock:
            self._stopped = self._stopped or Cancelled("Чтение остановлено.")

    def progress(self, done: int, total: int | None, text: str, *, now: bool = False) -> None:
        """Show how far the read is; calls that follow too closely are dropped."""
        with self._lock:
            if not now and time.monotonic() - self._shown_at < _PROGRESS_GAP:
                return
            self._shown_at = time.monotonic()
            self.ctx.progress(self.source, done, total, text)

    @contextmanager
    def counting(self, load: StreamLoad) -> Iterator[None]:
        """Requests made inside, by this thread, are this stream's."""
        before = getattr(self._current, "load", None)
        self._current.load = load
        try:
            yield
        finally:
            self._current.load = before

    def on_request(self, method: str, path: str, status: int | None, seconds: float, received: int) -> None:
        """For the HTTP client: one more request of the current stream."""
        load = getattr(self._current, "load", None)
        if load is not None:
            with self._lock:
                load.requests += 1
