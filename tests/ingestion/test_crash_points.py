"""A run that dies at each named moment, and the run after it: nothing lost, nothing twice, nobody told twice.

The process dies by SIGKILL or SIGTERM, its directory is kept or lost. What it was doing is in
:mod:`tests.ingestion.crash`. Afterwards its run is told of as failed with a cause, and the next run makes raw
what the vendors had to tell, word for word, with one current report and one letter where the run goes so far.

Each of these was broken once on purpose, and the matrix went red:

- with marks that move before the load, a mark calls whole what is not there (``after normalize``);
- with the staging schema of the dead run kept, the next load fails on it (``first table loaded``);
- with the dead run's folder left, dialogs stay on the disk in clear text (``before page 1``, directory kept).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from sandbox import server
from sandbox.vendors.amocrm.oauth import credentials
from synkro.connectors import integrations
from synkro.connectors.amocrm_oauth import NEEDS_REAUTH
from synkro.core import clock, windows
from synkro.core.settings import settings
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.delivery import outbox
from synkro.runs import queue, reaper
from synkro.tenancy import runtime_config
from tests.ingestion import oracle
from tests.ingestion.crash import POINTS
from tests.support import e2e
from tests.support.representatives import representatives
from tests.support.sockets import NO_CERTIFICATES

pytestmark = pytest.mark.slow

#: these moments lie behind the sources: the whole job is run
LATE = ("before dbt", "mid dbt", "report row written, outbox not")
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Runner:
    """The process that runs and dies for us."""

    process: subprocess.Popen[str]
    log: Path

    def run(self, run: queue.Run, *, point: str = "", by: str = "", whole: bool = False) -> dict[str, Any]:
        order = {"run_id": str(run.run_id), "point": point, "signal": by, "whole": whole, "log": str(self.log)}
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outside(database: str) -> Iterator[server.Sandbox]:
    """A small company whose stories are all over."""
    today = clock.now().date()
    with server.start(
        "small", now=clock.now, first_day=today - timedelta(days=29), last_day=today - timedelta(days=25)
    ) as sandbox:
        for vendor in ("amocrm", "radist"):
            sandbox.faults[vendor].add({"kind": "rate", "per_second": None})
        # a pair whose answer was lost stays good until the new one is used
        sandbox.faults["amocrm"].add({"kind": "switch", "name": "refresh_reuse", "value": "grace"})
        yield sandbox


@pytest.fixture(scope="module")
def runner(database: str, outside: server.Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ingestion.crash"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout and process.stdout.readline().strip() == "ready"
    yield Runner(process, tmp_path_factory.mktemp("crash") / "child.log")
    assert process.stdin
    process.stdin.close()
    process.wait(timeout=120)


@dataclass
class Tenant:
    """A company of its own, connected to the one sandbox."""

    tenant_id: UUID
    slug: str
    url: str
    outside: server.Sandbox
    window: Window

    def ask(self) -> queue.Run:
        with db.as_service("test") as connection:
            return queue.request(
                connection,
                self.tenant_id,
                self.window,
                mode="amocrm_radist",
                trigger_type="manual",
                report_type="forced",
            )[0]

    def sql(self, query: str, more: str = "", *values: Any, value: Any = None) -> list[dict[str, Any]]:
        """``query`` takes the tenant's id first, or ``value`` in its place."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(query + more, (value or self.tenant_id, *values)).fetchall()

    def differences(self) -> list[str]:
        return [
            line
            for vendor in ("amocrm", "radist")
            for line in oracle.differences(oracle.told(self.outside.world, vendor), oracle.held(self, vendor))
        ]


@pytest.fixture
def make_tenant(database: str, outside: server.Sandbox) -> Callable[[], Tenant]:
    def make() -> Tenant:
        slug = f"t{os.urandom(5).hex()}"
        tenant_id = e2e.connect(slug, outside.addresses, with_ai=False)
        busiest = max(outside.world.company.chats, key=lambda chat: len(chat.messages))
        with db.as_service("test") as connection:
            config = runtime_config.current(connection, tenant_id)
            connection.execute("delete from private.vendor_limits")
        day = busiest.messages[0].at.date()
        window = windows.business_day_window(day, config.business_day_start, config.timezone)
        return Tenant(tenant_id, slug, database, outside, window)

    return make


# --- what is looked at ----------------------------------------------------------------------------------------


def bury(tenant: Tenant, run: queue.Run) -> queue.Run:
    """The dead run's minute is over, and somebody looks."""
    with db.as_service("test") as connection:
        connection.execute(
            "update synkro.job_runs set lease_until = now() - interval '1 s' where run_id = %s and status = 'running'",
            (run.run_id,),
        )
        reaper.reap(connection)
        return queue.get(connection, run.run_id)


def marked(tenant: Tenant) -> set[tuple[str, str]]:
    rows = tenant.sql("select source, stream from synkro.watermarks where tenant_id = %s")
    return {(row["source"], row["stream"]) for row in rows}


STREAMS = {("amocrm", name) for name in oracle.QUERIES["amocrm"]} | {
    ("radist", name) for name in oracle.QUERIES["radist"]
}


def check_marks_are_true(tenant: Tenant) -> None:
    """Whatever a mark says is whole, is."""
    for source, stream in marked(tenant) & STREAMS:
        told, found = oracle.told(tenant.outside.world, source), oracle.held(tenant, source)
        assert found[stream] == told[stream], (source, stream)


def check_loads(tenant: Tenant, run: queue.Run) -> None:
    rows = tenant.sql("select * from synkro.stream_loads where tenant_id = %s", " and run_id = %s", run.run_id)
    assert len(rows) == len(STREAMS) + 1
    assert all(row["status"] == "complete" and row["seen"] == row["loaded"] and row["rejected"] == 0 for row in rows)


def check_nothing_is_left(tenant: Tenant) -> None:
    """No dialogs on the disk, no tables of a load that never ended."""
    left = settings().data_dir / "work"
    assert [path for path in left.rglob("*") if path.is_file()] == []
    assert tenant.sql("select nspname from pg_namespace where nspname like %s", value=f"%_stg_{tenant.slug}") == []


def numbers(tenant: Tenant) -> dict[str, Any]:
    with db.as_service("test") as connection:
        found = reports.current(connection, tenant.tenant_id, tenant.window)
    assert found is not None
    return {key: value for key, value in found.numbers.items() if key not in ("as_of", "built_at")}


def check_told_once(tenant: Tenant) -> None:
    """One report, one letter, one message."""
    made = tenant.sql("select report_id, is_current from synkro.reports where tenant_id = %s")
    assert [row["is_current"] for row in made] == [True]
    with db.as_service("test") as connection:
        letters = outbox.of_report(connection, tenant.tenant_id, made[0]["report_id"])
    assert [letter.status for letter in letters] == ["sent"] and not letters[0].maybe_delivered
    assert len(tenant.sql("select outbox_id from synkro.outbox where tenant_id = %s")) == 1


@pytest.fixture(scope="module")
def calm_numbers() -> dict[str, Any]:
    return {}


@pytest.fixture
def undisturbed(
    runner: Runner, make_tenant: Callable[[], Tenant], calm_numbers: dict[str, Any]
) -> Callable[[], dict[str, Any]]:
    """The numbers of a company whose run nobody killed."""

    def build() -> dict[str, Any]:
        if not calm_numbers:
            tenant = make_tenant()
            assert runner.run(tenant.ask(), whole=True)["code"] == 0, runner.said
            check_told_once(tenant)
            calm_numbers.update(numbers(tenant))
            assert calm_numbers["messages"] > 0
        return calm_numbers

    return build


@pytest.fixture(scope="module")
def pair() -> dict[str, str]:
    """The account's latest OAuth pair: every exchange kills the one before."""
    return {}


# --- the matrix -----------------------------------------------------------------------------------------------


#: what a run is doing at a point; one point of each stays in ``make test``
PHASES = {
    "token refreshed, not stored": "token",
    "before page 1": "reading",
    "page k written": "reading",
    "after extract": "reading",
    "mid normalize": "loading",
    "after normalize": "loading",
    "first table loaded": "loading",
    "all jobs done, _dlt_loads not written": "loading",
    "loaded, mark not moved": "marking",
    "before dbt": "marts",
    "mid dbt": "marts",
    "report row written, outbox not": "publishing",
}


def deaths() -> list[Any]:
    """Every moment, signal and end of the directory; each phase and each pair of the last two stays in ``make test``."""
    cases = [
        pytest.param(point, by, directory, id=f"{point}-{by}-{directory}")
        for point in POINTS
        for by in ("SIGKILL", "SIGTERM")
        for directory in ("kept", "lost")
    ]
    return representatives(cases, lambda point, by, directory: [PHASES[point], (by, directory)])


@pytest.mark.parametrize(("point", "by", "directory"), deaths())
def test_killed_and_run_again(
    runner: Runner,
    make_tenant: Callable[[], Tenant],
    undisturbed: Callable[[], dict[str, Any]],
    pair: dict[str, str],
    point: str,
    by: str,
    directory: str,
) -> None:
    whole = point in LATE
    tenant = make_tenant()
    if point.startswith("token"):
        by_oauth(tenant, pair.get("refresh_token", tenant.outside.addresses["amocrm"]["refresh_token"]))
    first = tenant.ask()
    ended = runner.run(first, point=point, by=by, whole=whole)
    if by == "SIGKILL":
        assert ended["signal"] == signal.SIGKILL, runner.said
    else:
        # Dagster takes the signal as an order to stop; where nobody listens it is death
        assert ended["signal"] == signal.SIGTERM or ended["code"] not in (None, 0), runner.said
    check_marks_are_true(tenant)
    told = bury(tenant, first)
    assert told.status == "failed" and told.error and "Traceback" not in told.error
    if directory == "lost":
        shutil.rmtree(settings().data_dir / "work", ignore_errors=True)

    second = tenant.ask()
    assert (second.run_id == first.run_id, second.attempt) == (False, 2)
    assert runner.run(second, whole=whole)["code"] == 0, runner.said
    if point.startswith("token"):
        pair.update(integrations.secrets(tenant.tenant_id, "amocrm"))
    assert tenant.differences() == []
    assert marked(tenant) >= STREAMS
    check_marks_are_true(tenant)
    check_loads(tenant, second)
    check_nothing_is_left(tenant)
    statuses = tenant.sql("select status from synkro.job_runs where tenant_id = %s order by attempt")
    assert [row["status"] for row in statuses] == ["failed", "success"]
    if whole:
        check_told_once(tenant)
        assert numbers(tenant) == undisturbed()


def by_oauth(tenant: Tenant, refresh_token: str) -> None:
    """No access token is stored: the first request has to get one."""
    at = tenant.outside.addresses["amocrm"]
    public = {"base_url": at["base_url"], "client_id": at["client_id"], "redirect_uri": "https://example.test"}
    stored = {"access_token": "", "client_secret": at["client_secret"], "refresh_token": refresh_token}
    with db.as_service("test") as connection:
        integrations.save_public(connection, tenant.tenant_id, "amocrm", {**public, "requests_per_second": 500})
        integrations.save_secrets(connection, tenant.tenant_id, "amocrm", stored)


def test_a_pair_that_was_lost_for_good_is_asked_of_a_person(
    runner: Runner, make_tenant: Callable[[], Tenant], pair: dict[str, str]
) -> None:
    """The vendor keeps no grace: the killed process took the only good pair with it."""
    tenant = make_tenant()
    at, faults = tenant.outside.addresses["amocrm"], tenant.outside.faults["amocrm"]
    by_oauth(tenant, pair.get("refresh_token", at["refresh_token"]))
    faults.add({"kind": "switch", "name": "refresh_reuse", "value": "strict"})
    try:
        first = tenant.ask()
        assert runner.run(first, point="token refreshed, not stored", by="SIGKILL")["signal"] == signal.SIGKILL
        bury(tenant, first)
        runner.run(tenant.ask())
        with db.as_service("test") as connection:
            integration = integrations.load(connection, tenant.tenant_id, "amocrm")
        assert (integration.status, integration.last_error) == ("error", NEEDS_REAUTH)
        assert {source for source, _ in marked(tenant)} == {"radist"}
        asked = {name: at[name] for name in ("client_id", "client_secret")}
        code = credentials(tenant.outside.world.company.seed).code
        asked |= {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://example.test"}
        answer = (
            httpx.post(f"{at['base_url']}/oauth2/access_token", json=asked, verify=NO_CERTIFICATES)
            .raise_for_status()
            .json()
        )
        by_oauth(tenant, answer["refresh_token"])
        assert runner.run(tenant.ask())["code"] == 0, runner.said
        assert tenant.differences() == []
        pair.update(integrations.secrets(tenant.tenant_id, "amocrm"))
    finally:
        faults.add({"kind": "switch", "name": "refresh_reuse", "value": "grace"})
