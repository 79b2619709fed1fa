"""The lease of a run: who leads it, and what only its worker may write (service entry point).

Liveness is ours: a lease of 60 s renewed every 15 s and a fencing token that grows with each take-over. Every write
names its token; a worker whose lease was taken over gets :class:`LeaseLost` and commits nothing.

Whoever writes here holds the run's row, and a person who stops the run waits for it: such a transaction may sleep for
``HEARTBEAT_SECONDS`` and no longer.
"""

from __future__ import annotations

from uuid import UUID

from psycopg.types.json import Jsonb

from synkro.core.errors import LeaseLost
from synkro.core.log import redact
from synkro.database import db
from synkro.runs import queue
from synkro.runs.queue import Run

LEASE_SECONDS = 60
HEARTBEAT_SECONDS = 15
_TAKEN = "Запуск перешёл к другому процессу: этот останавливается и ничего не записывает."


def claim(connection: db.Connection, run_id: UUID, dagster_run_id: str | None = None) -> Run:
    """Take the lease; raises :class:`LeaseLost` when the run is over or another worker holds a living lease."""
    row = connection.execute(
        "update synkro.job_runs set status = case when status = 'pending' then 'running' else status end,"
        " lease_token = lease_token + 1, lease_until = now() + make_interval(secs => %(lease)s), heartbeat_at = now(),"
        " started_at = coalesce(started_at, now()), dagster_run_id = coalesce(%(dagster)s, dagster_run_id)"
        " where run_id = %(run)s and status in ('pending', 'running', 'cancelling')"
        f" and (lease_until is null or lease_until < now()) returning {queue.COLUMNS}",
        {"lease": LEASE_SECONDS, "run": run_id, "dagster": dagster_run_id},
    ).fetchone()
    if row is None:
        found = queue.get(connection, run_id)
        raise LeaseLost(f"Запуск уже ведёт другой процесс или он завершён (состояние: {found.status}).")
    return Run(**row)


def heartbeat(connection: db.Connection, run: Run) -> None:
    """Renew the lease; raises :class:`LeaseLost` when it is no longer ours."""
    row = connection.execute(
        "update synkro.job_runs set lease_until = now() + make_interval(secs => %s), heartbeat_at = now()"
        " where tenant_id = %s and run_id = %s and lease_token = %s and lease_until > now() and status in ('running', 'cancelling')"
        " returning run_id",
        (LEASE_SECONDS, run.tenant_id, run.run_id, run.lease_token),
    ).fetchone()
    if row is None:
        raise LeaseLost(_TAKEN)


def is_stopping(connection: db.Connection, run: Run) -> bool:
    """Whether a person asked to stop the run; raises :class:`LeaseLost` when it is no longer ours.

    Asked far oftener than the lease is renewed: one that wakes from a sleep must not go on until the next heartbeat.
    """
    row = connection.execute(
        "select status from synkro.job_runs where tenant_id = %s and run_id = %s and lease_token = %s and lease_until > now()"
        " and status in ('running', 'cancelling')",
        (run.tenant_id, run.run_id, run.lease_token),
    ).fetchone()
    if row is None:
        raise LeaseLost(_TAKEN)
    return bool(row["status"] == "cancelling")


def hold(connection: db.Connection, run: Run) -> None:
    """Lock our row for the rest of the transaction: whoever commits a report does it under a living lease."""
    row = connection.execute(
        "select from synkro.job_runs where tenant_id = %s and run_id = %s and lease_token = %s and lease_until > now()"
        " and status in ('running', 'cancelling') for update",
        (run.tenant_id, run.run_id, run.lease_token),
    ).fetchone()
    if row is None:
        raise LeaseLost("Запуск перешёл к другому процессу: отчёт этого процесса не сохранён.")


def step(
    connection: db.Connection, run: Run, name: str, done: int = 0, total: int | None = None, message: str = ""
) -> None:
    """Show where the run is: counts are of real things (pages, dialogs). A word that comes after the end changes nothing."""
    connection.execute(
        "update synkro.job_runs set current_step = %s, progress = %s where tenant_id = %s and run_id = %s and lease_token = %s"
        " and status in ('running', 'cancelling')",
        (
            name,
            Jsonb({"step": name, "done": done, "total": total, "message": message}),
            run.tenant_id,
            run.run_id,
            run.lease_token,
        ),
    )


def attach_report(connection: db.Connection, run: Run, report_id: UUID) -> None:
    """Name the run's report, in the transaction that publishes it."""
    connection.execute(
        "update synkro.job_runs set report_id = %s where tenant_id = %s and run_id = %s and lease_token = %s"
        " and status in ('running', 'cancelling')",
        (report_id, run.tenant_id, run.run_id, run.lease_token),
    )


def finish(
    connection: db.Connection,
    run: Run,
    status: queue.Status,
    *,
    error: str | None = None,
    detail: str | None = None,
) -> None:
    """End the run; raises :class:`LeaseLost` when it is not ours to end."""
    row = connection.execute(
        "update synkro.job_runs set status = %(status)s, error = %(error)s, error_detail = %(detail)s,"
        " finished_at = now(), lease_until = null,"
        " current_step = case when %(status)s = 'success' then 'done' else current_step end"
        " where tenant_id = %(tenant)s and run_id = %(run)s and lease_token = %(token)s and status in ('running', 'cancelling') returning run_id",
        {
            "status": status,
            "error": redact(error) if error else None,
            "detail": redact(detail)[:8000] if detail else None,
            "tenant": run.tenant_id,
            "run": run.run_id,
            "token": run.lease_token,
        },
    ).fetchone()
    if row is None:
        raise LeaseLost("Запуск перешёл к другому процессу: его исход запишет тот процесс.")
