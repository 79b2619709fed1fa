"""One day's increment on a long history against the same day on a short one, and against plain SQL.

    python -m bench.marts                                    # 20 k and 100 k messages: minutes
    python -m bench.marts --sizes 100000 5000000 --full 1000000 --tenants 50 --folder /big/disk

Every tenant has the same traffic (``--per-day`` messages a day, 8 to a visit, 40 to a client): a larger one has a longer
history, not busier days. Printed in seconds, and in processor seconds of this process and the server (what can be compared on
a busy machine): the first build, a day's increment (median of five), one in which nothing happened (what dbt costs with that
many models), ``bench/sql/plain.sql`` for the same day (its rows must be the marts'), the pages' queries under row level security.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from statistics import median
from typing import Any, TypeVar
from unittest import mock
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from bench.support.environment import installation
from synkro.core import baselines
from synkro.core import calendar as working
from synkro.core.baselines import Days
from synkro.core.settings import settings
from synkro.core.windows import Window
from synkro.database import db
from synkro.database.embedded import postgres
from synkro.tenancy import runtime_config, tenants
from synkro.tenancy.users import User

HERE = Path(__file__).parent / "sql"
#: days of windows in the first build: the weekdays of the four weeks before are compared with
HISTORY = 36
LAST_DAY = datetime(2026, 11, 1, tzinfo=UTC)
VISIT = 8
WEEK = {day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat")}
#: of a server that holds millions of rows; the embedded one is set for a small company
LARGE = {"shared_buffers": "4GB", "max_wal_size": "16GB", "checkpoint_timeout": "30min", "maintenance_work_mem": "1GB"}
Connection = psycopg.Connection[dict[str, Any]]
T = TypeVar("T")


@dataclass
class Company:
    """One tenant of the bench: visits 0..n in order of time, a client's dialogs, contact and perhaps deal from ``found``."""

    tenant_id: UUID
    per_day: int
    clients: int
    first: datetime
    visits: int = 0

    @property
    def now(self) -> datetime:
        return self.first + timedelta(days=self.visits * VISIT / self.per_day)


def found(connection: Connection, slug: str, messages: int, per_day: int) -> Company:
    tenant = tenants.add(connection, slug, slug, "Asia/Almaty")
    if not connection.execute(
        "select from synkro.tenant_runtime_configs where tenant_id = %s", (tenant.tenant_id,)
    ).fetchone():
        runtime_config.start(connection, tenant.tenant_id, "Asia/Almaty")
    runtime_config.change(connection, tenant.tenant_id, {"calendar": {"weekly": WEEK}, "business_day_start": "00:00"})
    company = Company(tenant.tenant_id, per_day, messages // 40, LAST_DAY - timedelta(days=messages // per_day))
    _script(connection, "company.sql", tenant=tenant.tenant_id, clients=company.clients, first=company.first)
    step = 1_000_000 // VISIT
    while company.visits < messages // VISIT:
        visit(connection, company, min(step, messages // VISIT - company.visits))
    return company


def visit(connection: Connection, company: Company, visits: int) -> None:
    """The next visits: their messages, the events that name authors, calls and moves of deals."""
    _script(
        connection, "visits.sql", tenant=company.tenant_id, clients=company.clients, first=company.first,
        gap=timedelta(days=VISIT / company.per_day), start=company.visits, end=company.visits + visits,
    )  # fmt: skip
    company.visits += visits
    last = company.now + timedelta(days=60)
    config = runtime_config.current(connection, company.tenant_id)
    runtime_config.fill_working_intervals(
        connection, company.tenant_id, config, (company.first - timedelta(days=8)).date(), last.date()
    )


def windows(connection: Connection, company: Company, days: int = 4) -> list[Window]:
    """The day that just ended and the late ones before it, as rows."""
    end = company.now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=5)
    spans = [Window(end - timedelta(days=back + 1), end - timedelta(days=back)) for back in range(days)]
    calendar = Days(working.parse({"weekly": WEEK}), time_of_day(0), "Asia/Almaty")
    for span in spans:
        compared = [one.stored for one in baselines.of(span, calendar)]
        connection.execute(
            "insert into synkro.report_windows (tenant_id, window_start, window_end, label_date, as_of, is_complete, baselines)"
            " values (%s, %s, %s, %s, %s, true, %s) on conflict (tenant_id, window_start, window_end)"
            " do update set as_of = excluded.as_of",
            (company.tenant_id, span.start, span.end, span.start.date(), company.now, Jsonb(compared)),
        )
    return spans


def build(url: str, company: Company, spans: list[Window], *, everything: bool = False) -> list[Any]:
    from orchestration.dbt import project

    with tempfile.TemporaryDirectory() as work:
        return project.build_tenant(
            url, settings().data_dir, tenant_id=company.tenant_id, window_start=spans[0].start, window_end=spans[0].end,
            windows=spans, work_dir=Path(work), everything=everything,
        )  # fmt: skip


def check(url: str, company: Company, spans: list[Window]) -> list[Any]:
    from orchestration.dbt import project as dbt

    with tempfile.TemporaryDirectory() as work:
        return dbt.test_tenant(
            url, settings().data_dir, tenant_id=company.tenant_id, window_start=spans[0].start, window_end=spans[0].end,
            windows=spans, work_dir=Path(work),
        )  # fmt: skip


@dataclass
class Spent:
    wall: float
    #: of this process and of the server's
    processor: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s ({self.processor:.2f} s of processor)"


@dataclass
class Day:
    build: Spent
    tests: Spent
    plain: Spent
    slowest: str


class Clock:
    """Times a piece of work; knows the server's process."""

    def __init__(self, connection: Connection) -> None:
        row = connection.execute("show data_directory").fetchone()
        assert row is not None
        self._postmaster = (Path(row["data_directory"]) / "postmaster.pid").read_text().split("\n", 1)[0]

    def time(self, work: Callable[[], T]) -> tuple[Spent, T]:
        wall, processor = time.perf_counter(), self._processor()
        result = work()
        return Spent(time.perf_counter() - wall, self._processor() - processor), result

    def _processor(self) -> float:
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):  # nothing to read outside Linux: this process alone
            with suppress(OSError):
                fields = path.read_text().rpartition(")")[2].split()
                if path.parent.name == self._postmaster:
                    ticks += sum(map(int, fields[11:15]))  # its own and those of its children that ended
                elif fields[1] == self._postmaster:
                    ticks += sum(map(int, fields[11:13]))
        return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def increment(clock: Clock, connection: Connection, url: str, company: Company) -> Day:
    since = company.now
    visit(connection, company, company.per_day // VISIT)
    spans = windows(connection, company)
    values = {"tenant": company.tenant_id, "starts": [s.start for s in spans], "ends": [s.end for s in spans]}
    # plain SQL first: it warms the cache for the build, and writes into tables of its own
    plain, _ = clock.time(
        lambda: _script(connection, "plain.sql", "plain_windows.sql", "plain_changes.sql", since=since, **values)
    )
    spent, results = clock.time(lambda: build(url, company, spans))
    tests, outcomes = clock.time(lambda: check(url, company, spans))
    failed = [outcome.name for outcome in outcomes if outcome.status != "pass"]
    if failed:
        raise SystemExit(f"data tests failed: {failed}")
    # between two days there is a night: without it a small company's days get slower by the rows of the days before, and only its
    settle(connection, "raw_amocrm", "raw_radist", "intermediate", "marts", "plain")
    return Day(spent, tests, plain, _slowest(results, 4))


def measure(
    clock: Clock, connection: Connection, url: str, size: int, per_day: int
) -> tuple[Company, list[Day], Spent]:
    spent, company = clock.time(lambda: found(connection, f"bench{size}", size, per_day))
    settle(connection, "raw_amocrm", "raw_radist")
    print(f"{size:,} messages: written in {spent}", flush=True)
    spent, results = clock.time(lambda: build(url, company, windows(connection, company, HISTORY), everything=True))
    print(f"{size:,} messages: built whole in {spent}: {_slowest(results, 6)}", flush=True)
    _script(connection, "plain_tables.sql", tenant=company.tenant_id)
    settle(connection, "intermediate", "marts", "plain")
    days = [increment(clock, connection, url, company) for _ in range(6)][1:]
    compare(connection, company)
    for day in days:
        print(f"{size:,} messages: a day in {day.build}: {day.slowest}", flush=True)
        print(f"{size:,} messages: its data tests {day.tests}, plain SQL {day.plain}", flush=True)
    idle = [clock.time(lambda: build(url, company, windows(connection, company)))[0] for _ in range(3)]
    floor = Spent(median(one.wall for one in idle), median(one.processor for one in idle))
    print(f"{size:,} messages: {len(results)} models, of which nothing is to be done, in {floor}", flush=True)
    return company, days, floor


def settle(connection: Connection, *schemas: str) -> None:
    """What autovacuum does in the minutes after so many rows: until then the planner believes the tables empty, and whoever
    reads a row first pays for its hint bits."""
    tables = connection.execute(
        "select format('%%I.%%I', schemaname, tablename) as name from pg_tables where schemaname = any (%s)",
        (list(schemas),),
    )
    for row in tables.fetchall():
        connection.execute(f"vacuum analyze {row['name']}".encode())


def compare(connection: Connection, company: Company) -> None:
    """Stop, naming tables and counts, unless ``plain.sql`` made the tenant's rows of every mart, column by column."""
    counts: dict[str, int] = {}
    for row in connection.execute("select tablename as name from pg_tables where schemaname = 'marts'").fetchall():
        mart, own = (f"select * from {s}.{row['name']} where tenant_id = %(tenant)s" for s in ("marts", "plain"))
        query = f"select count(*) as n from (({mart} except {own}) union all ({own} except {mart})) as d".encode()
        counts[row["name"]] = connection.execute(query, {"tenant": company.tenant_id}).fetchall()[0]["n"]
    if wrong := [f"{name} by {count} rows" for name, count in sorted(counts.items()) if count]:
        raise SystemExit(f"plain.sql and the models differ: {', '.join(wrong)}")
    print(f"plain.sql made the same rows as the models in {len(counts)} marts", flush=True)


def net(spent: Spent, floor: Spent) -> Spent:
    return Spent(spent.wall - floor.wall, spent.processor - floor.processor)


def neighbours(connection: Connection, url: str, count: int, per_day: int) -> None:
    """Small companies in the same tables: one is built, the others are copies of its rows."""
    company = found(connection, "neighbour", 2_000, per_day)
    build(url, company, windows(connection, company))
    names = connection.execute(
        "select oid::regclass::text as name from pg_class"
        " where relnamespace in ('marts'::regnamespace, 'intermediate'::regnamespace) and relkind = 'r'"
    ).fetchall()
    for row in names:
        connection.execute(
            f"insert into {row['name']} select (jsonb_populate_record(t, jsonb_build_object('tenant_id', md5(n::text)::uuid))).*"
            f" from {row['name']} as t cross join generate_series(2, %s) as n where t.tenant_id = %s".encode(),
            (count, company.tenant_id),
        )
    connection.execute("vacuum analyze")


def _slowest(results: list[Any], count: int) -> str:
    ordered = sorted(results, key=lambda result: -result.seconds)[:count]
    return ", ".join(f"{result.name} {result.seconds:.1f}" for result in ordered)


def _middle(days: list[Day], part: Callable[[Day], Spent]) -> Spent:
    return Spent(median(part(d).wall for d in days), median(part(d).processor for d in days))


def _ratio(name: str, one: Spent, other: Spent) -> None:
    print(f"{name}: {one.wall / other.wall:.2f} (processor {one.processor / other.processor:.2f})", flush=True)


def dashboards(connection: Connection, company: Company, repeats: int) -> None:
    """The dashboards' page as a member sees it: every query of it, under row level security."""
    from services import access
    from services.reports import dashboards

    row = connection.execute("insert into auth.users (email) values ('bench@example.test') returning id").fetchone()
    slug = connection.execute("select slug from synkro.tenants where tenant_id = %s", (company.tenant_id,)).fetchone()
    assert row is not None and slug is not None
    user = User(row["id"], "bench@example.test", "Bench", "UTC", "ru", None, False)
    connection.execute(
        "insert into synkro.user_roles (user_id, tenant_id, role) values (%s, %s, 'user')",
        (user.user_id, company.tenant_id),
    )
    who = access.viewer(user)
    for days in dashboards.RANGES:
        taken = []
        for _ in range(repeats):
            begun = time.perf_counter()
            dashboards.load(who, slug["slug"], days)
            taken.append(time.perf_counter() - begun)
        taken.sort()
        print(
            f"dashboards, {days} days: p50 {median(taken) * 1000:.0f} ms,"
            f" p95 {taken[int(len(taken) * 0.95)] * 1000:.0f} ms",
            flush=True,
        )
    with db.as_user(user.user_id) as asker:
        plan = asker.execute(
            "explain (analyze, buffers, costs off) select count(*) from marts.fct_messages"
            " where tenant_id = %s and kind = 'client' and sent_at >= %s",
            (company.tenant_id, company.now - timedelta(days=14)),
        ).fetchall()
    print("\n".join(row["QUERY PLAN"] for row in plan))


def _script(connection: Connection, *names: str, **values: Any) -> None:
    """Run the statements of files of this folder in one transaction; they take their values by name."""
    with connection.transaction():
        for statement in ";\n".join((HERE / name).read_text(encoding="utf-8") for name in names).split(";\n"):
            if statement.strip():
                connection.execute(statement.encode(), values)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000], help="messages of history")
    parser.add_argument("--full", type=int, default=0, help="messages of one more tenant, only built whole")
    parser.add_argument("--tenants", type=int, default=0, help="small neighbours beside the last size, for the pages")
    parser.add_argument("--per-day", type=int, default=5_000)
    parser.add_argument("--pages", type=int, default=20, help="how often each page is loaded")
    parser.add_argument("--folder", type=Path, help="where the server keeps its files; 3 kB a message")
    asked = parser.parse_args(arguments)
    is_large = max([*asked.sizes, asked.full]) >= 1_000_000
    with (
        mock.patch.dict(postgres.SETTINGS, LARGE if is_large else {}),
        installation(asked.folder, with_marts=True) as url,
        psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection,
    ):
        clock = Clock(connection)
        print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
        measured = {size: measure(clock, connection, url, size, asked.per_day) for size in asked.sizes}
        first, last = asked.sizes[0], asked.sizes[-1]
        middle = {size: _middle(days, lambda day: day.build) for size, (_, days, _) in measured.items()}
        _ratio(f"increment on {last:,} ÷ on {first:,}", middle[last], middle[first])
        for size, (_, days, floor) in measured.items():
            plain = _middle(days, lambda day: day.plain)
            _ratio(f"{size:,}: increment ÷ plain SQL", middle[size], plain)
            _ratio(f"{size:,}: increment less dbt's own ÷ plain SQL", net(middle[size], floor), plain)
        if asked.tenants:
            neighbours(connection, url, asked.tenants, asked.per_day)
        dashboards(connection, measured[asked.sizes[-1]][0], asked.pages)
        if asked.full:
            company = found(connection, "whole", asked.full, asked.per_day)
            spans = windows(connection, company, 36)
            spent, results = clock.time(lambda: build(url, company, spans))
            print(f"{asked.full:,} messages, {len(spans)} windows: built whole in {spent}: {_slowest(results, 6)}")
        print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
