"""amoCRM's streams: which lists are read, from when, and how they lean on each other.

Deals and contacts are read from the beginning of the account on a first load, however old they are: a dialog
is tied to a deal by a contact's phone, and that contact may have last changed a year ago. The log, the calls
and the recycle bin start ``history_days`` before the window. Later loads start at the stream's mark minus an
overlap; deals and contacts are walked whole again once a week. Contacts that deals name and no walk has shown are fetched by id once the deals are through.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from psycopg.rows import tuple_row

from ingestion.amocrm import paginator
from ingestion.amocrm.mapping import Mapper, contacts_of
from ingestion.amocrm.paginator import FilterIgnored
from ingestion.context import OVERLAP, Session
from ingestion.loading import Stream
from ingestion.rows import Row, Tally
from synkro import db, watermarks
from synkro.errors import PermanentError
from synkro.http import VendorClient, VendorForbidden
from synkro.watermarks import StreamLoad, Watermark

#: of the account's own event types these are read; an unknown one in a filter fails the whole request
EVENTS = (
    "lead_added",
    "lead_deleted",
    "lead_restored",
    "lead_status_changed",
    "entity_responsible_changed",
    "incoming_chat_message",
    "outgoing_chat_message",
    "entity_merged",
    "contact_deleted",
    "incoming_call",
    "outgoing_call",
)
DELETIONS = ("lead_deleted", "contact_deleted")
CALLS = ("call_in", "call_out")
#: contacts in one request: longer addresses come near a web server's limit
_IDS = 50
#: seconds between looks at the stop button while one stream waits for another
_STEP = 0.5
#: between walks over all deals and contacts
_WHOLE_EVERY = timedelta(days=7)


class Amocrm:
    """One read of one account; ``streams()`` are to be given to :func:`ingestion.loading.run`."""

    def __init__(self, session: Session, http: VendorClient, account: dict[str, Any]) -> None:
        self._session, self._http, self._account = session, http, account
        self._mapper = Mapper(str(session.ctx.tenant_id), datetime.now(UTC))
        # off: filters on deals and contacts are ignored without a word. Not named: try, and look at the rows
        self._filters = account.get("is_api_filter_enabled") is not False
        self._leads_done = threading.Event()
        self._named: set[int] = set()
        self._types: list[str] | None = None
        self._types_lock = threading.Lock()
        with db.as_service("ingestion marks") as connection:
            self._marks: dict[str, Watermark] = {
                mark.stream: mark
                for mark in watermarks.all_of(connection, session.ctx.tenant_id)
                if mark.source == "amocrm"
            }

    def streams(self) -> list[Stream]:
        """In the order their first requests are made."""
        history = self._session.ctx.history_from
        return [
            self._stream("account", self._one),
            self._stream("leads", self._leads, from_start=True),
            self._stream("contacts", self._contacts, from_start=True),
            self._stream("events", self._events, history),
            self._stream("notes", self._notes, history),
            self._stream("deleted", self._deleted, history),
            self._stream("users", lambda tally: self._dictionary(tally, "/api/v4/users", "users")),
            self._stream("pipelines", lambda tally: self._dictionary(tally, "/api/v4/leads/pipelines", "pipelines")),
            self._stream(
                "loss_reasons",
                lambda tally: self._dictionary(tally, "/api/v4/leads/loss_reasons", "loss_reasons"),
            ),
        ]

    def _stream(self, name: str, read: Any, history: datetime | None = None, *, from_start: bool = False) -> Stream:
        load = StreamLoad("amocrm", name)
        mark = self._marks.get(name)
        cursor: dict[str, Any] = {}
        if history is not None:
            # a window older than anything read so far: the whole stretch again
            covered = mark is not None and mark.cursor.get("from", "9") <= self._session.ctx.window.start.isoformat()
            load.read_from = mark.complete_until - OVERLAP if mark and covered else history
            cursor = {"from": min(history.isoformat(), mark.cursor.get("from", "9") if mark else "9")}
        elif from_start:
            # linking a contact may leave a deal's updated_at alone: once a week everything is read again
            now = self._session.started_at
            whole = datetime.fromisoformat(mark.cursor.get("whole_at", "2000-01-01T00:00:00Z")) if mark else None
            if mark and whole and now - whole < _WHOLE_EVERY:
                load.read_from = mark.complete_until - OVERLAP
                cursor = {"whole_at": whole.isoformat()}
            else:
                cursor = {"whole_at": now.isoformat()}
        tally = Tally(load)
        return Stream(name, tally, lambda: read(tally), cursor=cursor)

    def _get(self, path: str, params: Any = None, **options: Any) -> Any:
        return self._http.get(path, params, **options)

    def _show(self, tally: Tally, what: str) -> None:
        self._session.progress(tally.load.seen, None, f"amoCRM, {what}: {tally.load.seen}")

    # --- dictionaries --------------------------------------------------------------------------------------

    def _one(self, tally: Tally) -> Iterator[list[Row]]:
        tally.load.requests += 1
        yield tally.keep([self._account], self._mapper.dictionary, _id)

    def _dictionary(self, tally: Tally, path: str, key: str) -> Iterator[list[Row]]:
        try:
            for rows in paginator.pages(lambda *args: self._get(*args, forbidden_ok=True), path, key, {}):
                yield tally.keep(rows, self._mapper.dictionary, _id)
        except VendorForbidden as error:
            raise PermanentError(
                f"amoCRM не показывает список «{key}»: у доступа нет прав администратора. Имена могут не "
                "обновиться. Выдайте доступ от администратора amoCRM.",
                detail=error.detail,
            ) from None

    # --- deals and contacts --------------------------------------------------------------------------------

    def _leads(self, tally: Tally) -> Iterator[list[Row]]:
        try:
            walk = paginator.updated_since(
                self._get,
                "/api/v4/leads",
                "leads",
                {"with": "contacts,loss_reason"},
                tally.load.read_from,
                filters=self._filters,
            )
            for rows in walk:
                kept = tally.keep(rows, self._mapper.lead, _id)
                for row in kept:
                    self._named.update(contacts_of(row["payload"]))
                self._show(tally, "сделки")
                yield kept
        finally:
            self._leads_done.set()

    def _contacts(self, tally: Tally) -> Iterator[list[Row]]:
        walk = paginator.updated_since(
            self._get, "/api/v4/contacts", "contacts", {}, tally.load.read_from, filters=self._filters
        )
        for rows in walk:
            self._show(tally, "контакты")
            yield tally.keep(rows, self._mapper.contact, _id)
        while not self._leads_done.wait(_STEP):
            self._session.checkpoint()
        missing = self._not_in_raw(sorted(number for number in self._named if number not in tally))
        for start in range(0, len(missing), _IDS):
            yield from self._contacts_by_id(tally, missing[start : start + _IDS])

    def _contacts_by_id(self, tally: Tally, ids: list[int]) -> Iterator[list[Row]]:
        found: list[dict[str, Any]] = []
        if self._filters:
            try:
                found = paginator.by_ids(self._get, "/api/v4/contacts", "contacts", {}, ids)
            except FilterIgnored:
                # the walk has already shown every contact there is
                self._filters = False
        yield tally.keep(found, self._mapper.contact, _id)
        stubs = [{"id": number} for number in ids if number not in tally]
        if stubs:
            tally.note("stub", len(stubs))
        yield tally.keep(stubs, self._mapper.stub, _id)

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

    # --- the log, calls, the recycle bin -------------------------------------------------------------------

    def _wanted(self, names: tuple[str, ...]) -> list[str]:
        """Those of the names this account knows."""
        with self._types_lock:
            if self._types is None:
                params = {"limit": paginator.PAGE}
                listed, _ = paginator.ask(self._get, "/api/v4/events/types", params, "events_types")
                self._types = [str(item.get("key")) for item in listed if isinstance(item, dict)]
            return [name for name in names if name in self._types]

    def _logged(self, tally: Tally, names: tuple[str, ...]) -> Iterator[list[dict[str, Any]]]:
        wanted = self._wanted(names)
        if wanted:
            assert tally.load.read_from is not None
            yield from paginator.created_between(
                self._get,
                "/api/v4/events",
                "events",
                {"filter[type]": ",".join(wanted)},
                tally.load.read_from,
                self._session.until,
            )

    def _events(self, tally: Tally) -> Iterator[list[Row]]:
        for rows in self._logged(tally, EVENTS):
            self._show(tally, "события")
            yield tally.keep(rows, self._mapper.event, _id)

    def _notes(self, tally: Tally) -> Iterator[list[Row]]:
        for plural, singular in (("contacts", "contact"), ("leads", "lead")):
            walk = paginator.updated_since(
                self._get,
                f"/api/v4/{plural}/notes",
                "notes",
                {"filter[note_type][]": list(CALLS)},
                tally.load.read_from,
            )
            for rows in walk:
                self._show(tally, "звонки")
                yield tally.keep(
                    [row for row in rows if not isinstance(row, dict) or row.get("note_type") in CALLS],
                    partial(self._mapper.note, singular),
                    _id,
                )

    def _deleted(self, tally: Tally) -> Iterator[list[Row]]:
        for plural, singular in (("leads", "lead"), ("contacts", "contact")):
            walk = paginator.updated_since(
                self._get,
                f"/api/v4/{plural}",
                plural,
                {"with": "only_deleted"},
                tally.load.read_from,
                filters=self._filters,
            )
            for rows in walk:
                # an account that does not know the parameter answers with its living rows
                gone = [row for row in rows if isinstance(row, dict) and row.get("is_deleted") is True]
                if rows and not gone:
                    break
                yield tally.keep(gone, partial(self._mapper.deleted, singular), _entity)
        for rows in self._logged(tally, DELETIONS):
            yield tally.keep(rows, self._mapper.deleted_by_event, _entity)


def _id(row: Row) -> Any:
    return row["id"]


def _entity(row: Row) -> Any:
    return row["entity_type"], row["id"]
