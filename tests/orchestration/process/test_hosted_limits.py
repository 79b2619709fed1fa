"""A report on a database that lends few connections and stops a login's statements early, as a hosted project does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from orchestration.dbt import project as dbt
from synkro.core.errors import TransientError
from synkro.core.settings import ROOT, settings
from synkro.database import connections, db
from synkro.reporting import reports
from tests.conftest import entry_points_to
from tests.support.e2e import Environment, open_environment
from tests.support.pooled import Pooled, pooled

#: what one run may take of a session pool that lends fifteen to everybody
MOST = 8
#: seconds; the login's own limit is shorter than the slow statements of a load and of a build
LIMIT, SLOW = 0.3, 0.6
LOGIN = "hosted_login"


@pytest.fixture(scope="module")
def project(make_database: Callable[[str | None], str], template: str) -> Iterator[tuple[str, Pooled]]:
    """The owner's address through the pooler, and the pooler."""
    direct = make_database(template)
    with psycopg.connect(direct, autocommit=True) as connection:
        connection.execute(f"create role {LOGIN} superuser login password '{LOGIN}'")
        connection.execute(f"alter role {LOGIN} set statement_timeout = '{int(LIMIT * 1000)}ms'")
        connection.execute(
            "create function public.dawdle() returns trigger language plpgsql as"
            f" $$ begin perform pg_sleep({SLOW}); return null; end $$"
        )
        for table in ("raw_radist.messages", "raw_amocrm.leads", "marts.period_summary"):
            connection.execute(
                f"create trigger dawdle after insert on {table} for each statement execute function public.dawdle()"
            )
    with pooled(direct) as made:
        yield made.url(db.with_login(direct, LOGIN, LOGIN)), made
    with psycopg.connect(direct, autocommit=True) as connection:
        connection.execute(f"drop owned by {LOGIN} cascade")
        connection.execute(f"drop role {LOGIN}")


@pytest.fixture(scope="module")
def e2e(project: tuple[str, Pooled]) -> Iterator[Environment]:
    url, _ = project
    with entry_points_to(url, SYNKRO_APP_DATABASE_URL=url, SYNKRO_DATABASE_POOL=""), open_environment("hosted") as made:
        yield made


def test_the_logins_limit_is_felt(project: tuple[str, Pooled]) -> None:
    """A positive control: without a limit of its own a connection's statement is stopped."""
    with psycopg.connect(project[0]) as connection, pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("select pg_sleep(%s)", (SLOW,))


def test_a_run_takes_few_connections_and_outlives_the_logins_limit(
    project: tuple[str, Pooled], e2e: Environment
) -> None:
    _, made = project
    db.close()
    count = made.pooler.clients["session"]
    count.peak = count.current
    before = made.pooler.refused
    environment = {name: value for name, value in os.environ.items() if name != "SYNKRO_APP_DATABASE_URL"}
    command = [sys.executable, "-m", "cli.main", "report", "run", e2e.slug, "--wait"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    assert is_complete(e2e), "every stream was loaded"
    assert 3 < count.peak <= MOST, f"{count.peak} connections at once"
    assert made.pooler.refused == before


def is_complete(e2e: Environment) -> bool:
    with db.as_service("test") as connection:
        found = reports.current(connection, e2e.tenant_id, e2e.window)
    return found is not None and found.is_complete


def taken(made: Pooled, url: str) -> ExitStack:
    """Every connection the pool has left."""
    stack = ExitStack()
    while True:
        try:
            stack.enter_context(psycopg.connect(url))
        except psycopg.OperationalError:
            return stack


def freed_once_refused(made: Pooled, held: ExitStack) -> threading.Thread:
    """Give the connections back once somebody has been refused one."""
    before = made.pooler.refused

    def free() -> None:
        deadline = time.monotonic() + 120
        while made.pooler.refused == before and time.monotonic() < deadline:
            time.sleep(0.01)
        held.close()

    thread = threading.Thread(target=free)
    thread.start()
    return thread


def test_dbt_waits_for_a_connection(project: tuple[str, Pooled], tmp_path: Path) -> None:
    url, made = project
    db.close()
    before = made.pooler.refused
    freeing = freed_once_refused(made, taken(made, url))
    results = dbt.run(
        url, settings().data_dir, ["run", "--select", "stg_amocrm__users"], {"no_tenants": True}, tmp_path
    )
    freeing.join()
    assert made.pooler.refused > before
    assert results and {result.status for result in results} == {"success"}


def test_dbt_names_a_pool_that_stays_lent(
    project: tuple[str, Pooled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, made = project
    monkeypatch.setattr(connections, "PATIENCE", 0.3)
    db.close()
    with taken(made, url), pytest.raises(TransientError, match="Пул соединений Supabase занят"):
        dbt.run(url, settings().data_dir, ["run", "--select", "stg_amocrm__users"], {"no_tenants": True}, tmp_path)


def test_a_load_waits_for_a_connection(
    project: tuple[str, Pooled], e2e: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every connection is lent to others in the moment dlt begins to load."""
    import dlt

    from orchestration.process.launch import execute

    url, made = project
    loading = dlt.Pipeline.load
    waited: list[threading.Thread] = []

    def load(pipeline: dlt.Pipeline, *arguments: object, **named: object) -> object:
        if not waited:
            waited.append(freed_once_refused(made, taken(made, url)))
        return loading(pipeline, *arguments, **named)

    monkeypatch.setattr(dlt.Pipeline, "load", load)
    ended = execute(e2e.request().run_id)
    for thread in waited:
        thread.join()
    assert waited and ended.status == "success", (ended.error, ended.error_detail)
    assert is_complete(e2e)
