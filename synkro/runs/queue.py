"""Job runs: the queue, and the truth about what a run is doing.

``(tenant, window)`` is unique while pending, running or cancelling: asking again joins the running one;
after failure or success it makes the next attempt. What the worker of a run may write is in ``leases.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro.core.errors import DataError, NotFoundError
from synkro.core.log import redact
from synkro.core.windows import Window
from synkro.database import db

Status = Literal["pending", "running", "cancelling", "success", "failed", "cancelled"]
ACTIVE: tuple[Status, ...] = ("pending", "running", "cancelling")
JobType = Literal["report", "followup", "rebuild", "delivery"]
#: runs people of one company may have waiting at once
MOST_WAITING = 20
#: notified by the transaction that queues a row: the engine need not wait for its next look
CHANNEL = "synkro_runs"
#: steps of the main job as people read them
STEP_NAMES = {
    "queued": "очередь",
    "sources": "чтение источников",
    "intents": "кому нужен ответ",
    "marts": "расчёт показателей",
    "readings": "чтение диалогов",
    "report": "составление отчёта",
    "delivery": "отправка",
}


@dataclass(frozen=True)
class Run:
    tenant_id: UUID
    run_id: UUID
    mode: str
    trigger_type: str
    report_type: str
    status: Status
    current_step: str
    window_start: datetime
    window_end: datetime
    attempt: int
    created_at: datetime
    progress: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    error_detail: str | None = None
    lease_token: int = 0
    lease_until: datetime | None = None
    heartbeat_at: datetime | None = None
    dagster_run_id: str | None = None
    report_id: UUID | None = None
    requested_by: UUID | None = None
    cancel_requested_at: datetime | None = None
    picked_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    #: the history this run reads first, aware UTC; None = the usual increment
    history_from: datetime | None = None
    #: report: asked for or due; followup: completes a report; rebuild: by a backfill, nobody is written to; delivery: the chats
    #: are read once more and the reports that await it are sent
    job_type: JobType = "report"

    @property
    def window(self) -> Window:
        return Window(self.window_start, self.window_end)

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE


@dataclass(frozen=True)
class Event:
    event_id: int
    level: str
    step: str
    message: str
    metadata: dict[str, Any]
    created_at: datetime


COLUMNS = (
    "tenant_id, run_id, mode, trigger_type, report_type, status, current_step, window_start, window_end, attempt,"
    " created_at, progress, error, error_detail, lease_token, lease_until, heartbeat_at, dagster_run_id, report_id,"
    " requested_by, cancel_requested_at, picked_at, started_at, finished_at, history_from,"
    " job_type"
)


def _select(where: str) -> str:
    return f"select {COLUMNS} from synkro.job_runs where {where}"


# --- asking -----------------------------------------------------------------------------------------------


def request(
    connection: db.Connection,
    tenant_id: UUID,
    window: Window,
    *,
    mode: str,
    trigger_type: str,
    report_type: str,
    requested_by: UUID | None = None,
    idempotency_key: str | None = None,
    history_from: datetime | None = None,
    job_type: JobType = "report",
) -> tuple[Run, bool]:
    """Queue a run of the window, or join the one that is under way. Returns ``(run, was_made)``.

    The same ``idempotency_key`` (a missed schedule tick, a repeated API call) returns its run whatever its state.
    With ``history_from`` only a run that reads at least as far back is joined; another one raises :class:`DataError`.
    """
    for _ in range(20):
        if idempotency_key is not None:
            row = connection.execute(_select("tenant_id = %s and idempotency_key = %s"), (tenant_id, idempotency_key))
            if (kept := row.fetchone()) is not None:
                return Run(**kept), False
        joined = connection.execute(
            _select(
                "tenant_id = %s and window_start = %s and window_end = %s and status in ('pending','running','cancelling')"
            ),
            (tenant_id, window.start, window.end),
        ).fetchone()
        if joined is not None:
            return _joined(Run(**joined), history_from), False
        if trigger_type == "manual":
            _refuse_beyond(connection, tenant_id)
        made = connection.execute(
            "insert into synkro.job_runs (tenant_id, mode, trigger_type, report_type, window_start, window_end,"
            " idempotency_key, attempt, requested_by, history_from, job_type)"
            " select %(tenant)s, %(mode)s, %(trigger)s, %(type)s, %(start)s, %(end)s, %(key)s,"
            " coalesce(max(attempt), 0) + 1, %(by)s, %(history)s, %(job)s from synkro.job_runs"
            " where tenant_id = %(tenant)s and window_start = %(start)s and window_end = %(end)s"
            f" on conflict do nothing returning {COLUMNS}",
            {
                "tenant": tenant_id,
                "mode": mode,
                "trigger": trigger_type,
                "type": report_type,
                "start": window.start,
                "end": window.end,
                "key": idempotency_key,
                "by": requested_by,
                "history": history_from,
                "job": job_type,
            },
        ).fetchone()
        if made is not None:
            connection.execute("select pg_notify(%s, '')", (CHANNEL,))
            return Run(**made), True
    raise DataError("Не удалось поставить отчёт в очередь: окно одновременно запрашивают несколько раз. Повторите.")


def _refuse_beyond(connection: db.Connection, tenant_id: UUID) -> None:
    """People of one company may not fill everybody's queue; what the schedule asks for is not counted."""
    row = connection.execute(
        "select count(*) as n from synkro.job_runs where tenant_id = %s and status = 'pending' and trigger_type = 'manual'",
        (tenant_id,),
    ).fetchone()
    if row is not None and row["n"] >= MOST_WAITING:
        raise DataError(
            f"В очереди компании уже ждут отчёты: {row['n']}. Больше {MOST_WAITING} сразу не принимаем: дождитесь их или "
            "остановите лишние и повторите."
        )


def _joined(run: Run, history_from: datetime | None) -> Run:
    """The run under way, if it reads the history that is asked for."""
    if history_from is None or (run.history_from is not None and run.history_from <= history_from):
        return run
    raise DataError(
        f"За последний закрытый день уже идёт запуск {run.run_id}, но так глубоко историю он не читает. "
        "Дождитесь его конца или остановите его («Остановить» на странице отчётов, synkro run stop) и повторите."
    )


def request_stop(connection: db.Connection, tenant_id: UUID, run_id: UUID) -> Run:
    """Ask to stop: a waiting run ends at once, a running one at its next checkpoint."""
    # its time to stop by itself begins now, not before a worker that slept on the row was made to let it go
    connection.execute(
        "select from synkro.job_runs where tenant_id = %s and run_id = %s for update", (tenant_id, run_id)
    )
    connection.execute(
        "update synkro.job_runs set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),"
        " status = case when status = 'pending' then 'cancelled' else 'cancelling' end,"
        " finished_at = case when status = 'pending' then now() end"
        " where tenant_id = %s and run_id = %s and status in ('pending', 'running', 'cancelling')",
        (tenant_id, run_id),
    )
    row = connection.execute(_select("tenant_id = %s and run_id = %s"), (tenant_id, run_id)).fetchone()
    if row is None:
        raise _unknown(run_id)
    return Run(**row)


# --- looking ----------------------------------------------------------------------------------------------


def get(connection: db.Connection, run_id: UUID | str) -> Run:
    """Raises :class:`NotFoundError`, the same for a run that is not there and one the asker may not see."""
    try:
        row = connection.execute(_select("run_id = %s"), (UUID(str(run_id)),)).fetchone()
    except ValueError:
        row = None
    if row is None:
        raise _unknown(run_id)
    return Run(**row)


def _unknown(run_id: UUID | str) -> NotFoundError:
    return NotFoundError(f"Запуск {run_id} не найден.")


def recent(connection: db.Connection, tenant_id: UUID | None = None, limit: int = 50) -> list[Run]:
    rows = connection.execute(
        _select("(%(tenant)s::uuid is null or tenant_id = %(tenant)s)") + " order by created_at desc limit %(limit)s",
        {"tenant": tenant_id, "limit": limit},
    )
    return [Run(**row) for row in rows]


def of_window(connection: db.Connection, tenant_id: UUID, window: Window) -> list[Run]:
    """Every attempt at the window, the last one first."""
    rows = connection.execute(
        _select("tenant_id = %s and window_start = %s and window_end = %s") + " order by attempt desc",
        (tenant_id, window.start, window.end),
    )
    return [Run(**row) for row in rows]


def active(connection: db.Connection, tenant_id: UUID | None = None) -> list[Run]:
    """What waits and what runs, oldest first; people's requests before the nightly batch."""
    rows = connection.execute(
        _select("status in ('pending','running','cancelling') and (%(tenant)s::uuid is null or tenant_id = %(tenant)s)")
        + " order by (trigger_type <> 'manual'), created_at",
        {"tenant": tenant_id},
    )
    return [Run(**row) for row in rows]


def events(connection: db.Connection, tenant_id: UUID, run_id: UUID, after: int = 0, limit: int = 500) -> list[Event]:
    rows = connection.execute(
        "select event_id, level, step, message, metadata, created_at from synkro.job_run_events"
        " where tenant_id = %s and run_id = %s and event_id > %s order by event_id limit %s",
        (tenant_id, run_id, after, limit),
    )
    return [Event(**row) for row in rows]


# --- handing over (service entry point) --------------------------------------------------------------------------


def offer(connection: db.Connection, run_id: UUID) -> None:
    """Remember that the run was handed to an engine."""
    connection.execute(
        "update synkro.job_runs set picked_at = now() where run_id = %s and status = 'pending'", (run_id,)
    )


def log(
    connection: db.Connection,
    run: Run,
    name: str,
    message: str,
    *,
    level: str = "info",
    metadata: Mapping[str, Any] | None = None,
) -> None:
    connection.execute(
        "insert into synkro.job_run_events (tenant_id, run_id, level, step, message, metadata)"
        " values (%s, %s, %s, %s, %s, %s)",
        (run.tenant_id, run.run_id, level, name, redact(message), Jsonb(dict(metadata or {}))),
    )
