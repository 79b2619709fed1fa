"""Ends the runs whose worker died or does not stop: a lease that ran out is a fact any process may act upon.

The maintenance sensor calls this every 10 s, the app every 15 s, the command line whenever it shows a run: whatever
part of the installation is alive, a dead run is told of.
"""

from __future__ import annotations

from dataclasses import replace

from synkro.database import db
from synkro.runs import queue

#: a run that was asked to stop this long ago is ended without its worker: it hangs where it cannot ask
STOP_SECONDS = 60


def reap(connection: db.Connection) -> list[queue.Run]:
    """End every run whose lease ran out or that was to stop and does not; returns them. Any process may call this at any time.

    A run that published its report before its process died is a success: the outbox delivers without it. What is left of
    a worker's process is ended by ``orchestration/run/cleanup.py``; its token is old, it commits nothing.
    """
    rows = connection.execute(
        "update synkro.job_runs set lease_token = lease_token + 1, lease_until = null, finished_at = now(),"
        " status = case when report_id is not null then 'success' when status = 'cancelling' then 'cancelled' else 'failed' end,"
        " error_detail = case when lease_until < now() then 'lease ran out at ' else 'did not stop, lease until ' end"
        "  || lease_until::text || ', last heartbeat ' || heartbeat_at::text"
        " where run_id in (select run_id from synkro.job_runs where status in ('running', 'cancelling')"
        "  and (lease_until < now() or (status = 'cancelling' and cancel_requested_at < now() - make_interval(secs => %s)))"
        # a worker that sleeps on its row holds up nobody else's end; its own comes with the next look
        "  for update skip locked)"
        f" returning {queue.COLUMNS}",
        (STOP_SECONDS,),
    ).fetchall()
    ended = []
    for run in (queue.Run(**row) for row in rows):
        if run.status == "failed":
            step_name = queue.STEP_NAMES.get(run.current_step, run.current_step)
            error = (
                f"Процесс, который вёл запуск, перестал отвечать на шаге «{step_name}». "
                "Запустите его ещё раз: прочитанное не пропало."
            )
            connection.execute("update synkro.job_runs set error = %s where run_id = %s", (error, run.run_id))
            queue.log(connection, run, run.current_step, error, level="error")
            run = replace(run, error=error)
        else:
            gone = (
                "Процесс запуска исчез."
                if "ran out" in (run.error_detail or "")
                else "Процесс не остановился сам, запуск снят."
            )
            queue.log(connection, run, run.current_step, gone, level="warning")
        ended.append(run)
    return ended
