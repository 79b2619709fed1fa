"""Streams extracted in batches: many generators into csv files at once, handed over whenever a batch is full.

In flow generators of pages of rows, each extracted by one thread; out come parts: for every stream the file of what
came since the last part, and the point at which its generator stands just after those rows. Extraction goes on while
a part is loaded; when the next one is full as well it waits, so disk and memory hold two parts at most.

A stream that fails ends alone; an order to stop ends all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ingestion.extract.context import Session
from ingestion.extract.rows import Row, RowStats
from ingestion.load.staging import RowFile
from synkro.core.errors import Cancelled, DataError, LeaseLost, SynkroError
from synkro.runs.watermarks import StreamLoad

log = logging.getLogger(__name__)

#: streams extracted at once; the vendor's pace is one for all of them
_THREADS = 5


@dataclass(frozen=True)
class Limits:
    """A part is full at so many rows, bytes on disk, or seconds since the last one."""

    rows: int = 50_000
    size: int = 128 * 2**20
    seconds: float = 120.0


LIMITS = Limits()


@dataclass(frozen=True)
class Checkpoint:
    """Where a stream stands: ``position`` in its own words; ``done`` of ``total`` rows, days or dialogs."""

    position: dict[str, Any]
    done: int
    total: int | None = None


@dataclass
class Stream:
    """One stream of one read: the table it fills, how it is read, and its account."""

    name: str
    row_stats: RowStats
    #: pages of raw rows; a :class:`SynkroError` raised here ends this stream alone
    read: Callable[[], Iterator[list[Row]]]
    error: SynkroError | None = None
    #: read to its end; whole is not yet counted
    whole: bool = False
    #: the database holds fewer of its rows than were read
    lost: bool = False
    #: kept with the watermark: for the stream's next read
    cursor: dict[str, Any] = field(default_factory=dict)
    #: a read beside the runs' own: it leaves their watermark and their checkpoint as they are
    is_aside: bool = False
    #: the watermark moves although not everything was read; the rest is remembered in the cursor
    moves_anyway: bool = False
    #: where the next attempt goes on if this one is cut, None = at the beginning; true of all rows yielded *before*
    #: the page that is under way, so a generator moves it after its ``yield``
    point: Callable[[], Checkpoint | None] = lambda: None
    #: when the first attempt at this read began, None = this one is the first
    begun: datetime | None = None
    #: called before rows of this stream are loaded
    before_load: Callable[[], None] = lambda: None

    @property
    def load(self) -> StreamLoad:
        return self.row_stats.load

    def fail(self, error: SynkroError) -> None:
        self.error = error
        self.load.error = error.message
        self.load.status = "incomplete" if self.load.loaded or self.row_stats.kept else "failed"


@dataclass
class Batch:
    """One stream's share of a part."""

    stream: Stream
    file: RowFile | None
    point: Checkpoint | None
    #: the generator is through: nothing comes after this batch
    ended: bool

    @property
    def rows(self) -> int:
        return self.file.rows if self.file else 0


class Extraction:
    """The threads that extract; ``batches()`` once, inside ``with``: leaving it ends them."""

    def __init__(self, session: Session, streams: list[Stream], folder: Path) -> None:
        self._session, self._streams, self._folder = session, streams, folder
        self._limits = LIMITS
        self._changed = threading.Condition()
        self._files: dict[str, RowFile] = {}
        self._moved = False
        self._running = {stream.name for stream in streams}
        self._ended: set[str] = set()
        self._error: BaseException | None = None
        self._closed = False
        self._numbers = 0

    def __enter__(self) -> Extraction:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="extract")
        for stream in self._streams:
            self._pool.submit(self._extract, stream)
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if kind is not None:
            self._session.stop()
        self._pool.shutdown(cancel_futures=True)
        for file in self._files.values():
            file.close()

    def batches(self) -> Iterator[list[Batch]]:
        """Parts until every stream has ended. Raises the order to stop that a stream met; its part is dropped."""
        running = True
        while running:
            last = time.monotonic()
            with self._changed:
                while not (self._error or self._full or not self._running):
                    left = last + self._limits.seconds - time.monotonic()
                    if left <= 0 and self._moved:
                        break
                    self._changed.wait(left if left > 0 else self._limits.seconds)
                if self._error:
                    raise self._error
                running = bool(self._running)
                batches = self._cut()
            yield batches

    @property
    def _full(self) -> bool:
        files = self._files.values()
        return (
            sum(file.rows for file in files) >= self._limits.rows
            or sum(file.size for file in files) >= self._limits.size
        )

    def _cut(self) -> list[Batch]:
        """Everything extracted so far; streams that had ended before bring nothing more."""
        batches = [
            Batch(stream, self._files.get(stream.name), stream.point(), stream.name not in self._running)
            for stream in self._streams
            if stream.name not in self._ended
        ]
        for batch in batches:
            if batch.file:
                batch.file.close()
                batch.stream.row_stats.turn()
        self._ended |= {batch.stream.name for batch in batches if batch.ended}
        self._files, self._moved = {}, False
        self._changed.notify_all()
        return batches

    def _extract(self, stream: Stream) -> None:
        try:
            with closing(stream.read()) as pages:  # type: ignore[type-var]
                while stream.error is None:
                    with self._session.counting(stream.load):
                        page = next(pages, None)
                    if page is None:
                        stream.whole = stream.error is None
                        break
                    self._append(stream, page)
        except (Cancelled, LeaseLost) as error:
            self._session.stop()
            with self._changed:
                self._error = self._error or error
        except SynkroError as error:
            stream.fail(error)
        except OSError as error:
            # our own disk, not the vendor's answer
            with self._changed:
                self._error = self._error or error
        except Exception as error:
            # a shape nobody has seen: the stream ends, the others go on, the trace is in the log
            log.exception("%s %s", self._session.source, stream.name)
            stream.fail(
                DataError(
                    f"Поток «{stream.name}»: ответ непривычной формы, чтение остановлено. Сообщите об этом.",
                    detail=f"{type(error).__name__}: {error}",
                )
            )
        except BaseException as error:
            with self._changed:
                self._error = self._error or error
            raise
        finally:
            with self._changed:
                self._running.discard(stream.name)
                self._changed.notify_all()

    def _append(self, stream: Stream, page: list[Row]) -> None:
        with self._changed:
            while self._full and not self._closed:
                self._changed.wait()
            if self._closed:
                raise Cancelled("Чтение остановлено.")
            self._moved = True
            if not page:
                return
            file = self._files.get(stream.name)
            if file is None:
                self._numbers += 1
                path = self._folder / f"{stream.name}.{self._numbers}.csv"
                file = self._files[stream.name] = RowFile(f"raw_{self._session.source}", stream.name, path)
            file.write(page)
            if self._full:
                self._changed.notify_all()
