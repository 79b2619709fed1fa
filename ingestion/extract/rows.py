"""Vendor values made fit for Postgres, and the account of what was refused.

Pure functions: a time stamp in any spelling becomes aware UTC, a payload loses what jsonb refuses. A value
that cannot be kept raises :class:`Rejected` with a reason from :data:`REASONS`; nothing is dropped uncounted.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from dlt.common.json import json

from ingestion.extract import payload_types
from synkro.runs.watermarks import StreamLoad

log = logging.getLogger(__name__)

Row = dict[str, Any]

#: why a row did not get into raw; the keys of ``stream_loads.reasons``
REASONS = {
    "not_object": "вместо записи пришло что-то другое",
    "no_id": "нет номера записи",
    "bad_id": "номер записи непривычного вида",
    "bad_time": "время записи не читается",
    "no_time": "у записи нет времени",
    "future": "запись датирована будущим",
    "other_chat": "сообщение из другого диалога",
    "unreadable": "содержимое записи не сохранить в базе",
}
#: what was noticed about rows that did get there; the same column, not refused
NOTES = {
    "repeated": "запись пришла повторно",
    "cleaned": "из текста убраны знаки, которые база не хранит",
    "possible_gap": "больше сообщений в одно мгновение, чем отдаёт страница",
    "over_limit": "диалог отложен из-за ограничения числа диалогов",
    "stub": "карточка удалена или недоступна, сохранён только номер",
    "changed_type": "поле пришло в непривычном виде",
}

#: a row later than this from now is a mistake of somebody's clock
FUTURE = timedelta(days=1)
_BIGINT = 2**63 - 1
#: a btree entry holds 2,704 bytes; vendors promise 200 characters
_LONGEST_ID = 200
_NOT_STORED = re.compile("[\x00\ud800-\udfff]")
_FRACTION = re.compile(r"(\.\d{6})\d+")


class Rejected(Exception):
    """This row cannot be kept; the argument is a key of :data:`REASONS`."""


def seconds(value: Any) -> datetime | None:
    """amoCRM's Unix seconds, as a number or a string of digits; null and 0 mean "not set"."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        number = int(value)
        return datetime.fromtimestamp(number, UTC) if number else None
    except (TypeError, ValueError, OverflowError, OSError):
        raise Rejected("bad_time") from None


def iso(value: Any) -> datetime | None:
    """Radist's ISO 8601 in each of its spellings, ``Z``, offset or neither; without an offset it is UTC."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Rejected("bad_time")
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected("bad_time") from None


def not_future(*moments: datetime | None, now: datetime) -> None:
    """Refuse a row dated more than a day ahead: it would poison every "latest"."""
    if any(moment is not None and moment > now + FUTURE for moment in moments):
        raise Rejected("future")


def integer(value: Any) -> int:
    """A vendor's numeric id; numeric strings count, as PHP sends them."""
    if value is None or value == "":
        raise Rejected("no_id")
    if isinstance(value, bool | float):
        raise Rejected("bad_id")
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise Rejected("bad_id") from None
    if not -_BIGINT <= number <= _BIGINT:
        raise Rejected("bad_id")
    return number


def integer_or_none(value: Any) -> int | None:
    """The same for an id that is only a pointer: one that cannot be read is null."""
    try:
        return integer(value)
    except Rejected:
        return None


def identifier(value: Any) -> str:
    """A vendor's textual id."""
    if value is None or value == "" or isinstance(value, bool | float | dict | list):
        raise Rejected("no_id")
    text = str(value)
    if len(text) > _LONGEST_ID or _NOT_STORED.search(text):
        raise Rejected("bad_id")
    return text


def word(value: Any) -> str:
    """A value of an open vocabulary, lower-case; ``unknown`` when there is none."""
    text = _NOT_STORED.sub("", value).strip().lower()[:_LONGEST_ID] if isinstance(value, str) else ""
    return text or "unknown"


def payload(value: Row) -> tuple[Row, bool]:
    """The payload as jsonb can hold it, and whether anything had to be taken out.

    Postgres refuses NUL and lone surrogates; dlt's JSON writer refuses integers over 64 bits.
    """
    try:
        if b"\\u0000" not in json.dumpb(value):
            return value, False
    except (TypeError, ValueError):
        pass
    try:
        cleaned = _scrub(value)
        json.dumpb(cleaned)
    except (TypeError, ValueError, RecursionError):
        raise Rejected("unreadable") from None
    return cleaned, cleaned != value


def _scrub(value: Any) -> Any:
    if isinstance(value, str):
        return _NOT_STORED.sub(lambda found: "" if found[0] == "\x00" else "\ufffd", value)
    if isinstance(value, dict):
        return {_scrub(key): _scrub(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrub(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _BIGINT:
        return str(value)
    return value


class RowStats:
    """Counts one stream's rows into its :class:`StreamLoad` while they pass.

    ``seen`` counts different rows: the same row on two pages is one row (noted as ``repeated``), so
    ``seen = rejected + loaded`` is the whole reconciliation. A row that comes again long after its part was loaded
    is counted and loaded again: only the keys of two parts are remembered.
    """

    def __init__(self, load: StreamLoad) -> None:
        self.load = load
        #: rows that should stand in raw after the load
        self.kept = 0
        self._keys: set[Hashable] = set()
        self._keys_before: set[Hashable] = set()
        self._lock = threading.Lock()
        #: fields of another type, each named once in the log
        self._told: set[str] = set()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys or key in self._keys_before

    def turn(self) -> None:
        """A part that holds rows of this stream was handed over: what was kept before the part is forgotten.

        Not what was kept during it: the page under way may belong to the next part, and a key that comes twice
        in one part would fail its merge.
        """
        with self._lock:
            self._keys_before, self._keys = self._keys, set()

    def note(self, reason: str, count: int = 1) -> None:
        with self._lock:
            self.load.reasons[reason] = self.load.reasons.get(reason, 0) + count

    def _other_types(self, payload: Row) -> bool:
        # asked of every row: nearly always there is nothing
        names = payload_types.changed(self.load.source, self.load.stream, payload)
        if not names:
            return False
        for name in set(names) - self._told:
            self._told.add(name)
            log.warning("%s %s: %s came as another type", self.load.source, self.load.stream, name)
        return True

    def keep(
        self,
        items: Iterable[Any],
        make: Callable[[Row], Row],
        key: Callable[[Row], Hashable],
        keys: set[Hashable] | None = None,
    ) -> list[Row]:
        """The rows of one page that are new and good, made by ``make``; the rest is counted.

        ``keys``: what was kept before, where the whole stream would be too much to remember.
        """
        return list(self._keep(items, make, key, keys))

    def _keep(
        self,
        items: Iterable[Any],
        make: Callable[[Row], Row],
        key: Callable[[Row], Hashable],
        keys: set[Hashable] | None,
    ) -> Iterator[Row]:
        for item in items:
            try:
                if not isinstance(item, dict):
                    raise Rejected("not_object")
                row = make(item)
                if key(row) in (self if keys is None else keys):
                    self.note("repeated")
                    continue
                row["payload"], changed = payload(row["payload"])
            except Rejected as reason:
                self.note(str(reason))
                with self._lock:
                    self.load.seen += 1
                    self.load.rejected += 1
                continue
            if changed:
                self.note("cleaned")
            if self._other_types(row["payload"]):
                self.note("changed_type")
            with self._lock:
                # looked up here: a part may have been handed over since the last row
                (self._keys if keys is None else keys).add(key(row))
                self.load.seen += 1
                self.kept += 1
            yield row
