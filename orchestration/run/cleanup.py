"""What a run leaves behind on this machine when it does not end by itself: its process, its folder, its hold on the tenant.

A worker notes its process in its folder. Once the run is over, or another worker leads it, whoever looks here (the queue's
sensor, the next worker) ends that process and deletes the folder: a process that is stopped or hangs outside of Python
cannot do it itself, and would go on where it stood if it ever woke. A process of another machine is not ours to end; it
ends itself when its heart notices (``Worker``).
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from synkro.core.settings import settings
from synkro.database import db
from synkro.runs import queue

logger = logging.getLogger(__name__)

_MARK = "process.json"
_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-\d+")
#: a worker that ended its run itself has this long to leave
ENDING_SECONDS = 30


def folder_of(run: queue.Run) -> Path:
    """Where a worker of the run keeps its files: one folder for each take-over."""
    return settings().data_dir / "work" / f"{run.run_id}-{run.lease_token}"


def mark(folder: Path) -> None:
    """Note in the folder which process works there."""
    me = {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}
    (folder / _MARK).write_text(json.dumps(me), encoding="utf-8")


def clear(keep: Path | None = None) -> int:
    """End the processes and delete the folders of runs that are over or led by another worker; ``keep`` is the caller's.

    Returns how many folders went.
    """
    home = settings().data_dir / "work"
    # listed before asked: whoever makes his folder meanwhile has claimed his run first
    folders = [folder for folder in home.iterdir() if folder != keep] if home.is_dir() else []
    named = [match[1] for folder in folders if (match := _NAME.fullmatch(folder.name))]
    if not folders:
        return 0
    with db.as_service("leftovers") as connection:
        rows = connection.execute(
            "select run_id || '-' || lease_token as name, (status in ('pending', 'running', 'cancelling')) as is_led,"
            " coalesce(finished_at > now() - make_interval(secs => %s), false) as is_ending"
            " from synkro.job_runs where run_id = any(%s::uuid[])",
            (ENDING_SECONDS, named),
        ).fetchall()
    leave = {row["name"] for row in rows if row["is_led"] or row["is_ending"]}
    known = {row["name"].rpartition("-")[0] for row in rows}
    over = [folder for folder in folders if folder.name not in leave]
    for folder in over:
        if folder.name.rpartition("-")[0] in known:
            _end_process(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return len(over)


def process_of(folder: Path) -> int | None:
    """The living process of this machine that works in the folder, ``None`` when there is none."""
    try:
        noted = json.loads((folder / _MARK).read_text(encoding="utf-8"))
        pid = int(noted["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # the same number may be another process by now, or a process of another container
    is_it = noted.get("host") == socket.gethostname() and noted.get("started") == _started(pid) != ""
    return pid if is_it else None


def _end_process(folder: Path) -> None:
    pid = process_of(folder)
    if pid is None or pid == os.getpid():
        return
    logger.warning("process %s outlived its run %s: it is killed", pid, folder.name)
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        logger.info("process %s could not be killed", pid, exc_info=True)


def _started(pid: int) -> str:
    """When the process started, in ticks since boot; empty where there is no such process, or no ``/proc``."""
    try:
        # the name, in brackets, may hold spaces
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    # 3rd field: the state (a zombie has ended); 22nd: the start
    return "" if fields[0] == "Z" else fields[19]


# --- the tenant's lock --------------------------------------------------------------------------------------


def lock_name(tenant_id: UUID) -> str:
    """What the advisory lock of a tenant is the hash of."""
    return f"synkro run {tenant_id}"


def session_name(run: queue.Run) -> str:
    """Application name of the session that holds the tenant's lock for this worker."""
    return f"synkro run {run.run_id}-{run.lease_token}"


def release(lock: psycopg.Connection[Any], tenant_id: UUID, active: Iterable[queue.Run]) -> int:
    """End the sessions that hold the tenant's lock for a run that is over; returns how many.

    A stopped process keeps its session for ever, and with it the company would wait for ever.
    """
    living = [session_name(run) for run in active]
    ended = lock.execute(
        "with wanted as (select hashtextextended(%(name)s, 0) as key)"
        " select pg_terminate_backend(l.pid) from pg_locks as l cross join wanted as w"
        " join pg_stat_activity as a on a.pid = l.pid"
        " where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and a.pid <> pg_backend_pid()"
        " and l.database = (select oid from pg_database where datname = current_database())"
        " and l.classid::bigint = (w.key >> 32) & 4294967295 and l.objid::bigint = w.key & 4294967295"
        " and a.application_name like 'synkro run %%' and a.application_name <> all (%(living)s)",
        {"name": lock_name(tenant_id), "living": living},
    ).fetchall()
    return len(ended)
