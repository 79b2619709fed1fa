"""amoCRM's streams: which lists are read, from when, and how they lean on each other.

Deals and contacts are read from the beginning of the account on a first load, however old they are: a dialog
is tied to a deal by a contact's phone, and that contact may have last changed a year ago; so are tasks, of which an open
one may be older than any of them. The log, the calls and the recycle bin start at the context's ``history_start``. Later
loads start at the stream's watermark minus an overlap; deals, contacts and tasks are read whole again once a week. Contacts that deals name and no walk has shown are
fetched by id once the deals are through. A read that was cut goes on where its last loaded part ends (``walks.py``,
``log.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from psycopg.rows import tuple_row

from ingestion.amocrm import auth, paginator
from ingestion.amocrm.log import Slices
from ingestion.amocrm.mapping import Mapper, contacts_of
from ingestion.amocrm.merged import MERGED, is_merge, merged_ids
from ingestion.amocrm.paginator import FilterIgnored
from ingestion.amocrm.walks import Walk
from ingestion.extract.context import OVERLAP, Session, SourceResult
from ingestion.extract.rows import Row, RowStats
from ingestion.extract.start import left, start
from ingestion.load.batches import Checkpoint, Stream
from ingestion.load.streams import run
from synkro.core import clock
from synkro.core.errors import PermanentError
from synkro.database import db
from synkro.http.factory import VendorClient, VendorForbidden
from synkro.runs.watermarks import Backfill, StreamLoad

#: of the account's own event types these are read; an unknown one in a filter fails the whole request
EVENTS = (
    "lead_added",
    "lead_deleted",
    "lead_restored",
    "lead_status_changed",
    "entity_responsible_changed",
    "incoming_chat_message",
    "outgoing_chat_message",
    MERGED,
    "contact_deleted",
    "incoming_call",
    "outgoing_call",
    # a task keeps no moment of its own at which it was done
    "task_completed",
)
#: lists that are read whole on every run
DICTIONARIES = {
    "users": "/api/v4/users",
    "pipelines": "/api/v4/leads/pipelines",
    "loss_reasons": "/api/v4/leads/loss_reasons",
}
DELETIONS = ("lead_deleted", "contact_deleted", "task_deleted")
CALLS = ("call_in", "call_out")
#: contacts in one request: longer addresses come near a web server's limit
_IDS = 50
#: seconds between looks at the stop button while one stream waits for another
_STEP = 0.5
#: between walks over all deals and contacts
_WHOLE_EVERY = timedelta(days=7)
Read = Callable[[RowStats], Iterator[list[Row]]]


def read(session: Session) -> SourceResult:
    """Deals, contacts, events, calls and dictionaries of the tenant's account into ``raw_amocrm``."""
    with auth.opened(session) as (http, account):
        return run(session, Amocrm(session, http, account).streams())


class Amocrm:
    """One read of one account; ``streams()`` are to be given to :func:`ingestion.load.streams.run`."""

    def __init__(self, session: Session, http: VendorClient, account: dict[str, Any]) -> None:
        self._session, self._http, self._account = session, http, account
        self._mapper = Mapper(str(session.ctx.tenant_id), clock.now())
        # off: filters on deals and contacts are ignored without a word. Not named: try, and look at the rows
        self._filters = account.get("is_api_filter_enabled") is not False
        self._leads_done = threading.Event()
        self._named: set[int] = set()
        self._types: list[str] | None = None
        self._types_lock = threading.Lock()
        self._left = left(session.ctx, "amocrm")
        #: by walk; a stream may make more than one
        self._walks: dict[str, Walk] = {}
        #: the streams that go on with an earlier attempt, and when that attempt began
        self._resumed: dict[str, datetime] = {}

    def streams(self) -> list[Stream]:
        """In the order their first requests are made."""
        return [
            self._dictionary("account", self._one),
            self._whole("leads", self._leads),
            self._whole("contacts", self._contacts),
            self._log("events", self._events),
            self._log("notes", self._notes),
            self._log("deleted", self._deleted),
            self._tasks_stream(),
            *(self._dictionary(name, partial(self._list, path=path, key=name)) for name, path in DICTIONARIES.items()),
        ]

    def _dictionary(self, name: str, read: Read) -> Stream:
        """Read whole on every run."""
        row_stats = RowStats(StreamLoad("amocrm", name))
        return Stream(name, row_stats, lambda: read(row_stats))

    def _since_whole(self, name: str) -> tuple[RowStats, datetime | None]:
        """Where a list that is read whole once a week begins now, and when it was read whole; None: now."""
        row_stats, watermark = RowStats(StreamLoad("amocrm", name)), self._left.marks.get(name)
        whole = datetime.fromisoformat(watermark.cursor.get("whole_at", "2000-01-01T00:00:00Z")) if watermark else None
        if watermark and whole and self._session.started_at - whole < _WHOLE_EVERY:
            row_stats.load.read_from = watermark.complete_until - OVERLAP
            return row_stats, whole
        return row_stats, None

    def _tasks_stream(self) -> Stream:
        """From the beginning of the account, too; a read that was cut begins again: tasks are fewer than deals."""
        row_stats, whole = self._since_whole("tasks")
        cursor = {"whole_at": (whole or self._session.started_at).isoformat()}
        return Stream("tasks", row_stats, lambda: self._tasks(row_stats), cursor=cursor)

    def _whole(self, name: str, read: Read) -> Stream:
        """From the beginning of the account, and again once a week: linking a contact may leave a deal's
        ``updated_at`` alone."""
        now = self._session.started_at
        row_stats, whole = self._since_whole(name)
        unfinished = self._left.unfinished(name, row_stats.load.read_from)
        if unfinished:
            row_stats.load.read_from = unfinished.read_from
            if unfinished.read_from is None:
                # links made after the first attempt had passed a deal wait for the next whole walk
                whole = unfinished.started_at
        stream = Stream(name, row_stats, lambda: read(row_stats), cursor={"whole_at": (whole or now).isoformat()})
        return self._resumable(stream, unfinished, (name,))

    def _log(self, name: str, read: Read) -> Stream:
        """From the beginning of history, then from the watermark on."""
        row_stats, begin = RowStats(StreamLoad("amocrm", name)), start(self._session.ctx, self._left, name)
        row_stats.load.read_from = begin.read_from
        stream = Stream(name, row_stats, lambda: read(row_stats), cursor={"from": begin.reaches.isoformat()})
        if name == "events":
            self._slices = Slices(self._session, begin)
            stream.point, stream.begun = self._slices.point, self._slices.begun
        elif name == "notes":
            return self._resumable(stream, begin.unfinished, ("contacts", "leads"))
        return stream

    def _resumable(self, stream: Stream, unfinished: Backfill | None, walks: tuple[str, ...]) -> Stream:
        """``walks``: the walks of this stream, each with its own second in the position."""
        before = unfinished.position if unfinished else {}
        done = unfinished.done if unfinished else 0
        for name in walks:
            self._walks[f"{stream.name}.{name}"] = Walk(self._session, before.get(name), stream.load.read_from)

        def point() -> Checkpoint | None:
            made = {name: self._walks[f"{stream.name}.{name}"] for name in walks}
            known = {name: walk.second for name, walk in made.items() if walk.second is not None}
            return Checkpoint(known, done + sum(walk.rows for walk in made.values())) if known else None

        stream.point = point
        if unfinished:
            stream.begun = self._resumed[stream.name] = unfinished.started_at
        return stream

    def _get(self, path: str, params: Any = None, **options: Any) -> Any:
        return self._http.get(path, params, **options)

    def _show(self, row_stats: RowStats, what: str) -> None:
        self._session.progress(row_stats.load.seen, None, f"amoCRM, {what}: {row_stats.load.seen}")

    def _walk(
        self, name: str, path: str, key: str, params: dict[str, Any], *, filters: bool = True
    ) -> Iterator[list[Any]]:
        """Rows of a walk by ``updated_at`` that can be resumed; ``name``: stream and walk."""
        walk = self._walks[name]

        def get(path: str, params: Any) -> Any:
            walk.asks(params)
            return self._get(path, params)

        for rows in paginator.updated_since(get, path, key, params, walk.since, filters=filters):
            yield rows
            walk.saw(rows)

    # --- dictionaries --------------------------------------------------------------------------------------

    def _one(self, row_stats: RowStats) -> Iterator[list[Row]]:
        row_stats.load.requests += 1
        yield row_stats.keep([self._account], self._mapper.dictionary, _id)

    def _list(self, row_stats: RowStats, path: str, key: str) -> Iterator[list[Row]]:
        try:
            for rows in paginator.pages(lambda *args: self._get(*args, forbidden_ok=True), path, key, {}):
                yield row_stats.keep(rows, self._mapper.dictionary, _id)
        except VendorForbidden as error:
            raise PermanentError(
                f"amoCRM не показывает список «{key}»: у доступа нет прав администратора. Имена могут не "
                "обновиться. Выдайте доступ от администратора amoCRM.",
                detail=error.detail,
            ) from None

    # --- deals and contacts --------------------------------------------------------------------------------

    def _leads(self, row_stats: RowStats) -> Iterator[list[Row]]:
        try:
            params = {"with": "contacts,loss_reason"}
            for rows in self._walk("leads.leads", "/api/v4/leads", "leads", params, filters=self._filters):
                kept = row_stats.keep(rows, self._mapper.lead, _id)
                for row in kept:
                    self._named.update(contacts_of(row["payload"]))
                self._show(row_stats, "сделки")
                yield kept
        finally:
            self._leads_done.set()

    def _contacts(self, row_stats: RowStats) -> Iterator[list[Row]]:
        walk = self._walk("contacts.contacts", "/api/v4/contacts", "contacts", {}, filters=self._filters)
        for rows in walk:
            self._show(row_stats, "контакты")
            yield row_stats.keep(rows, self._mapper.contact, _id)
        while not self._leads_done.wait(_STEP):
            self._session.checkpoint()
        named = self._named | self._named_before()
        missing = self._not_in_raw(sorted(number for number in named if number not in row_stats))
        for first in range(0, len(missing), _IDS):
            yield from self._contacts_by_id(row_stats, missing[first : first + _IDS])

    def _contacts_by_id(self, row_stats: RowStats, ids: list[int]) -> Iterator[list[Row]]:
        found: list[dict[str, Any]] = []
        if self._filters:
            try:
                found = paginator.by_ids(self._get, "/api/v4/contacts", "contacts", {}, ids)
            except FilterIgnored:
                # the walk has already shown every contact there is
                self._filters = False
        yield row_stats.keep(found, self._mapper.contact, _id)
        stubs = [{"id": number} for number in ids if number not in row_stats]
        if stubs:
            row_stats.note("stub", len(stubs))
        yield row_stats.keep(stubs, self._mapper.stub, _id)

    def _named_before(self) -> set[int]:
        """Contacts named by deals that the attempts before this one have loaded."""
        attempts = [self._resumed[name] for name in ("leads", "contacts") if name in self._resumed]
        if not attempts:
            return set()
        with db.as_service("ingestion contacts") as connection, connection.cursor(row_factory=tuple_row) as cursor:
            rows = cursor.stream(
                "select payload -> '_embedded' from raw_amocrm.leads where tenant_id = %s and seen_at >= %s",
                (self._session.ctx.tenant_id, min(attempts)),
            )
            return {number for row in rows for number in contacts_of({"_embedded": row[0]})}

    def _not_in_raw(self, ids: list[int]) -> list[int]:
        """Contacts raw does not hold, or holds as a stub only."""
        with db.as_service("ingestion contacts") as connection:
            rows = (
                connection.cursor(row_factory=tuple_row)
                .execute(
                    "select id from raw_amocrm.contacts where tenant_id = %s and id = any(%s)"
                    " and not coalesce((payload #>> '{_synkro,stub}')::boolean, false)",
                    (self._session.ctx.tenant_id, ids),
                )
                .fetchall()
            )
        known = {row[0] for row in rows}
        return [number for number in ids if number not in known]

    # --- tasks ---------------------------------------------------------------------------------------------

    def _tasks(self, row_stats: RowStats) -> Iterator[list[Row]]:
        for rows in paginator.unordered_since(self._get, "/api/v4/tasks", "tasks", {}, row_stats.load.read_from):
            self._show(row_stats, "задачи")
            yield row_stats.keep(rows, self._mapper.task, _id)

    # --- the log, calls, the recycle bin -------------------------------------------------------------------

    def _wanted(self, names: tuple[str, ...]) -> list[str]:
        """Those of the names this account knows."""
        with self._types_lock:
            if self._types is None:
                self._types = paginator.event_types(self._get)
            return [name for name in names if name in self._types]

    def _logged(self, names: tuple[str, ...], begin: datetime, end: datetime) -> Iterator[list[dict[str, Any]]]:
        wanted = self._wanted(names)
        if wanted:
            yield from paginator.created_between(
                self._get, "/api/v4/events", "events", {"filter[type]": ",".join(wanted)}, begin, end
            )

    def _events(self, row_stats: RowStats) -> Iterator[list[Row]]:
        for begin, end in self._slices.all():
            for rows in self._logged(EVENTS, begin, end):
                self._slices.page()
                yield row_stats.keep(rows, self._mapper.event, _id)
            done, total = self._slices.days
            self._session.progress(done, total, f"amoCRM, события: дней прочитано {done} из {total}")

    def _notes(self, row_stats: RowStats) -> Iterator[list[Row]]:
        for plural, singular in (("contacts", "contact"), ("leads", "lead")):
            params = {"filter[note_type][]": list(CALLS)}
            for rows in self._walk(f"notes.{plural}", f"/api/v4/{plural}/notes", "notes", params):
                self._show(row_stats, "звонки")
                yield row_stats.keep(
                    [row for row in rows if not isinstance(row, dict) or row.get("note_type") in CALLS],
                    partial(self._mapper.note, singular),
                    _id,
                )

    def _deleted(self, row_stats: RowStats) -> Iterator[list[Row]]:
        for plural, singular in (("leads", "lead"), ("contacts", "contact")):
            walk = paginator.updated_since(
                self._get,
                f"/api/v4/{plural}",
                plural,
                {"with": "only_deleted"},
                row_stats.load.read_from,
                filters=self._filters,
            )
            for rows in walk:
                # an account that does not know the parameter answers with its living rows
                gone = [row for row in rows if isinstance(row, dict) and row.get("is_deleted") is True]
                if rows and not gone:
                    break
                yield row_stats.keep(gone, partial(self._mapper.deleted, singular), _entity)
        assert row_stats.load.read_from is not None
        for rows in self._logged((*DELETIONS, MERGED), row_stats.load.read_from, self._session.until):
            merged = merged_ids(self._get, [row for row in rows if is_merge(row)])
            deleted = [row for row in rows if not is_merge(row)]
            yield row_stats.keep(deleted + merged, self._mapper.deleted_by_event, _entity)


def _id(row: Row) -> Any:
    return row["id"]


def _entity(row: Row) -> Any:
    return row["entity_type"], row["id"]
