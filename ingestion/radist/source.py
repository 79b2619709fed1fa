"""Radist's streams: sources, all dialogs, and the messages of the dialogs that changed.

The listing of dialogs is slow (one page a second) and always walked whole; messages are read meanwhile, by a
few threads, as soon as the listing shows that a dialog changed. A dialog is read when its contact was updated
since the last whole read, when raw does not know it yet, or when an earlier run left it unread: those are
remembered beside the mark, before anything is loaded, so that no crash forgets them.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.rows import tuple_row

from ingestion.context import OVERLAP, Session
from ingestion.loading import Stream
from ingestion.radist import paginator
from ingestion.radist.dialogs import DialogReader, Task
from ingestion.radist.mapping import Mapper, chats_of
from ingestion.rows import Row, Tally
from synkro import db, integrations, vendors, watermarks
from synkro.errors import AuthenticationError, ConfigurationError, TransientError
from synkro.http import ApiKeyAuth, VendorClient, client
from synkro.ratelimit import RADIST_LISTING_PER_SECOND, RADIST_PER_SECOND, Both, Limiter
from synkro.watermarks import StreamLoad, Watermark


@contextmanager
def opened(session: Session) -> Iterator[Radist]:
    """A reader of the tenant's company; another company than the bound one is refused."""
    ctx = session.ctx
    with db.as_service("ingestion radist") as connection:
        integration = integrations.load(connection, ctx.tenant_id, "radist")
    company = vendors.radist_company(integration.public)
    expected = integration.bound.get("company_id")
    if expected is not None and str(expected) != company:
        raise ConfigurationError(
            f"Radist: подключена компания {company}, а диалоги собраны из компании {expected}. Ничего не "
            "прочитано. Верните прежний номер или заведите для новой отдельную компанию."
        )
    key = integrations.secrets(ctx.tenant_id, "radist").get("api_key")
    if not key:
        raise AuthenticationError("Radist не подключён: в настройках нет ключа.")
    account = vendors.radist(integration.public, ctx.allow_local)
    wide = account.limiter()
    # a generous account is generous in both
    listing = account.per_second * RADIST_LISTING_PER_SECOND / RADIST_PER_SECOND
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
        narrow = Both(account.limiter(per_second=listing, part="/listing"), wide)
        yield Radist(session, http, narrow, f"/companies/{company}/messaging")


@dataclass
class _Known:
    """What earlier runs left: dialogs in raw, dialogs still unread, and how far messages are whole."""

    mark: Watermark | None
    chats: set[int]
    unread: set[int]


class Radist:
    """One read of one company; ``streams()`` are to be given to :func:`ingestion.loading.run`."""

    def __init__(self, session: Session, http: VendorClient, listing: Limiter, path: str) -> None:
        self._session, self._http, self._listing, self._path = session, http, listing, path
        # proves the key and the company before anything begins, and tells the vendor's time
        self._sources = http.get(f"{path}/chats/sources/", expect=list, limiter=listing) or []
        session.set_clock(http.vendor_clocks)
        self._mapper = Mapper(str(session.ctx.tenant_id), datetime.now(UTC))
        self._known = self._look_up()
        self._history = session.ctx.history_from
        mark, start = self._known.mark, session.ctx.window.start.isoformat()
        #: a window older than anything read so far means the whole stretch again
        self._covered = mark is not None and mark.cursor.get("from", "9") <= start
        self._since = mark.complete_until - OVERLAP if mark and self._covered else self._history
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._new: set[int] = set()
        self._listed = False

    def _look_up(self) -> _Known:
        tenant = self._session.ctx.tenant_id
        with db.as_service("ingestion radist") as connection:
            mark = watermarks.find(connection, tenant, "radist", "messages")
            rows = connection.cursor(row_factory=tuple_row).execute(
                "select id from raw_radist.chats where tenant_id = %s", (tenant,)
            )
            chats = {row[0] for row in rows}
        return _Known(mark, chats, set(mark.cursor.get("unread", ())) if mark else set())

    def streams(self) -> list[Stream]:
        sources, chats, messages = (Tally(StreamLoad("radist", name)) for name in ("sources", "chats", "messages"))
        messages.load.read_from = self._since
        earliest = self._known.mark.cursor.get("from", "9") if self._known.mark else "9"
        stream = Stream(
            "messages",
            messages,
            lambda: self._messages(stream),
            cursor={"from": min(self._history.isoformat(), earliest), "unread": []},
        )
        return [
            Stream("sources", sources, lambda: self._read_sources(sources)),
            Stream("chats", chats, lambda: self._chats(chats)),
            stream,
        ]

    # --- sources and dialogs -------------------------------------------------------------------------------

    def _read_sources(self, tally: Tally) -> Iterator[list[Row]]:
        tally.load.requests += 1
        yield tally.keep(self._sources, self._mapper.source, lambda row: row["id"])

    def _chats(self, tally: Tally) -> Iterator[list[Row]]:
        changed: list[Task] = []
        limit = self._session.ctx.radist_fetch_limit
        try:
            for contacts in paginator.contacts(self._list, f"{self._path}/chats/with_contacts/"):
                rows = tally.keep(
                    [chat for contact in contacts for chat in chats_of(contact)],
                    self._mapper.chat,
                    lambda row: row["id"],
                )
                for task in (self._task(row) for row in rows):
                    if task is not None and limit:
                        changed.append(task)
                    elif task is not None:
                        self._tasks.put(task)
                self._session.progress(tally.load.seen, None, f"Radist, диалоги: {tally.load.seen}")
                yield rows
            self._listed = True
            # with a limit the freshest dialogs come first, which only the whole listing tells
            for task in sorted(changed, key=lambda task: task.updated_at, reverse=True):
                self._tasks.put(task)
        finally:
            self._tasks.put(None)

    def _list(self, path: str, params: Any, **options: Any) -> Any:
        return self._http.get(path, params, limiter=self._listing, **options)

    def _task(self, chat: Row) -> Task | None:
        """What to read of this dialog, None if nothing."""
        number, updated = chat["id"], chat["updated_at"]
        fresh = number not in self._known.chats or number in self._known.unread
        if fresh:
            self._new.add(number)
        if not (fresh or updated is None or updated >= self._since):
            return None
        since = self._history if fresh else self._since
        return Task(number, chat["connection_id"], since, updated or self._session.started_at)

    # --- messages ------------------------------------------------------------------------------------------

    def _messages(self, stream: Stream) -> Iterator[list[Row]]:
        session, tally = self._session, stream.tally
        reader = DialogReader(session, self._http, f"{self._path}/messages/", self._mapper, tally, self._tasks)
        yield from reader.pages(limit=session.ctx.radist_fetch_limit)
        unread = reader.unread
        self._remember(unread)
        stream.cursor["unread"] = sorted(unread)
        if reader.error is not None:
            stream.fail(reader.error)
        elif not self._listed:
            stream.fail(TransientError("Radist: список диалогов прочитан не до конца, поэтому и сообщения не все."))
        elif reader.over_limit:
            tally.note("over_limit", len(reader.over_limit))
            stream.moves_anyway = True
            stream.fail(
                ConfigurationError(
                    f"Прочитано диалогов: {reader.done} из {reader.done + len(unread)}. Остальные отложены "
                    "до следующего запуска: в настройках ограничено число диалогов."
                )
            )

    def _remember(self, unread: set[int]) -> None:
        """Note new and unread dialogs beside the mark before raw learns of them: a crash hides none."""
        mark, pending = self._known.mark, self._new | unread
        if mark is None or not pending:
            # without a mark the next run is a first load and reads every dialog
            return
        ctx = self._session.ctx
        with db.as_service("ingestion radist") as connection:
            cursor = {**mark.cursor, "unread": sorted(pending | self._known.unread)}
            watermarks.advance(connection, ctx.tenant_id, "radist", "messages", mark.complete_until, cursor)
