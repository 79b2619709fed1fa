"""The worked examples of docs/why-numbers-differ.md, built by dbt: what that page promises of our numbers is so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synkro.core.windows import Window
from synkro.database import db
from synkro.metrics import queries
from synkro.metrics.registry import NUMBERS
from synkro.reporting import reports, restatements
from synkro.reporting.body import Body
from synkro.reporting.reports import Draft
from tests.conftest import entry_points_to
from tests.transforms.conftest import Company

MON, TUE = "2026-03-02 ", "2026-03-03 "
PAGE = Path(__file__).parents[2] / "docs" / "why-numbers-differ.md"
MINUTES = {2: (75, 15), 20: (820, 10), 3: (40, 40), 30: (6, 6), 4: (25, 25)}


@pytest.fixture(scope="module")
def told(company: Callable[..., Company], work: Path) -> tuple[Company, Window]:
    """Monday's examples, each of a client whose contact has the example's number."""
    ours = company("why")
    ours.manager(71, "Анна")
    ours.manager(72, "Борис")
    ours.manager(73, "Ночной")
    ours.pipeline(5)
    ours.put("raw_radist.sources", id=1, type="whatsapp")
    ours.put("raw_radist.sources", id=2, type="telegram")
    for number in (2, 20, 3, 30, 4, 5, 60, 61, 7, 70, 11):
        phone = f"+77010001{number:03}"
        ours.contact(number, phone)
        ours.chat(number, phone)
    # 2: the lunch, the night
    ours.say(2, MON + "12:50", "client")
    ours.say(2, MON + "14:05", "us", "Да, есть", by=71, contact=2)
    ours.say(20, MON + "19:30", "client")
    ours.say(20, TUE + "09:10", "us", "Утро", by=71, contact=20)
    # 3: a bot, then another channel
    ours.say(3, MON + "10:00", "client")
    ours.say(3, MON + "10:00:02", "us", "Спасибо за обращение")
    ours.say(3, MON + "10:40", "us", "Отвечаю", by=71, contact=3)
    ours.chat(31, "+77010001030", connection=2)
    ours.say(30, MON + "11:00", "client")
    ours.say(31, MON + "11:06", "us", "Пишу сюда", by=71, contact=30)
    # 4 and 5: in a row, and thanks
    for moment in ("10:00", "10:05", "10:20"):
        ours.say(4, MON + moment, "client")
    ours.say(4, MON + "10:25", "us", "Ответ", by=71, contact=4)
    ours.say(5, MON + "10:00", "client")
    ours.say(5, MON + "10:05", "us", "Готово", by=71, contact=5)
    ours.say(5, MON + "10:06", "client", "Спасибо")
    # 6: the night does not flatter
    ours.say(60, MON + "10:00", "client")
    ours.say(60, MON + "10:20", "us", "Днём", by=73, contact=60)
    ours.say(61, MON + "22:00", "client")
    ours.say(61, MON + "22:05", "us", "Ночью", by=73, contact=61)
    # 7: who wrote, and who is responsible
    authors: dict[int, int | None] = {7: 72, 70: None}
    for number, by in authors.items():
        ours.deal(number, number, manager=71)
        ours.say(number, MON + "10:00", "client")
        ours.say(number, MON + "10:10", "us", "Отвечаю вам", by=by, contact=number)
    # 8: one person
    ours.contact(8, "+77010001008")
    ours.chat(8, "+77010001008")
    ours.chat(80, "+77010001008", connection=2)
    ours.contact(81, "+77010001081", "+77010001082")
    ours.chat(81, "+77010001081")
    ours.chat(82, "+77010001082")
    for chat in (8, 80, 81, 82):
        ours.say(chat, MON + "11:30", "client")
        ours.say(chat, MON + "11:35", "us", f"Ответ в {chat}", by=71, contact=8 if chat in (8, 80) else 81)
    ours.deal(801, 8, manager=71)
    ours.deal(802, 8, manager=71)
    # 1 and 9: after midnight; sold on Monday; sold and thrown away
    ours.deal(1, None, manager=71, created=TUE + "00:30")
    ours.deal(9, None, manager=72, status=142, created="2026-02-20 10:00", closed=MON + "16:00")
    ours.deal(90, None, manager=72, status=142, created="2026-02-20 10:00", closed=MON + "16:00")
    ours.put("raw_amocrm.deleted", entity_type="lead", id=90, deleted_at=ours.at(MON + "17:00"))
    # 10: a group
    ours.chat(10, None)
    ours.connection.execute(
        "update raw_radist.chats set payload = payload || '{\"is_group\": true}' where tenant_id = %s and id = 10",
        (ours.tenant_id,),
    )
    for minute in range(30):
        ours.say(10, MON + f"15:{minute:02}", "client")
    # 11: asked in the evening
    ours.say(11, MON + "17:00", "client")
    window = ours.window(MON + "06:00", TUE + "06:00")
    ours.build(window, work=work)
    return ours, window


def clients(ours: Company) -> dict[int, str]:
    rows = ours.rows("marts.dim_dialogs", "dialog_id, client_id")
    return {int(row["dialog_id"]): row["client_id"] for row in rows}


def wait_of(ours: Company, chat: int) -> dict[str, Any]:
    (found,) = ours.rows("marts.fct_waits", where=f"dialog_id = '{chat}'")
    return found


def test_minutes(told: tuple[Company, Window]) -> None:
    """§2, 3, 4, 5."""
    ours, _ = told
    found = {chat: wait_of(ours, chat) for chat in MINUTES}
    assert {c: (w["response_minutes_calendar"], w["response_minutes"]) for c, w in found.items()} == MINUTES
    assert found[20]["business_date"].isoformat() == "2026-03-02"
    assert [found[chat]["is_breached"] for chat in (2, 3, 30)] == [False, True, False]
    assert found[30]["closed_by"] == "other_channel" and found[4]["response_minutes_from_last"] == 5
    assert wait_of(ours, 5)["response_minutes"] == 5 and not wait_of(ours, 5)["is_open"]


def test_the_night_does_not_flatter_the_median(told: tuple[Company, Window]) -> None:
    """§6."""
    ours, _ = told
    (row,) = ours.rows("marts.period_managers", where="manager_id = '73'")
    assert (row["waits_answered"], row["response_p50"], row["off_hours_answers"], row["within_target_n"]) == (
        2,
        20,
        1,
        2,
    )


def test_who_answered(told: tuple[Company, Window]) -> None:
    """§7."""
    ours, _ = told
    said = ours.rows("marts.fct_messages", where="dialog_id in ('7', '70') and kind = 'manager'", order="dialog_id")
    assert [(one["author_id"], one["author_source"]) for one in said] == [("72", "event"), ("71", "deal")]


def test_people_deals_and_days(told: tuple[Company, Window]) -> None:
    """§1, 8, 9, 10."""
    ours, _ = told
    known = clients(ours)
    assert known[8] == known[80] and known[81] == known[82] != known[8]
    (row,) = ours.rows("marts.period_summary")
    dialogs = len({*known} - {10})
    assert (row["dialogs"], row["clients"]) == (dialogs, dialogs - 3), "30 and 31, 8 and 80, 81 and 82"
    assert (row["deals_new"], row["deals_won"], row["excluded_dialogs"]) == (1, 1, 1)
    assert ours.rows("marts.fct_messages", "count(*) as n", where="dialog_id = '10'", order="1")[0]["n"] == 0
    deals = ours.rows("marts.fct_deals", "deal_id", where=f"client_id = '{known[8]}'")
    assert len(deals) == 2


def test_yesterdays_numbers_change(told: tuple[Company, Window], marts_db: str, work: Path) -> None:
    """§11: published in the morning, answered later in the morning; the report says what it said, and what is so now."""
    ours, window = told
    with entry_points_to(marts_db):
        with db.as_service("test") as connection:
            before = queries.summary(connection, ours.tenant_id, window)
            assert before is not None
            day = window.end.date()
            draft = Draft("daily", window, day, day, window.end, True, "", Body(), before, {}, [])
            report = reports.publish(connection, ours.tenant_id, None, draft, [])
            assert restatements.of_report(connection, report) is None
        ours.say(11, TUE + "09:30", "us", "Доброе утро", by=71, contact=11)
        ours.window(MON + "06:00", TUE + "06:00", as_of=TUE + "12:00")
        ours.build(window, work=work)
        with db.as_service("test") as connection:
            found = restatements.of_report(connection, reports.get(connection, report.report_id))
    assert found is not None and found.as_of == ours.at(TUE + "12:00")
    changed = {one.key: (one.old, one.new) for one in found.changes}
    assert wait_of(ours, 11)["response_minutes"] == 90
    # the night's question of §2 got its morning answer too
    assert changed["waits_answered"] == (before["waits_answered"], before["waits_answered"] + 2)
    assert not {"messages", "waits", "unanswered_now", "money_at_risk", "deals_won"} & set(changed)
    assert set(changed) <= set(NUMBERS)


def test_the_page_shows_these_examples() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for shown in (
        "12:50 К",
        "10:40 М",
        "11:06 М",
        "10:25 М",
        "12,5 мин",
        "author_source = event",
        "30 сообщений",
        "90 мин",
    ):
        assert shown in text
