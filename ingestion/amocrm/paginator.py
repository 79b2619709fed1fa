"""Walks over amoCRM's lists that lose nothing while people work in them.

Page numbers of amoCRM are offsets into a list that moves: with ``order[updated_at]=asc`` a deal edited during
the walk goes to the end, everything behind it moves up by one, and one row is skipped at the next border. So
the walk never turns a page: it asks for what was updated since the last row it saw, again and again
(:func:`updated_since`). Only a second with more rows than a page needs page numbers; that one is read until a
pass brings nothing new.

Filters on deals and contacts may be switched off for an account, and are then ignored without a word. Every
page is therefore looked at: rows that do not obey the filter mean that there is none, and the walk goes from
the newest row down to the watermark instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from synkro.core.errors import DataError, TransientError
from synkro.http.factory import VendorRefused

Item = dict[str, Any]
Page = list[Item]
#: (path, params) -> decoded answer, None for 204
Get = Callable[[str, Mapping[str, Any]], Any]

PAGE = 250
#: the documentation of events says 100, accounts give 250: the larger is asked for once
EVENT_PAGES = (250, 100)
#: deep page numbers are not documented: the log is read in slices
EVENT_SLICE = timedelta(days=15)
#: pages in a row that may bring nothing new before the walk is called a loop
_PATIENCE = 3


class FilterIgnored(Exception):
    """The rows of a page do not obey the filter or the order that was asked for."""


def ask(get: Get, path: str, params: Mapping[str, Any], key: str) -> tuple[Page, bool]:
    """The rows of one page and whether the vendor names a next one; a short page proves nothing.

    "Nothing" is asked for twice: an answer that was lost on the way looks like the end of the list.
    """
    for _ in range(2):
        answer = get(path, params)
        rows = items(answer, key)
        if rows:
            break
    links = answer.get("_links") if isinstance(answer, dict) else None
    following = links.get("next") if isinstance(links, dict) else None
    return rows, bool(following.get("href") if isinstance(following, dict) else following)


def items(answer: Any, key: str) -> Page:
    """The rows of an answer: of a list, of 204 (None), of PHP's empty ``[]``."""
    if answer is None:
        return []
    embedded = answer.get("_embedded") if isinstance(answer, dict) else None
    rows = embedded.get(key, []) if isinstance(embedded, dict) else embedded
    if not isinstance(rows, list) or (not isinstance(embedded, dict) and rows):
        raise DataError(f"amoCRM: список «{key}» пришёл в непривычном виде.", detail=type(rows).__name__)
    return rows


def pages(
    get: Get, path: str, key: str, params: Mapping[str, Any], limit: int | None = None, *, shrinks: bool = False
) -> Iterator[Page]:
    """Page after page, for lists that stand still. ``shrinks``: a page that was promised may be gone by now."""
    guard = _LoopGuard(path)
    for number in count(1):
        rows, more = ask(get, path, {**params, "limit": limit or PAGE, "page": number}, key)
        guard.look(rows)
        if not rows and number > 1 and not shrinks:
            raise _broken_off(path)
        yield rows
        if not rows or not more:
            return


def updated_since(
    get: Get, path: str, key: str, params: Mapping[str, Any], since: datetime | None, *, filters: bool = True
) -> Iterator[Page]:
    """Every row updated at or after ``since`` (None: every row). ``filters``: the account has them on."""
    start = int(since.timestamp()) if since else 0
    if filters:
        try:
            yield from _oldest_first(get, path, key, params, start)
            return
        except FilterIgnored:
            pass
    yield from _newest_first(get, path, key, params, start)


def _oldest_first(get: Get, path: str, key: str, params: Mapping[str, Any], start: int) -> Iterator[Page]:
    order = {**params, "order[updated_at]": "asc", "limit": PAGE, "page": 1}
    border: set[Any] = set()
    while True:
        asked = {**order, **({"filter[updated_at][from]": start} if start else {})}
        rows, more = ask(get, path, asked, key)
        if not rows and border:
            raise _broken_off(path)
        times = [updated for row in rows if (updated := _updated(row)) is not None]
        if times != sorted(times) or (times and times[0] < start):
            raise FilterIgnored
        fresh = [row for row in rows if _id(row) not in border]
        yield fresh
        if not times or not more or (not fresh and len(rows) < PAGE):
            return
        if times[-1] > start:
            start = times[-1]
            border = {_id(row) for row in rows if _updated(row) == start}
        else:
            yield from _one_second(get, path, key, params, start)
            start, border = start + 1, set()


def _one_second(get: Get, path: str, key: str, params: Mapping[str, Any], second: int) -> Iterator[Page]:
    """Rows that were all updated in one second, more of them than a page holds."""
    bounds = {"filter[updated_at][from]": second, "filter[updated_at][to]": second}
    yield from _by_id(get, path, key, {**params, **bounds})


def unordered_since(get: Get, path: str, key: str, params: Mapping[str, Any], since: datetime | None) -> Iterator[Page]:
    """Every row updated at or after ``since`` (None: every row) of a list that knows no order by ``updated_at``."""
    bounds = {"filter[updated_at][from]": int(since.timestamp())} if since else {}
    yield from _by_id(get, path, key, {**params, **bounds})


def _by_id(get: Get, path: str, key: str, params: Mapping[str, Any]) -> Iterator[Page]:
    """Pages of a list in order of ids, again and again until a pass brings nothing new."""
    known: set[Any] = set()
    while True:
        fresh = turned = 0
        for rows in pages(get, path, key, {**params, "order[id]": "asc"}, shrinks=True):
            new = [row for row in rows if _id(row) not in known]
            known |= {_id(row) for row in new}
            fresh, turned = fresh + len(new), turned + 1
            yield new
        # a row that left the list meanwhile, edited or deleted, has moved the others over a border
        if turned == 1 or not fresh:
            return


def _newest_first(get: Get, path: str, key: str, params: Mapping[str, Any], start: int) -> Iterator[Page]:
    """Without filters. An edit repeats rows at a border and hides one only: the edited row, which jumps to the top.

    So the top is looked at again until it shows nothing new; what jumps after that is the next run's.
    """
    known: set[Any] = set()
    for turn in range(_PATIENCE):
        turned = 0
        for rows in pages(get, path, key, {**params, "order[updated_at]": "desc"}):
            ids = {_id(row) for row in rows}
            if turn and ids <= known:
                return
            known |= ids
            turned += 1
            times = [updated for row in rows if (updated := _updated(row)) is not None]
            yield [row for row in rows if (_updated(row) or start) >= start]
            if times and times == sorted(times, reverse=True) and times[-1] < start:
                break
        if turned == 1:
            return


def _broken_off(path: str) -> TransientError:
    """The page before named a next one, and there it is empty, twice asked."""
    return TransientError(
        "amoCRM оборвала список: пообещала продолжение и прислала пустую страницу. Запустите снова позже.",
        detail=path,
    )


def created_between(
    get: Get, path: str, key: str, params: Mapping[str, Any], start: datetime, end: datetime
) -> Iterator[Page]:
    """The immutable log, both ends included, in slices that do not touch."""
    limits = list(EVENT_PAGES)
    first, last = int(start.timestamp()), int(end.timestamp())
    step = int(EVENT_SLICE.total_seconds())
    for begin in range(first, last + 1, step):
        bounds = {
            "filter[created_at][from]": begin,
            "filter[created_at][to]": min(begin + step - 1, last),
        }
        while True:
            try:
                yield from pages(get, path, key, {**params, **bounds}, limits[0])
                break
            except VendorRefused:
                # the larger page is not for this account; the rows of this slice, if any came, come again
                if len(limits) == 1:
                    raise
                limits.pop(0)


def event_types(get: Get) -> list[str]:
    """Names of the account's own event types: an unknown one in a filter fails the whole request."""
    listed, _ = ask(get, "/api/v4/events/types", {"limit": PAGE}, "events_types")
    return [str(item.get("key")) for item in listed if isinstance(item, dict)]


def by_ids(get: Get, path: str, key: str, params: Mapping[str, Any], ids: list[int]) -> Page:
    """Rows by id, 50 at a time at most: 250 ids in one address come near the limit of a web server."""
    rows, _ = ask(get, path, {**params, "filter[id][]": ids, "limit": PAGE}, key)
    if not {_id(row) for row in rows} <= set(ids):
        raise FilterIgnored
    return rows


class _LoopGuard:
    """Ends a walk whose pages repeat: a vendor's ``next`` may lead in a circle."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: set[Any] = set()
        self._stale = 0

    def look(self, rows: Page) -> None:
        ids = {_id(row) for row in rows}
        self._stale = 0 if not rows or ids - self._known else self._stale + 1
        self._known |= ids
        if self._stale >= _PATIENCE:
            raise DataError(
                "amoCRM отдаёт одни и те же страницы по кругу, чтение остановлено. Запустите снова позже.",
                detail=self._path,
            )


def _id(row: Any) -> Any:
    value = row.get("id") if isinstance(row, dict) else None
    return value if isinstance(value, int | str) else None


def _updated(row: Any) -> int | None:
    value = row.get("updated_at") if isinstance(row, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
