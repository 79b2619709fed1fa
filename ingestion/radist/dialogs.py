"""Reads the messages of many dialogs at once, a few threads under one limiter, memory flat.

In flow dialogs from a queue that the listing fills (``None`` ends it); out come pages of raw rows, and after the
last page of a dialog its id. A dialog that cannot be read is remembered in ``unread`` and does not stop the others;
a vendor that is down does.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingestion.extract.context import Session
from ingestion.extract.rows import Row, RowStats
from ingestion.radist import paginator
from ingestion.radist.mapping import Mapper
from synkro.core.errors import Cancelled, DataError, LeaseLost, NotFoundError, PermanentError, SynkroError
from synkro.http.factory import VendorClient

#: enough to keep 4.5 requests a second busy while an answer takes most of one
_THREADS = 4
#: pages waiting to be written; more would only fill memory
_BUFFER = 8
#: dialogs in a row that may fail before the vendor is called down
_PATIENCE = 3
_STEP = 0.5


@dataclass(frozen=True)
class Task:
    """One dialog to read, back to ``since``."""

    chat_id: int
    connection_id: int | None
    since: datetime
    updated_at: datetime
    #: a second look, beyond what the limit of dialogs counts; skipped when the limit is used up
    extra: bool = False


class DialogReader:
    """``pages()`` once; then ``unread``, ``over_limit``, ``skipped``, ``done`` and ``error`` tell what became of it."""

    def __init__(
        self,
        session: Session,
        http: VendorClient,
        path: str,
        mapper: Mapper,
        row_stats: RowStats,
        tasks: queue.SimpleQueue[Task | None],
    ) -> None:
        self._session, self._http, self._path = session, http, path
        self._mapper, self._tally, self._tasks = mapper, row_stats, tasks
        self._out: queue.Queue[list[Row] | int | BaseException | None] = queue.Queue(_BUFFER)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._failed_in_row = 0
        self._limit = 0
        self._taken = 0
        self.done = 0
        self.unread: set[int] = set()
        self.over_limit: set[int] = set()
        self.skipped = 0
        self.error: SynkroError | None = None

    def pages(self, limit: int) -> Iterator[list[Row] | int]:
        """Rows of all dialogs, in no order, and the id of each dialog whose rows have all been given out; ``limit``
        dialogs at most, 0 for all. Raises orders to stop."""
        self._limit = limit
        threads = [threading.Thread(target=self._work, name="dialogs", daemon=True) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                page = self._out.get()
                if isinstance(page, BaseException):
                    raise page
                if page is None:
                    running -= 1
                else:
                    yield page
        finally:
            self._closed.set()

    def _work(self) -> None:
        stop: BaseException | None = None
        try:
            while (task := self._next()) is not None:
                with self._session.counting(self._tally.load):
                    self._dialog(task)
        except BaseException as error:
            stop = error
        self._put(stop)

    def _next(self) -> Task | None:
        while not self._closed.is_set():
            try:
                task = self._tasks.get(timeout=_STEP)
            except queue.Empty:
                continue
            if task is None:
                # for the other threads
                self._tasks.put(None)
                return None
            with self._lock:
                full = bool(self._limit) and self._taken >= self._limit
                if (full or self._given_up) and task.extra:
                    self.skipped += 1
                elif self._given_up:
                    self.unread.add(task.chat_id)
                elif full:
                    self.unread.add(task.chat_id)
                    self.over_limit.add(task.chat_id)
                else:
                    self._taken += 1
                    return task
        return None

    @property
    def _given_up(self) -> bool:
        return self._failed_in_row >= _PATIENCE

    def _dialog(self, task: Task) -> None:
        try:
            self._read(task)
        except (Cancelled, LeaseLost):
            raise
        except SynkroError as error:
            self._fail(task, error)
        except Exception as error:
            self._fail(
                task,
                DataError(
                    "Radist: сообщения диалога пришли в непривычном виде. Сообщите об этом в поддержку.",
                    detail=f"{type(error).__name__}: {error}",
                ),
            )
        else:
            with self._lock:
                self._failed_in_row = 0
                self.done += 1
            self._put(task.chat_id)

    def _fail(self, task: Task, error: SynkroError) -> None:
        with self._lock:
            # the watermark stays, so a second look that failed is due again
            self.unread |= set() if task.extra else {task.chat_id}
            self.error = self.error or error
            if isinstance(error, DataError | NotFoundError):
                return
            hopeless = isinstance(error, PermanentError) or error.kind == "authentication"
            self._failed_in_row = _PATIENCE if hopeless else self._failed_in_row + 1

    def _read(self, task: Task) -> None:
        keys: set[Hashable] = set()
        for rows in paginator.messages(
            self._http.get,
            self._path,
            task.chat_id,
            task.since,
            lambda: self._tally.note("possible_gap"),
        ):
            page = self._tally.keep(
                rows,
                lambda item: self._mapper.message(task.chat_id, task.connection_id, item),
                lambda row: row["id"],
                keys,
            )
            if page:
                self._put(page)

    def _put(self, page: Any) -> None:
        while not self._closed.is_set():
            try:
                self._out.put(page, timeout=_STEP)
                return
            except queue.Full:
                continue
