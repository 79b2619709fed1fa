"""What a worker's own threads promise: where the run is is seen at once, and a person who stops it is heard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from orchestration.run import worker as room
from orchestration.run.worker import Worker
from synkro.core.errors import Cancelled
from synkro.database import db
from synkro.runs import leases, queue

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """Of a run nobody queued: what it would write is not written."""

    @contextmanager
    def nowhere(purpose: str, *, idle_seconds: int = 0) -> Iterator[Any]:
        assert purpose == "run log" or idle_seconds == leases.HEARTBEAT_SECONDS, "it holds the run's row"
        yield None

    monkeypatch.setattr(db, "as_service", nowhere)
    monkeypatch.setattr(queue, "log", lambda *given, **more: None)
    run = queue.Run(
        tenant_id=uuid4(), run_id=uuid4(), mode="amocrm_radist", trigger_type="manual", report_type="daily",
        status="running", current_step="queued", window_start=NOON, window_end=NOON.replace(day=3), attempt=1,
        created_at=NOON,
    )  # fmt: skip
    made = Worker(run, SimpleNamespace(), SimpleNamespace())  # type: ignore[arg-type]
    yield made
    made._closing.set()


def test_a_step_is_shown_the_moment_it_begins(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(leases, "step", lambda connection, run, name, *rest: shown.append(name))
    with worker.step("marts", "Считаем витрины"):
        for count in range(3):
            worker.progress("marts", count, None, "fct_messages")
    assert shown == ["marts"], "the counts of a step are shown twice a second at most"
    with worker.step("readings", "Читаем диалоги"):
        assert shown == ["marts", "readings"]


def test_a_stop_is_heard_when_a_heartbeat_is_due(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "STOP_CHECK_SECONDS", 0.01)
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0)
    monkeypatch.setattr(leases, "heartbeat", lambda connection, run: None)
    monkeypatch.setattr(leases, "is_stopping", lambda connection, run: True)
    worker._heart.start()
    deadline = time.monotonic() + 60
    with pytest.raises(Cancelled):
        while time.monotonic() < deadline:
            worker.checkpoint()
            time.sleep(0.01)
