"""Every number of the marts, built by dbt from raw rows, against the list its link opens (metrics.md: "a number that
cannot be traced to the list of rows behind it is a defect")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from services import access
from services.reports import rows
from synkro.accounts import embedded
from synkro.core.errors import NotFoundError
from synkro.database import db
from synkro.metrics.queries import plain
from synkro.metrics.registry import NUMBERS, SUMMARY
from synkro.reporting import reports
from synkro.reporting.body import Body
from synkro.reporting.reports import Draft
from synkro.tenancy import users
from tests.conftest import entry_points_to
from tests.transforms.conftest import Company

MON, TUE, FRI = "2026-03-02 ", "2026-03-03 ", "2026-02-27 "
#: numbers that are a sum of the rows' prices, a median of their minutes or a share of them; the rest count the rows
SUMS = {
    "money_at_risk",
    "deals_won_amount",
    "deals_lost_amount",
    "deals_new_amount",
    "deals_open_amount",
    "deals_won_amount_unassigned",
}
MEDIANS = {"first_response_p50", "response_p50"}
TAILS = {"first_response_p90": "first_response_n", "response_p90": "response_n"}


@dataclass
class Built:
    viewer: access.Viewer
    report: reports.Report
    summary: dict[str, Any]


@pytest.fixture(scope="module")
def built(
    make_database: Callable[[str | None], str], template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Built]:
    url = make_database(template)
    with entry_points_to(url), psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        company = Company(connection, url, "ours")
        _tell(company)
        window = company.window(MON + "06:00", TUE + "06:00", as_of=TUE + "12:00")
        company.build(window, work=tmp_path_factory.mktemp("dbt"))
        with db.as_service("test") as service:
            user = embedded.add(service, "reader@example.com", "correct horse battery")
            users.grant(service, user.user_id, company.tenant_id, "user")
            draft = Draft("daily", window, date(2026, 3, 2), date(2026, 3, 2), None, True, "", Body(), {}, {}, [])
            report = reports.publish(service, company.tenant_id, None, draft, [])
        found = connection.execute(
            "select * from marts.period_summary where tenant_id = %s", (company.tenant_id,)
        ).fetchone()
        assert found is not None
        yield Built(access.viewer(user), report, found)


def _tell(company: Company) -> None:
    """A Monday with everything a number may trip over."""
    company.manager(71, "Анна")
    company.manager(72, "Борис")
    company.pipeline(5)
    company.put("raw_radist.sources", id=1, type="whatsapp")
    for number in range(1, 10):
        phone = f"+7701555000{number}"
        company.contact(number, phone)
        company.chat(number, phone)
        if number != 4:
            company.deal(number, number, manager=71 + number % 2, price=0 if number == 6 else 1000 * number)
    for number, minute in ((1, "07"), (2, "40"), (3, "12")):
        company.say(number, MON + "10:00", "client")
        company.say(number, MON + f"10:{minute}", "us", "Отвечаю", by=71, contact=number)
    # asked and answered at night; asked in the evening, answered the next morning, after the window's end
    company.say(4, MON + "20:00", "client")
    company.say(4, MON + "20:30", "us", "Ночной ответ", by=72, contact=4)
    company.say(5, MON + "19:30", "client")
    company.say(5, TUE + "09:10", "us", "Утренний ответ", by=72, contact=5)
    # open and overdue: one with a price, one without, one waiting since Friday; one still within its target
    company.say(6, MON + "11:00", "client")
    company.say(7, FRI + "16:00", "client")
    company.say(8, MON + "17:50", "client")
    company.say(1, MON + "15:00", "client")
    # answered only after the moment the data is known at
    company.say(9, MON + "17:40", "client")
    company.say(9, TUE + "13:00", "us", "Поздний ответ", by=72, contact=9)
    company.deal(30, 1, manager=71, price=500, status=142, created=MON + "09:00", closed=MON + "16:00")
    company.deal(31, 2, manager=71, price=700, status=143, closed=MON + "16:30")
    company.deal(32, None, manager=72, price=90, created=MON + "12:00")
    company.deal(33, 3, manager=72, price=40, status=142, closed=TUE + "10:00")


def behind(built: Built, metric: str) -> rows.Rows:
    return rows.behind(built.viewer, "ours", built.report.report_id, metric, limit=1000)


@pytest.mark.parametrize("metric", NUMBERS)
def test_the_rows_make_the_number(built: Built, metric: str) -> None:
    """Counted here from what the page shows, and by the registry's own aggregate."""
    found, number = behind(built, metric), built.summary[metric]
    assert found.recounted == plain(number) and len(found.rows) == found.total
    if metric in SUMS:
        assert sum(row["price"] or 0 for row in found.rows) == number
    elif metric == "deals_won_average":
        assert round(sum(row["price"] for row in found.rows) / len(found.rows), 2) == float(number)
    elif metric in MEDIANS:
        assert round(median(float(row["response_minutes"]) for row in found.rows), 2) == float(number)
    elif metric in TAILS:
        assert len(found.rows) == built.summary[TAILS[metric]]
    elif metric == "oldest_wait_minutes":
        assert max((row["edge"] - row["opened_at"]).total_seconds() / 60 for row in found.rows) == float(number)
    elif metric == "match_rate":
        matched = sum(row["match_status"] == "matched" for row in found.rows)
        assert round(matched / len(found.rows), 4) == float(number)
    elif SUMMARY[metric].unit == "share":
        assert len(found.rows) == built.summary[SUMMARY[metric].denominator]
    else:
        assert len(found.rows) == number


def test_the_day_is_worth_counting(built: Built) -> None:
    """No number above is zero against zero by accident."""
    zero = {metric for metric in NUMBERS if not built.summary[metric]}
    assert zero <= {"bot_messages", "excluded_dialogs", "waits_unattributed", "authors_by_deal", "authors_unknown",
                    "dialogs_no_phone", "dialogs_no_contact", *(n for n in NUMBERS if n.startswith("unanswered_") or n.endswith("_unassigned"))}  # fmt: skip
    assert built.summary["unanswered_now"] > built.summary["unanswered_overdue"] > 0


def test_a_managers_number_has_its_rows(built: Built) -> None:
    found = rows.behind(built.viewer, "ours", built.report.report_id, "waits_answered", manager_id="71")
    assert found.manager_name == "Анна" and found.value == found.recounted == len(found.rows) > 0
    assert {row["replied_by"] for row in found.rows} == {"71"}
    for metric, manager_id in (("waits_answered", "99"), ("unanswered_now", "71")):
        with pytest.raises(NotFoundError):
            rows.behind(built.viewer, "ours", built.report.report_id, metric, manager_id=manager_id)


def test_totals_do_not_depend_on_the_page(built: Built) -> None:
    first = rows.behind(built.viewer, "ours", built.report.report_id, "messages", 1, limit=3)
    second = rows.behind(built.viewer, "ours", built.report.report_id, "messages", 2, limit=3)
    assert first.total == second.total == built.summary["messages"]
    assert {row["message_id"] for row in first.rows}.isdisjoint(row["message_id"] for row in second.rows)


def test_another_report_id_opens_nothing(built: Built) -> None:
    with pytest.raises(NotFoundError):
        rows.behind(built.viewer, "ours", uuid4(), "messages")
