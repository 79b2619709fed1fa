"""A process that runs the product and dies at a named moment; started by the tests, never imported by the product.

``python -m tests.ingestion.crash`` imports everything once and then reads orders, a line of JSON each:
``{"run_id", "whole", "point", "signal"}``. For each it forks a child that executes the run, the whole job through
Dagster or its first step alone, with the crash planted from outside: a public function is wrapped, or a table is
locked and the moment somebody waits for it is the moment. It answers ``{"signal": number or null, "code"}``.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

Kill = Callable[[], None]
Plant = Callable[[Kill, UUID], None]


def main() -> None:
    _import_all()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        assert threading.active_count() == 1, "a fork of many threads is a gamble"
        child = os.fork()
        if child == 0:
            _child(order)
        _, status = os.waitpid(child, 0)
        died = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        print(json.dumps({"signal": died, "code": None if died else os.WEXITSTATUS(status)}), flush=True)


def _import_all() -> None:
    import dbt.cli.main
    import dlt.destinations

    import analysis.report.builder
    import analysis.report.dialogs
    import delivery.sender
    import ingestion.pipelines
    import orchestration.definitions
    import orchestration.process.launch

    assert dbt and dlt and analysis and delivery and ingestion and orchestration
    # one graph of assets for all children: making it costs more than a run
    orchestration.definitions.build = functools.lru_cache(orchestration.definitions.build)
    orchestration.definitions.build()


def _child(order: dict[str, Any]) -> None:
    code = 1
    try:
        with Path(order["log"]).open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            run_id = UUID(order["run_id"])
            if order["point"]:
                POINTS[order["point"]](lambda: _die(order["signal"]), run_id)
            code = (_whole if order["whole"] else _first_step)(run_id)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _whole(run_id: UUID) -> int:
    from orchestration.process.launch import execute

    run = execute(run_id)
    print(run.status, run.error, run.error_detail)
    return 0 if run.status == "success" else 3


def _first_step(run_id: UUID) -> int:
    """Read both vendors under a lease, as the run's first step does."""
    from orchestration.defs.assets.sources import extract
    from orchestration.run.worker import Worker
    from synkro.database import db

    with Worker.claim(run_id, None) as worker:
        with worker.step("sources", "Читаем"):
            results = extract(worker)
        with db.as_service("test") as connection:
            worker.finish(connection)
    for result in results:
        print(result.source, result.status, result.error, result.error and result.error.detail)
    return 0 if all(result.status == "complete" for result in results) else 4


def _die(name: str) -> None:
    os.kill(os.getpid(), getattr(signal, name))
    # a signal that asks is obeyed by the main thread; this one does nothing more meanwhile
    time.sleep(2)


# --- where -----------------------------------------------------------------------------------------------------


def _wrapped(owner: Any, name: str, kill: Kill, *, before: Any = None, after: Any = None) -> None:
    """Die before a call that ``before`` says yes to, or after one that ``after`` does."""
    true = getattr(owner, name)

    @functools.wraps(true)
    def wrapper(*args: Any, **options: Any) -> Any:
        if before is not None and before(*args, **options):
            kill()
        answer = true(*args, **options)
        if after is not None and after(*args, **options):
            kill()
        return answer

    setattr(owner, name, wrapper)


def _request(method: str, piece: str, number: int = 1) -> Callable[..., bool]:
    """The n-th request whose path has ``piece``."""
    seen = 0

    def matches(client: Any, path: str, *_: Any, **__: Any) -> bool:
        nonlocal seen
        seen += piece in path
        return piece in path and seen == number

    return matches


def _http() -> Any:
    from synkro.http.factory import VendorClient

    return VendorClient


def _pipeline() -> Any:
    from dlt.pipeline.pipeline import Pipeline

    return Pipeline


def _always(*_: Any, **__: Any) -> bool:
    return True


def token_refreshed(kill: Kill, run_id: UUID) -> None:
    _wrapped(_http(), "post", kill, after=_request("post", "/oauth2/access_token"))


def before_page_one(kill: Kill, run_id: UUID) -> None:
    _wrapped(_http(), "get", kill, before=_request("get", "/api/v4/leads"))


def page_written(kill: Kill, run_id: UUID) -> None:
    _wrapped(_http(), "get", kill, before=_request("get", "/messaging/messages/", 12))


def after_extract(kill: Kill, run_id: UUID) -> None:
    _wrapped(_pipeline(), "extract", kill, after=_always)


def mid_normalize(kill: Kill, run_id: UUID) -> None:
    """The first file for the loader stands there, the others do not yet."""

    def watch(pipeline: Any, *_: Any, **__: Any) -> bool:
        def look() -> None:
            loads = Path(pipeline.working_dir) / "load"
            until = time.monotonic() + 60
            while time.monotonic() < until:
                if any(path.is_file() and "new_jobs" in path.parts for path in loads.rglob("*")):
                    break
                time.sleep(0.0005)
            kill()

        threading.Thread(target=look, daemon=True).start()
        return False

    _wrapped(_pipeline(), "normalize", kill, before=watch, after=_always)


def after_normalize(kill: Kill, run_id: UUID) -> None:
    _wrapped(_pipeline(), "normalize", kill, after=_always)


def _while_holding(table: str, kill: Kill, seen: Callable[[psycopg.Connection[Any]], bool]) -> None:
    """Hold ``table`` against writers; kill once ``seen``, asked on a connection of its own every millisecond, is true."""
    from synkro.database import db

    locked = threading.Event()

    def look() -> None:
        with psycopg.connect(db.owner_url()) as holder, psycopg.connect(db.owner_url(), autocommit=True) as eye:
            holder.execute(f"lock table {table} in share row exclusive mode")
            locked.set()
            for _ in range(60_000):
                if seen(eye):
                    break
                time.sleep(0.001)
            else:
                return
            kill()

    threading.Thread(target=look, daemon=True).start()
    assert locked.wait(60)


def _somebody_waits_for(table: str, eye: psycopg.Connection[Any]) -> bool:
    query = "select 1 from pg_locks where not granted and relation = %s::regclass"
    return eye.execute(query, (table,)).fetchone() is not None


def first_table_loaded(kill: Kill, run_id: UUID) -> None:
    """Rows of one table are there, another table waits for our lock."""
    table, waited = "raw_amocrm.events", count()

    def seen(eye: psycopg.Connection[Any]) -> bool:
        if not _somebody_waits_for(table, eye):
            return False
        stands = eye.execute(
            "select 1 from raw_amocrm.leads l join synkro.job_runs r using (tenant_id) where r.run_id = %s limit 1",
            (run_id,),
        ).fetchone()
        # the other table may come second: half a second of waiting is as good
        return stands is not None or next(waited) > 500

    _while_holding(table, kill, seen)


def _when_it_waits_for(table: str) -> Plant:
    """The moment our process is about to write into ``table``, which we hold."""

    def plant(kill: Kill, run_id: UUID) -> None:
        _while_holding(table, kill, lambda eye: _somebody_waits_for(table, eye))

    return plant


def before_dbt(kill: Kill, run_id: UUID) -> None:
    import orchestration.dbt.project

    _wrapped(orchestration.dbt.project, "build_tenant", kill, before=_always)


def mid_dbt(kill: Kill, run_id: UUID) -> None:
    """Two models are built."""
    import orchestration.dbt.project

    true, built = orchestration.dbt.project.build_tenant, 0

    def build(*args: Any, on_event: Any = None, **options: Any) -> Any:
        def hear(name: str) -> None:
            nonlocal built
            built += 1
            if built == 2:
                kill()
            on_event(name)

        return true(*args, on_event=hear, **options)

    orchestration.dbt.project.build_tenant = build


POINTS: dict[str, Plant] = {
    "token refreshed, not stored": token_refreshed,
    "before page 1": before_page_one,
    "page k written": page_written,
    "after extract": after_extract,
    "mid normalize": mid_normalize,
    "after normalize": after_normalize,
    "first table loaded": first_table_loaded,
    "all jobs done, _dlt_loads not written": _when_it_waits_for("raw_amocrm._dlt_loads"),
    "loaded, mark not moved": _when_it_waits_for("synkro.watermarks"),
    "before dbt": before_dbt,
    "mid dbt": mid_dbt,
    "report row written, outbox not": _when_it_waits_for("synkro.outbox"),
}

if __name__ == "__main__":
    main()
