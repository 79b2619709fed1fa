"""What a first run opens to compare with: the weeks and months inside the loaded history, and what its own window needs."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from orchestration.run import comparison, window_registration
from orchestration.run.state import RunState
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import report_windows
from synkro.tenancy import runtime_config, tenants
from tests.orchestration.run.test_as_of import END, HOUR, company, mark, put, read

#: the day after the last of October
WINDOW = Window(END - timedelta(days=1), END)


def loaded(url: str, days: int) -> UUID:
    """A company whose history begins so many days before the window's end."""
    tenant_id = company("radist_only")
    mark(tenant_id, "radist", END + HOUR)
    put(url, "raw_radist.messages", tenant_id=tenant_id, chat_id=1, id="m1", connection_id=1, sent_at=END - timedelta(days=days),
        message_type="text", direction="inbound")  # fmt: skip
    return tenant_id


def opened(tenant_id: UUID, kind: str, label: date) -> tuple[list[dict[str, Any]], list[Window]]:
    """The rows of windows after a run of the day, the week or the month of ``label``, and what the run builds."""
    with db.as_service("test") as connection:
        config = runtime_config.current(connection, tenant_id)
        tenant = tenants.by_id(connection, tenant_id)
    days = comparison.days_of(config)
    window = {"daily": days.day, "weekly": days.week, "monthly": days.month}[kind](label)
    run = SimpleNamespace(
        window=window, window_start=window.start, window_end=window.end, report_type=kind, history_from=None
    )
    worker: Any = SimpleNamespace(config=config, run=run, tenant=tenant, state=RunState())
    window_registration.open_windows(worker, [read(tenant_id, "radist")])
    with db.as_service("test") as connection:
        rows = connection.execute(
            "select * from synkro.report_windows where tenant_id = %s order by window_start, window_end", (tenant_id,)
        ).fetchall()
    assert worker.state.windows is not None
    return rows, worker.state.windows


def test_the_first_report_builds_weeks_and_months_of_the_history(shared_database: str) -> None:
    tenant_id = loaded(shared_database, 100)
    rows, built = opened(tenant_id, "daily", date(2026, 3, 2))
    labels = {kind: [row["label_date"] for row in rows if row["report_type"] == kind] for kind in ("weekly", "monthly")}
    assert labels["weekly"] == [date(2026, 2, 26) - timedelta(weeks=n) for n in range(4, -1, -1)]
    assert [(day.year, day.month) for day in labels["monthly"]] == [(2026, 1), (2026, 2)]
    assert all(row["is_complete"] for row in rows), "the data reaches beyond the window"
    assert {(row["window_start"], row["window_end"]) for row in rows} == {(one.start, one.end) for one in built}


def test_only_what_lies_inside_the_history(shared_database: str) -> None:
    rows, _ = opened(loaded(shared_database, 17), "daily", date(2026, 3, 2))
    kinds = [row["report_type"] for row in rows]
    assert (kinds.count("weekly"), kinds.count("monthly")) == (2, 0)
    assert kinds.count("daily") == 17


@pytest.mark.parametrize(
    ("kind", "label", "least"), [("weekly", date(2026, 2, 25), 4), ("monthly", date(2026, 2, 10), 1)]
)
def test_the_first_weekly_and_monthly_reports_compare(shared_database: str, kind: str, label: date, least: int) -> None:
    tenant_id = loaded(shared_database, 110)
    rows, built = opened(tenant_id, kind, label)
    (own,) = [row for row in rows if row["report_type"] == kind and row["label_date"] == label_of(rows, kind, label)]
    spans = {(one.start.isoformat(), one.end.isoformat()) for one in built}
    for compared_with in ("usual", "previous"):
        offered = [one for one in own["baselines"] if one["compared_with"] == compared_with]
        stands = [one for one in offered if (one["start"], one["end"]) in spans]
        assert len(stands) >= (least if compared_with == "usual" else 1)
    if kind == "monthly":
        (usual,) = [one for one in own["baselines"] if one["compared_with"] == "usual"]
        # around the clock every day is worked: as many days as February has
        assert (usual["unit"], usual["working_days"]) == ("working_days", 28)


def label_of(rows: list[dict[str, Any]], kind: str, label: date) -> date:
    """The label of the window that holds the date."""
    found: date = max(row["label_date"] for row in rows if row["report_type"] == kind)
    assert abs(found - label) < timedelta(days=31)
    return found


def test_what_stands_is_not_built_again(shared_database: str) -> None:
    tenant_id = loaded(shared_database, 100)
    rows, _ = opened(tenant_id, "daily", date(2026, 3, 2))
    days = comparison.days_of(runtime_config.RuntimeConfig("Asia/Almaty"))
    every = {(row["window_start"], row["window_end"]) for row in rows}
    again = comparison.windows(days.day(date(2026, 3, 2)), days, rows[0]["window_start"], every, END)
    assert again == []


def test_a_new_calendar_says_anew_what_is_compared(shared_database: str) -> None:
    """An old window is marked when the calendar changes; built again, it is compared with other days."""
    tenant_id = loaded(shared_database, 100)
    opened(tenant_id, "daily", date(2026, 3, 2))
    with db.as_service("test") as connection:
        # the Monday a week before becomes a day off
        calendar = {
            "weekly": {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
            "holidays": ["2026-02-23"],
        }
        runtime_config.change(connection, tenant_id, {"calendar": calendar})
        connection.execute("update synkro.report_windows set is_outdated = true where tenant_id = %s", (tenant_id,))
    rows, _ = opened(tenant_id, "daily", date(2026, 3, 3))
    (monday,) = [row for row in rows if row["label_date"] == date(2026, 3, 2) and row["report_type"] == "daily"]
    days = comparison.days_of(runtime_config.RuntimeConfig("Asia/Almaty"))
    first = next(one for one in monday["baselines"] if one["compared_with"] == "usual")
    assert first["start"] == days.day(date(2026, 2, 16)).start.isoformat()


def test_a_stretch_somebody_asked_for_opens_no_others(shared_database: str) -> None:
    days = comparison.days_of(runtime_config.RuntimeConfig("Asia/Almaty"))
    window = Window(END - timedelta(hours=40), END)
    found = comparison.windows(window, days, END - timedelta(days=100), set(), END)
    assert {row.report_type for row in found} == {"weekly", "monthly"}
    stored = report_windows.ReportWindow(window, date(2026, 3, 2), "forced")
    (row,) = comparison.with_baselines([stored], days)
    assert {one["unit"] for one in row.baselines} == {"stretch"}
