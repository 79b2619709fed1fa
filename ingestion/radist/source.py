"""Radist's streams: sources, all dialogs, and the messages of the dialogs that changed.

The listing of dialogs is slow (one page a second) and always walked whole; messages are read meanwhile, by a
few threads, as soon as the listing shows that a dialog changed. A dialog is read when its contact was updated
since the last whole read, when raw does not know it yet, or when an earlier run left it unread: those are
remembered beside the watermark, before anything is loaded, so that no crash forgets them.

A read that was cut goes on: its position holds the dialogs already read whole. Of those the next attempt reads only
what changed since the first attempt began (minus the overlap), the others as if nothing had happened. So every
dialog is whole up to its own reading, and what the listing says was touched after the first attempt began is read
again by the last one: the watermark may be the moment the *last* attempt began, as if it had read everything itself.
A dialog that turns up once more during one attempt waits for the next run, as it always did.

Once a day dialogs with a message in the three days before the watermark are looked at again, back to those three days,
though the listing does not call them changed: messages may be delivered late, with their old date. It is as many requests
as the day itself, or more: a run somebody waits for leaves it to the next night's, unless the last look is two days old.
"""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import tuple_row

from ingestion.extract.context import OVERLAP, Session, SourceResult
from ingestion.extract.rows import Row, RowStats
from ingestion.extract.start import left, start
from ingestion.load.batches import Checkpoint, Stream
from ingestion.load.streams import run
from ingestion.radist import paginator
from ingestion.radist.dialogs import DialogReader, Task
from ingestion.radist.mapping import Mapper, chats_of
from synkro.connectors import accounts, integrations
from synkro.connectors.radist.declaration import RADIST
from synkro.core import clock
from synkro.core.errors import AuthenticationError, ConfigurationError, TransientError
from synkro.database import db
from synkro.http.factory import ApiKeyAuth, VendorClient, client
from synkro.http.ratelimit import CompositeLimiter, Limiter
from synkro.runs import watermarks
from synkro.runs.watermarks import StreamLoad, Watermark


def read(session: Session) -> SourceResult:
    """Sources, dialogs and messages of the tenant's company into ``raw_radist``."""
    with opened(session) as reader:
        return run(session, reader.streams())


def read_recent(session: Session) -> SourceResult:
    """Dialogs that changed since the last whole read, beside the runs' own reading: their watermark stays where it is.

    ``complete_until`` of the result: the moment this read began, when it missed nothing of what changed until then.
    """
    with opened(session, is_recent=True) as reader:
        outcome = run(session, reader.streams())
    return replace(outcome, complete_until=session.started_at if outcome.status == "complete" else None)


@contextmanager
def opened(session: Session, *, is_recent: bool = False) -> Iterator[Radist]:
    """A reader of the tenant's company; another company than the bound one is refused."""
    ctx = session.ctx
    with db.as_service("ingestion radist") as connection:
        integration = integrations.load(connection, ctx.tenant_id, "radist")
    company = accounts.number("radist", integration.public)
    expected = integration.bound.get("company_id")
    if expected is not None and str(expected) != company:
        raise ConfigurationError(
            f"Radist: подключена компания {company}, а диалоги собраны из компании {expected}. Ничего не "
            "прочитано. Верните прежний номер или заведите для новой отдельную компанию."
        )
    key = integrations.secrets(ctx.tenant_id, "radist").get("api_key")
    if not key:
        raise AuthenticationError("Radist не подключён: в настройках нет ключа.")
    account = accounts.account("radist", integration.public, ctx.allow_local)
    wide = account.limiter(ctx.tenant_id)
    # a generous account is generous in both
    assert RADIST.api is not None and RADIST.api.listings_per_second is not None
    listing = account.per_second * RADIST.api.listings_per_second / RADIST.api.requests_per_second
    with client(
        "radist",
        account.base_url,
        auth=ApiKeyAuth(key),
        account_key=account.key,
        limiter=wide,
        before_request=session.checkpoint,
        on_request=session.on_request,
        allow_local=ctx.allow_local,
    ) as http:
        narrow = CompositeLimiter(account.limiter(ctx.tenant_id, per_second=listing, part="/listing"), wide)
        yield Radist(session, http, narrow, f"/companies/{company}/messaging", is_recent=is_recent)


#: dialogs this fresh are looked at again once a day, this far back before the watermark
LATE = timedelta(days=3)
_LATE_EVERY = timedelta(days=1)
_LATE_AT_LAST = timedelta(days=2)


@dataclass
class _Known:
    """What earlier runs left: dialogs in raw, those with fresh messages, and those still unread."""

    watermark: Watermark | None
    chats: set[int]
    recent: set[int]
    unread: set[int]


class Radist:
    """One read of one company; ``streams()`` are to be given to :func:`ingestion.load.streams.run`."""

    def __init__(
        self, session: Session, http: VendorClient, listing: Limiter, path: str, *, is_recent: bool = False
    ) -> None:
        self._is_recent = is_recent
        self._session, self._http, self._listing, self._path = session, http, listing, path
        # proves the key and the company before anything begins, and tells the vendor's time
        self._sources = http.get(f"{path}/chats/sources/", expect=list, limiter=listing) or []
        session.set_clock(http.vendor_clocks)
        self._mapper = Mapper(str(session.ctx.tenant_id), clock.now())
        before = left(session.ctx, "radist")
        if is_recent:
            # where a run was cut is its own affair
            before = replace(before, backfills={})
            if "messages" not in before.marks:
                raise ConfigurationError("Radist ещё ни разу не прочитан целиком, перечитывать нечего.")
        self._begin = start(session.ctx, before, "messages")
        self._since = self._begin.read_from
        #: of dialogs no run has read: as far back as the others were
        self._history = min(session.ctx.history_start, self._begin.reaches)
        watermark, unfinished = before.marks.get("messages"), self._begin.unfinished
        position = unfinished.position if unfinished else {}
        self._began = unfinished.started_at if unfinished else session.started_at
        self._whole_before: set[int] = set(position.get("whole", ()))
        self._whole = set(self._whole_before)
        looked = datetime.fromisoformat(watermark.cursor.get("late_at", "2000-01-01T00:00:00Z")) if watermark else None
        #: this read takes the second look; the attempts at one read agree
        every = _LATE_AT_LAST if session.ctx.is_awaited else _LATE_EVERY
        self._late = not is_recent and bool(position.get("late", looked is None or self._began - looked >= every))
        self._known = self._look_up(watermark)
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._queued: set[int] = set()
        self._new: set[int] = set()
        self._listed = False

    def _look_up(self, watermark: Watermark | None) -> _Known:
        tenant = self._session.ctx.tenant_id
        with db.as_service("ingestion radist") as connection:
            cursor = connection.cursor(row_factory=tuple_row)
            rows = cursor.execute("select id from raw_radist.chats where tenant_id = %s", (tenant,))
            chats = {row[0] for row in rows}
            recent = set()
            if watermark and self._late:
                fresh = cursor.execute(
                    "select distinct chat_id from raw_radist.messages where tenant_id = %s and sent_at >= %s",
                    (tenant, watermark.complete_until - LATE),
                )
                recent = {row[0] for row in fresh}
        return _Known(watermark, chats, recent, set(watermark.cursor.get("unread", ())) if watermark else set())

    def streams(self) -> list[Stream]:
        sources, chats, messages = (RowStats(StreamLoad("radist", name)) for name in ("sources", "chats", "messages"))
        messages.load.read_from = self._since
        stream = Stream(
            "messages",
            messages,
            lambda: self._messages(stream),
            cursor={"from": self._begin.reaches.isoformat(), "unread": []},
            point=self._point,
            begun=self._began,
            is_aside=self._is_recent,
        )
        listed = Stream("chats", chats, lambda: self._chats(chats), before_load=self._remember)
        if self._is_recent:
            return [replace(listed, is_aside=True), stream]
        return [Stream("sources", sources, lambda: self._read_sources(sources)), listed, stream]

    def _point(self) -> Checkpoint | None:
        whole = self._whole.copy()
        if not whole:
            return None
        return Checkpoint({"whole": sorted(whole), "late": self._late}, len(whole), self._dialogs)

    @property
    def _dialogs(self) -> int:
        """Dialogs this read is about, as far as the listing has told."""
        return len(self._queued | self._whole)

    # --- sources and dialogs -------------------------------------------------------------------------------

    def _read_sources(self, row_stats: RowStats) -> Iterator[list[Row]]:
        row_stats.load.requests += 1
        yield row_stats.keep(self._sources, self._mapper.source, lambda row: row["id"])

    def _chats(self, row_stats: RowStats) -> Iterator[list[Row]]:
        changed: list[Task] = []
        limit = self._session.ctx.radist_fetch_limit
        try:
            since = self._since if self._is_recent else None
            for contacts in paginator.contacts(self._list, f"{self._path}/chats/with_contacts/", since):
                rows = row_stats.keep(
                    [chat for contact in contacts for chat in chats_of(contact)],
                    self._mapper.chat,
                    lambda row: row["id"],
                )
                tasks = [task for task in map(self._task, rows) if task is not None]
                changed.extend(tasks if limit else ())
                for task in () if limit else tasks:
                    self._tasks.put(task)
                self._session.progress(row_stats.load.seen, None, f"Radist, диалоги: {row_stats.load.seen}")
                yield rows
            self._listed = True
            # with a limit the freshest dialogs come first, which only the whole listing tells
            for task in sorted(changed, key=lambda task: (not task.extra, task.updated_at), reverse=True):
                self._tasks.put(task)
        finally:
            self._tasks.put(None)

    def _list(self, path: str, params: Any, **options: Any) -> Any:
        return self._http.get(path, params, limiter=self._listing, **options)

    def _task(self, chat: Row) -> Task | None:
        """What to read of this dialog, None if nothing."""
        number, updated, known = chat["id"], chat["updated_at"], self._known
        since, extra = self._since, False
        if number in self._queued:
            return None
        if number in self._whole_before:
            since = max(since, self._began - OVERLAP)
        elif known.watermark is None or number not in known.chats or number in known.unread:
            self._new.add(number)
            since, updated = self._history, None
        elif number in known.recent:
            extra = updated is not None and updated < since
            since, updated = min(since, known.watermark.complete_until - LATE), None
        if updated is not None and updated < since:
            return None
        self._queued.add(number)
        return Task(number, chat["connection_id"], since, chat["updated_at"] or self._session.started_at, extra)

    # --- messages ------------------------------------------------------------------------------------------

    def _messages(self, stream: Stream) -> Iterator[list[Row]]:
        session, row_stats = self._session, stream.row_stats
        reader = DialogReader(session, self._http, f"{self._path}/messages/", self._mapper, row_stats, self._tasks)
        for page in reader.pages(limit=session.ctx.radist_fetch_limit):
            if isinstance(page, list):
                yield page
            else:
                # its pages were all handed on before
                self._whole.add(page)
                done, known = len(self._whole), self._dialogs
                session.progress(done, known, f"Radist, прочитано диалогов: {done} из {known}")
                yield []
        self._remember(reader.unread)
        stream.cursor["unread"] = sorted(reader.unread)
        watermark = self._known.watermark
        if self._late and not reader.skipped:
            stream.cursor["late_at"] = self._began.isoformat()
        elif watermark and "late_at" in watermark.cursor:
            stream.cursor["late_at"] = watermark.cursor["late_at"]
        if reader.error is not None:
            stream.fail(reader.error)
        elif not self._listed:
            stream.fail(TransientError("Radist: список диалогов прочитан не до конца, поэтому и сообщения не все."))
        elif reader.over_limit:
            row_stats.note("over_limit", len(reader.over_limit))
            stream.moves_anyway = True
            stream.fail(
                ConfigurationError(
                    f"Прочитано диалогов: {reader.done} из {reader.done + len(reader.unread)}. Остальные отложены "
                    "до следующего запуска: в настройках ограничено число диалогов."
                )
            )

    def _remember(self, unread: Iterable[int] = ()) -> None:
        """Note new and unread dialogs beside the watermark before raw learns of them: a crash hides none."""
        watermark, pending = self._known.watermark, self._new.copy().union(unread)
        if watermark is None or not pending:
            # without a watermark every dialog that was not read whole counts as new
            return
        ctx = self._session.ctx
        with db.as_service("ingestion radist") as connection:
            cursor = {**watermark.cursor, "unread": sorted(pending | self._known.unread)}
            watermarks.advance(connection, ctx.tenant_id, "radist", "messages", watermark.complete_until, cursor)
