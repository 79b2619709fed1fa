"""What becomes of each dialog of a read: whole, unread or put off, however its reading fails; no vendor and no database."""

from __future__ import annotations

import queue
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ingestion.extract.rows import RowStats
from ingestion.radist import dialogs, paginator
from ingestion.radist.dialogs import DialogReader, Task
from ingestion.radist.mapping import Mapper
from synkro.core.errors import (
    AuthenticationError,
    Cancelled,
    ConfigurationError,
    DataError,
    LeaseLost,
    NotFoundError,
    PermanentError,
    TransientError,
)
from synkro.runs.watermarks import StreamLoad

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

#: it is this dialog's alone: the others are read
OWN = [
    TransientError("Сервис не отвечает."),
    DataError("Ответ непривычной формы."),
    NotFoundError("Диалога нет."),
    ConfigurationError("Не настроено."),
    ValueError("unexpected"),
    KeyError("message_id"),
]
#: the next dialog would hear the same
HOPELESS = [PermanentError("Отказано."), AuthenticationError("Ключ не подходит.")]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dialogs are read in the order they stand in."""
    monkeypatch.setattr(dialogs, "_THREADS", 1)
    monkeypatch.setattr(paginator, "PAGE", 2)


def row(chat_id: int, n: int) -> dict[str, Any]:
    at = NOW - timedelta(minutes=n)
    return {
        "message_id": f"{chat_id}-{n}", "chat_id": chat_id, "created_at": at.isoformat(), "direction": "inbound",
        "message_type": "text",
    }  # fmt: skip


class Vendor:
    """Three messages a dialog, two a page; ``errors``: {dialog: (request, what it ends with)}."""

    def __init__(self, errors: dict[int, tuple[int, BaseException]]) -> None:
        self.errors, self.asked = errors, dict.fromkeys(errors, 0)

    def get(self, path: str, params: Any, **_: Any) -> list[dict[str, Any]]:
        chat_id = params["chat_id"]
        if chat_id in self.errors:
            self.asked[chat_id] += 1
            request, error = self.errors[chat_id]
            if self.asked[chat_id] == request:
                raise error
        until = datetime.fromisoformat(params["until"]) if "until" in params else NOW
        return [row(chat_id, n) for n in range(3) if NOW - timedelta(minutes=n) <= until][:2]


def read(
    errors: dict[int, tuple[int, BaseException]], *, count: int = 5, extra: tuple[int, ...] = (), limit: int = 0
) -> tuple[DialogReader, list[int]]:
    """The reader after it is through, and the dialogs it gave out as whole."""
    tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
    for chat_id in range(1, count + 1):
        tasks.put(Task(chat_id, 7, NOW - timedelta(days=1), NOW, chat_id in extra))
    tasks.put(None)
    session: Any = SimpleNamespace(counting=lambda load: nullcontext())
    http: Any = SimpleNamespace(get=Vendor(errors).get)
    row_stats = RowStats(StreamLoad("radist", "messages"))
    reader = DialogReader(session, http, "/messages/", Mapper("t", NOW), row_stats, tasks)
    return reader, [page for page in reader.pages(limit) if isinstance(page, int)]


@pytest.mark.parametrize("error", OWN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("request_lost", [1, 2])
@pytest.mark.parametrize("chat_id", [1, 3, 5])
def test_a_dialog_that_fails_is_unread_and_stops_no_other(
    error: BaseException, request_lost: int, chat_id: int
) -> None:
    """On its first page or on a later one, whatever went wrong."""
    reader, whole = read({chat_id: (request_lost, error)})
    others = [n for n in range(1, 6) if n != chat_id]
    assert (reader.unread, whole, reader.done) == ({chat_id}, others, 4)
    assert reader.error is not None and reader.over_limit == set() and reader.skipped == 0


@pytest.mark.parametrize("error", HOPELESS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("chat_id", [1, 3])
def test_what_all_would_hear_leaves_the_rest_unread(error: BaseException, chat_id: int) -> None:
    reader, whole = read({chat_id: (1, error)})
    assert (reader.unread, whole) == (set(range(chat_id, 6)), list(range(1, chat_id)))
    assert reader.error is error


def test_a_vendor_that_is_down_leaves_the_rest_unread() -> None:
    """After three in a row; two failures and a success between them are no vendor that is down."""
    down = TransientError("Сервис не отвечает.")
    reader, whole = read({2: (1, down), 3: (1, down), 4: (1, down)}, count=7)
    assert (reader.unread, whole) == ({2, 3, 4, 5, 6, 7}, [1])
    reader, whole = read({1: (1, down), 2: (1, down), 4: (1, down), 5: (1, down)}, count=6)
    assert (reader.unread, whole) == ({1, 2, 4, 5}, [3, 6])


@pytest.mark.parametrize("error", [*OWN, *HOPELESS], ids=lambda error: type(error).__name__)
def test_a_second_look_that_fails_is_due_again_by_itself(error: BaseException) -> None:
    reader, whole = read({1: (1, error)}, count=1, extra=(1,))
    assert (reader.unread, whole) == (set(), []) and reader.error is not None


def test_over_the_limit_is_unread_and_a_second_look_is_skipped() -> None:
    reader, whole = read({1: (1, NotFoundError("Диалога нет."))}, extra=(4,), limit=2)
    assert (reader.unread, reader.over_limit, reader.skipped, whole) == ({1, 3, 5}, {3, 5}, 1, [2])


@pytest.mark.parametrize("error", [Cancelled("Остановлено."), LeaseLost("Другой.")], ids=lambda e: type(e).__name__)
def test_an_order_to_stop_is_no_failure_of_a_dialog(error: BaseException) -> None:
    with pytest.raises(type(error)):
        read({2: (1, error)})
