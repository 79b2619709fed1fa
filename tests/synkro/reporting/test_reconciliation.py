"""Whose loads a report shows, and what a difference is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import reconciliation, reports
from synkro.reporting.body import Body
from synkro.reporting.reconciliation import Count, Line
from synkro.runs import leases, queue, watermarks
from synkro.runs.watermarks import StreamLoad

WINDOW = Window(datetime(2026, 3, 1, 17, 1, tzinfo=UTC), datetime(2026, 3, 2, 17, 1, tzinfo=UTC))


def report_of_a_run(tenant: UUID, loads: list[StreamLoad]) -> reports.Report:
    """The next attempt at the window, which reads this much and publishes."""
    with db.as_service("test") as connection:
        made, _ = queue.request(
            connection, tenant, WINDOW, mode="radist_only", trigger_type="system", report_type="daily"
        )
        run = leases.claim(connection, made.run_id)
        for load in loads:
            watermarks.record(connection, tenant, run.run_id, load)
        day = WINDOW.end.date()
        draft = reports.Draft("daily", WINDOW, day, day, WINDOW.end, True, "итог", Body(), {}, {}, [])
        report = reports.publish(connection, tenant, run.run_id, draft, [])
        leases.finish(connection, run, "success")
    return report


def lines(report: reports.Report) -> dict[str, Line]:
    with db.as_service("test") as connection:
        return {line.stream: line for line in reconciliation.of_report(connection, report)}


def test_a_report_shows_the_loads_of_the_run_that_read_it(tenant: UUID) -> None:
    first = report_of_a_run(tenant, [StreamLoad("radist", "messages", "complete", 3, 10, 1, 9, {"future": 1})])
    rewritten = report_of_a_run(tenant, [])
    later = report_of_a_run(tenant, [StreamLoad("radist", "messages", "complete", 1, 2, 0, 2)])
    assert lines(first)["messages"] == lines(rewritten)["messages"]
    assert (lines(first)["messages"].seen, lines(later)["messages"].seen) == (10, 2)
    assert lines(first)["messages"].reasons == {"future": 1}


def test_a_stream_nobody_read_is_a_line_too() -> None:
    down = StreamLoad("radist", "sources", "failed", 1, error="Radist не ответил.")
    found = reconciliation.lines_of([down])
    assert [(line.stream, line.status) for line in found] == [
        ("sources", "failed"),
        ("chats", "not_read"),
        ("messages", "not_read"),
    ]
    assert not any(line.is_whole for line in found)


def test_a_stream_of_a_new_name_is_shown() -> None:
    found = reconciliation.lines_of([StreamLoad("radist", "voices", "complete", 1, 2, 0, 2)])
    assert found[-1].stream == "voices" and found[-1].is_whole


@pytest.mark.parametrize(("seen", "rejected", "loaded", "difference"), [(10, 1, 9, 0), (10, 0, 9, 1), (9, 0, 10, -1)])
def test_what_nobody_explained_is_the_difference(seen: int, rejected: int, loaded: int, difference: int) -> None:
    line = Line("radist", "messages", "complete", 1, seen, rejected, {}, loaded)
    assert line.difference == difference
    assert line.is_whole == (difference == 0)
    assert Count("radist", "messages", None, seen, {"group": rejected}, loaded).difference == difference


def test_the_documented_query_is_the_query() -> None:
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
    shown = next(block for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL) if "raw_radist.messages" in block)
    for name in ("tenant", "from", "to"):
        shown = shown.replace(f":'{name}'", f"%({name})s")
    assert shown.split() == reconciliation.COUNTS.split()
