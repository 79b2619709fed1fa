"""Radist's two ways of paging: a cursor over contacts, and ``until`` backwards through a dialog.

No parameter selects what changed, and the order of contacts is not promised, so a run walks the listing
whole; a look before a delivery stops at contacts too old for it, as long as it sees the newest come first. A page of messages is the newest ``limit`` at or before ``until``, in an order nobody promises. Whether
``until`` is included is unknown, so the next one is the oldest moment plus a millisecond: under either
reading nothing is lost, and what comes twice is dropped by id. When a full page brings nothing new, more
messages share one millisecond than a page holds: the walk steps below it and counts a possible gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.radist.mapping import moment_of, updated_of
from synkro.core.errors import DataError, TransientError

Get = Callable[..., Any]

#: only up to 100 was ever seen; a server that clamps a larger limit in silence would look like the end
PAGE = 100
_MILLISECOND = timedelta(milliseconds=1)
#: a vendor may round ``until``; further beyond it, the parameter was ignored
_SLACK = timedelta(seconds=1)
#: pages in a row that may bring nothing new before the walk is called a loop
_PATIENCE = 3


def contacts(get: Get, path: str, since: datetime | None = None) -> Iterator[list[Any]]:
    """Every listed contact, or those changed ``since`` and some more. A live listing moves: the same contact may come twice.

    Whoever writes during the walk jumps from a page it has not reached to the first one, which it has left. So the
    top of the list is looked at again until it shows nobody new; who jumps after that is the next run's.
    """
    known: set[Any] = set()
    for turn in range(_PATIENCE):
        pages = 0
        for rows in _walk(get, path) if since is None else _until(_walk(get, path), since):
            pages += 1
            ids = {row.get("contact_id") if isinstance(row, dict) else None for row in rows}
            if turn and ids <= known:
                return
            known |= ids
            yield rows
        if pages == 1:
            return


def _until(pages: Iterator[list[Any]], since: datetime) -> Iterator[list[Any]]:
    """Pages up to the first that is older than ``since`` as a whole. As long as the newest come first, which nobody promises:
    once one does not, all of the listing."""
    lowest: datetime | None = None
    is_in_order = True
    for rows in pages:
        yield rows
        moments = [updated_of(row) if isinstance(row, dict) else None for row in rows]
        for moment in moments:
            is_in_order = is_in_order and moment is not None and (lowest is None or moment <= lowest + _SLACK)
            lowest = moment if lowest is None or (moment is not None and moment < lowest) else lowest
        if is_in_order and rows and all(moment is not None and moment < since for moment in moments):
            return


def _walk(get: Get, path: str) -> Iterator[list[Any]]:
    """The listing from its top to its end."""
    params: dict[str, Any] = {"limit": PAGE}
    used: set[str] = set()
    while True:
        answer = _ask(get, path, params, dict)
        yield _listed(answer)
        metadata = answer.get("response_metadata")
        cursor = metadata.get("next_cursor") if isinstance(metadata, dict) else None
        if not cursor:
            return
        if cursor in used:
            raise DataError("Radist отдаёт список диалогов по кругу, чтение остановлено. Запустите снова позже.")
        used.add(cursor)
        params = {"limit": PAGE, "cursor": cursor}


def messages(get: Get, path: str, chat_id: int, since: datetime, on_gap: Callable[[], None]) -> Iterator[list[Any]]:
    """Pages of one dialog, newest first, back to ``since`` at least."""
    known: set[str] = set()
    until: datetime | None = None
    stale = 0
    # asked for together with the oldest message of the page before: such a page cannot be empty
    promised = False
    while True:
        extra = {"until": stamp(until)} if until else {}
        rows = _ask(get, path, {"chat_id": chat_id, "limit": PAGE, **extra}, list)
        if not rows and promised:
            raise TransientError("Radist прислал пустую страницу посреди диалога. Запустите снова позже.")
        ids = {str(row.get("message_id")) for row in rows if isinstance(row, dict)}
        stale = 0 if ids - known else stale + 1
        known |= ids
        yield rows
        # a stray row of another dialog must not decide how far back to step
        own = [row for row in rows if isinstance(row, dict) and str(row.get("chat_id") or chat_id) == str(chat_id)]
        moments = [moment for row in own if (moment := moment_of(row)) is not None]
        if len(rows) < PAGE or (moments and min(moments) < since):
            return
        if not moments:
            raise DataError("Radist: у целой страницы сообщений не читается время, диалог прочитан не до конца.")
        oldest = min(moments)
        if stale >= _PATIENCE or (until and oldest > until + _SLACK):
            raise DataError("Radist отдаёт одни и те же сообщения по кругу, диалог прочитан не до конца.")
        if stale or oldest + _MILLISECOND == until:
            on_gap()
            until, promised = oldest - _MILLISECOND, False
        else:
            until, promised = oldest + _MILLISECOND, True


def _ask(get: Get, path: str, params: Mapping[str, Any], kind: type) -> Any:
    """One page. "Nothing" is asked for twice: a page lost on the way looks like the end of the list."""
    for _ in range(2):
        answer = get(path, params, expect=kind)
        if answer and (kind is list or _listed(answer)):
            return answer
    if answer is None:
        raise DataError("Radist прислал пустой ответ вместо списка. Запустите снова позже.")
    return answer


def _listed(answer: dict[str, Any]) -> list[Any]:
    rows = answer.get("data")
    if not isinstance(rows, list):
        raise DataError("Radist: список диалогов пришёл в непривычном виде.", detail=type(rows).__name__)
    return rows


def stamp(moment: datetime) -> str:
    """``until`` as the vendor takes it: UTC with ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
