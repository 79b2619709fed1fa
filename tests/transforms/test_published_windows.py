"""Published windows follow their rows: after any run each one's numbers are those of the rows, or it is marked.

Windows of every kind overlap (a day, two days, a week, an hour); runs come in any order, each for some of them, and each
reads rows that belong to any day. The oracle counts every window anew after every run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from orchestration.dbt import project
from orchestration.run import window_registration
from orchestration.run.state import RunState
from synkro.core import clock
from synkro.core.settings import settings
from synkro.core.windows import Window, business_day_window, label_of, last_closed
from synkro.reporting import report_windows
from synkro.reporting.report_windows import ReportWindow
from synkro.tenancy import runtime_config
from tests.conftest import entry_points_to
from tests.transforms.conftest import Company as Shop
from tests.transforms.oracle import Company, Table, compute, database
from tests.transforms.oracle.generator import company as make
from tests.transforms.oracle.variations import earlier

#: the marts whose rows are the numbers of a window
PERIODS = ("period_summary", "period_managers", "period_hours", "period_excluded")


@pytest.mark.parametrize(
    ("seeds", "size", "runs"),
    [
        pytest.param((3,), 60, 3, id="sample"),
        pytest.param(tuple(range(12)), 120, 6, id="all", marks=pytest.mark.assurance),
    ],
)
def test_after_any_run_a_window_says_what_its_rows_say_or_is_marked(
    connection: database.Connection, marts_db: str, work: Path, seeds: tuple[int, ...], size: int, runs: int
) -> None:
    for seed in seeds:
        dice = Random(seed)
        company = _with_overlapping_windows(make(seed, size))
        reads = [company]
        for _ in range(runs - 1):
            reads.insert(0, earlier(reads[0], dice.randrange(10**6)))
        tenant_id = database.load(connection, reads[0], f"past{seed}of{size}")
        database.build(marts_db, reads[0], tenant_id, work)
        stale = 0
        for before, now in pairwise(reads):
            database.add(connection, tenant_id, now, before)
            chosen = dice.sample(company.windows, 2)
            _build(marts_db, tenant_id, [_window(row) for row in chosen], work)

            found = _by_window(connection, tenant_id, compute(now))
            marked = _marked(connection, tenant_id)
            wrong = {window: lines for window, lines in found.items() if window not in marked}
            assert wrong == {}, f"seed {seed}: {wrong}"
            stale += len(found)

            _rebuild(marts_db, connection, tenant_id, work)
            assert _by_window(connection, tenant_id, compute(now)) == {}, seed
            assert not _marked(connection, tenant_id)
        assert stale > 0, "no window had to be marked: the test proves nothing"


def _with_overlapping_windows(company: Company) -> Company:
    """Its own windows, and some that hold several of them: two days, a week, a month before; an hour inside one."""
    (first, *_), last = company.windows, company.windows[-1]
    start, end, as_of = first["window_start"], last["window_end"], last["as_of"]
    day = timedelta(days=1)
    more = [
        (start, start + 2 * day), (end - 2 * day, end), (end - 7 * day, end), (end - 30 * day, end),
        (start + 10 * timedelta(hours=1), start + 11 * timedelta(hours=1)),
    ]  # fmt: skip
    known = {(row["window_start"], row["window_end"]) for row in company.windows}
    rows = [
        {"window_start": a, "window_end": b, "as_of": as_of, "is_complete": True} for a, b in more if (a, b) not in known
    ]
    return replace(company, windows=[*company.windows, *rows])


def _window(row: dict[str, Any]) -> Window:
    return Window(row["window_start"], row["window_end"])


def _build(url: str, tenant_id: UUID, windows: list[Window], work: Path) -> None:
    project.build_tenant(
        url, settings().data_dir, tenant_id=tenant_id, window_start=windows[0].start, window_end=windows[0].end,
        windows=windows, work_dir=work,
    )  # fmt: skip


def _marked(connection: psycopg.Connection[Any], tenant_id: UUID) -> set[Window]:
    return set(report_windows.outdated(connection, tenant_id, 1000))


def _rebuild(url: str, connection: psycopg.Connection[Any], tenant_id: UUID, work: Path) -> None:
    windows = list(_marked(connection, tenant_id))
    if windows:
        project.rebuild_windows(url, settings().data_dir, tenant_id=tenant_id, windows=windows, work_dir=work)


def _by_window(
    connection: database.Connection, tenant_id: UUID, expected: dict[str, Table]
) -> dict[Window, list[str]]:
    found: dict[Window, list[str]] = {}
    for one in database.differences(connection, tenant_id, {name: expected[name] for name in PERIODS}):
        found.setdefault(Window(one.key[0], one.key[1]), []).append(str(one))
    return found


# --- what marks, and what does not ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(company: Callable[..., Shop], work: Path) -> tuple[Shop, dict[str, Window]]:
    """Two days, both of them together, their week and an hour, all built on the evening of the second day."""
    made = company("overlap")
    made.manager(7, "Вера")
    for number in (1, 2, 3):
        made.contact(number, f"+7700000010{number}")
        made.chat(number, f"+7700000010{number}")
    made.deal(1, 1, manager=7, price=5000)
    made.deal(2, 2, manager=7, price=7000, created="2026-03-02 12:00")
    made.say(1, "2026-03-02 10:00", "client")
    made.say(1, "2026-03-02 10:05", "us", by=7, contact=1)
    made.say(2, "2026-03-03 16:00", "client", "Сколько стоит?")
    windows = {
        "monday": made.window("2026-03-02 06:00", "2026-03-03 06:00", as_of="2026-03-04 06:05"),
        "tuesday": made.window("2026-03-03 06:00", "2026-03-04 06:00", as_of="2026-03-04 06:05"),
        "both": made.window("2026-03-02 06:00", "2026-03-04 06:00", as_of="2026-03-04 06:05"),
        "week": made.window("2026-03-01 06:00", "2026-03-08 06:00", as_of="2026-03-04 06:05"),
        "hour": made.window("2026-03-02 10:00", "2026-03-02 11:00", as_of="2026-03-04 06:05"),
    }
    made.build(*windows.values(), work=work)
    return made, windows


def _after(shop: tuple[Shop, dict[str, Window]], built: str, work: Path) -> set[str]:
    """Names of the windows a run of one of them marks; all are built anew after it."""
    made, windows = shop
    made.build(windows[built], work=work)
    marked = _marked(made.connection, made.tenant_id)
    _rebuild(made.url, made.connection, made.tenant_id, work)
    assert not _marked(made.connection, made.tenant_id)
    return {name for name, window in windows.items() if window in marked}


def test_a_run_of_an_older_window_marks_the_newer_ones(shop: tuple[Shop, dict[str, Window]], work: Path) -> None:
    """Tuesday's answer is read by a run that is asked for Monday."""
    made, windows = shop
    made.say(2, "2026-03-03 16:10", "us", "5 000", by=7, contact=2)

    assert _after(shop, "monday", work) == {"tuesday", "both", "week"}
    (tuesday,) = made.rows("marts.period_summary", "waits_answered, unanswered_now", "label_date = '2026-03-03'"
                           " and window_end - window_start = interval '1 day'")  # fmt: skip
    assert tuesday == {"waits_answered": 1, "unanswered_now": 0}


def test_an_answer_after_a_window_was_looked_at_marks_it_not(shop: tuple[Shop, dict[str, Window]], work: Path) -> None:
    """What a window knew at its as_of stands: only what it could have known changes it."""
    made, _ = shop
    made.say(3, "2026-03-04 10:00", "client", "Здравствуйте, есть в наличии?")
    assert _after(shop, "monday", work) == {"week"}
    made.say(3, "2026-03-04 10:30", "us", "Да", by=7, contact=3)
    assert _after(shop, "monday", work) == {"week"}


def test_what_a_deal_became_marks_the_windows_that_count_it(shop: tuple[Shop, dict[str, Window]], work: Path) -> None:
    made, _ = shop

    def edit(deal: int, **payload: Any) -> None:
        made.connection.execute(
            "update raw_amocrm.leads set payload = payload || %s::jsonb where tenant_id = %s and id = %s",
            (psycopg.types.json.Json(payload), made.tenant_id, deal),
        )

    edit(1, name="Другое название")
    assert _after(shop, "tuesday", work) == set()
    # new on Monday, with another sum
    edit(2, price=9000)
    assert _after(shop, "tuesday", work) == {"monday", "both", "week"}
    # won on Tuesday, read late
    edit(1, status_id=142, closed_at=made.at("2026-03-03 12:00").timestamp())
    assert _after(shop, "monday", work) == {"tuesday", "both", "week"}


def test_a_week_is_late_as_long_as_its_last_days_are(
    company: Callable[..., Shop], marts_db: str, work: Path
) -> None:
    """Whichever window a run is asked for, a week that ended yesterday is looked at anew, to the moment known by now."""
    made = company("weekly")
    config = runtime_config.current(made.connection, made.tenant_id)
    now = clock.now()
    last = label_of(last_closed(now, config.business_day_start, config.timezone), config.timezone)

    def days(first: int, until: int) -> Window:
        """From a day before the last closed one to another."""
        spans = [
            business_day_window(last - timedelta(days=back), config.business_day_start, config.timezone)
            for back in (first, until)
        ]
        return Window(spans[0].start, spans[1].end)

    week, before, run_of = days(6, 0), days(20, 14), days(9, 9)
    made.chat(1, "+77000000111")
    made.put(
        "raw_radist.messages", chat_id=1, id="m1", connection_id=1, sent_at=week.end - timedelta(hours=6), message_type="text",
        direction="inbound", payload={"text": {"text": "Сколько стоит?"}},
    )  # fmt: skip
    runtime_config.fill_working_intervals(
        made.connection, made.tenant_id, config, last - timedelta(days=60), last + timedelta(days=60)
    )
    known = week.end - timedelta(hours=1)
    for window in (week, before):
        row = ReportWindow(window, last, "weekly", min(known, window.end), False)
        report_windows.save(made.connection, made.tenant_id, [row], "amocrm_radist")
    made.build(week, before, work=work)

    run = SimpleNamespace(
        window=run_of, window_start=run_of.start, window_end=run_of.end, report_type="daily", history_from=None
    )
    worker: Any = SimpleNamespace(config=config, run=run, tenant=made, state=RunState())
    with entry_points_to(marts_db):
        window_registration.open_windows(worker, [])

    assert week in worker.state.windows and before not in worker.state.windows
    (row,) = made.rows("synkro.report_windows", "as_of, is_complete, report_type", f"window_end = '{week.end.isoformat()}'"
                       f" and window_start = '{week.start.isoformat()}'")  # fmt: skip
    assert row["as_of"] > known and (row["is_complete"], row["report_type"]) == (True, "weekly")
