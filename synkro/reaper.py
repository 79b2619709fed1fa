"""Ends the runs whose worker died: a lease that ran out is a fact any process may act upon.

The queue's sensor calls this every 5 s, the app every 15 s, the command line whenever it shows a run: whatever
part of the installation is alive, a dead run is told of.
"""

from __future__ import annotations

from dataclasses import replace

from synkro import db, runs


def reap(connection: db.Connection) -> list[runs.Run]:
    """End every run whose lease ran out; returns them. Any process may call this at any time.

    A run that published its report before its process died is a success: the outbox delivers without it.
    """
    rows = connection.execute(
        "update synkro.job_runs set lease_token = lease_token + 1, lease_until = null, finished_at = now(),"
        " status = case when report_id is not null then 'success' when status = 'cancelling' then 'cancelled' else 'failed' end,"
        " error_detail = 'lease ran out at ' || lease_until::text || ', last heartbeat ' || heartbeat_at::text"
        " where status in ('running', 'cancelling') and lease_until < now()"
        f" returning {runs.COLUMNS}"
    ).fetchall()
    ended = []
    for run in (runs.Run(**row) for row in rows):
        if run.status == "failed":
            step_name = runs.STEP_NAMES.get(run.current_step, run.current_step)
            error = (
                f"Процесс, который вёл запуск, перестал отвечать на шаге «{step_name}». "
                "Запустите его ещё раз: прочитанное не пропало."
            )
            connection.execute("update synkro.job_runs set error = %s where run_id = %s", (error, run.run_id))
            runs.log(connection, run, run.current_step, error, level="error")
            run = replace(run, error=error)
        else:
            runs.log(connection, run, run.current_step, "Процесс запуска исчез.", level="warning")
        ended.append(run)
    return ended
