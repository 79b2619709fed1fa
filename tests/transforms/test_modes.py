"""After a change of mode the marts show what the mode has, from that day on; the days before it stay as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from orchestration.dbt import project
from orchestration.run import window_registration
from orchestration.run.state import RunState
from synkro.core import clock
from synkro.core.settings import settings
from synkro.core.windows import Window
from synkro.database import db
from synkro.metrics import dialog_channels, pipeline
from synkro.reporting import report_windows
from synkro.runs import watermarks
from synkro.tenancy import runtime_config
from tests.conftest import entry_points_to
from tests.transforms.conftest import Company

OF_DIALOGS = ("messages", "dialogs", "waits", "unanswered_now", "money_at_risk")
OF_DEALS = ("deals", "deals_new", "money_at_risk")


def _day(shop: Company, day: int, **mode: str) -> Window:
    """The day's window as a run opens it; a new mode is in force from its noon on."""
    if mode:
        shop.configure(**mode)
        shop.connection.execute(
            "update synkro.tenant_runtime_configs set created_at = %s where tenant_id = %s and is_current",
            (shop.at(f"2026-03-{day:02} 12:00"), shop.tenant_id),
        )
    window = Window(shop.at(f"2026-03-{day:02} 06:00"), shop.at(f"2026-03-{day + 1:02} 06:00"))
    run = SimpleNamespace(
        window=window, window_start=window.start, window_end=window.end, report_type="daily", history_from=None
    )
    with db.as_service("test") as connection:
        config = runtime_config.current(connection, shop.tenant_id)
    worker: Any = SimpleNamespace(config=config, run=run, tenant=shop, state=RunState())
    window_registration.open_windows(worker, [])
    shop.connection.execute(
        "update synkro.report_windows set as_of = window_end, is_complete = true where tenant_id = %s",
        (shop.tenant_id,),
    )
    return window


def test_a_window_is_about_what_its_mode_reads(company: Callable[..., Company], marts_db: str, work: Path) -> None:
    """Deals with dialogs, then deals alone, then dialogs alone, then both: a wait and a deal go on through all of it."""
    shop = company("switches")
    shop.manager(7, "Вера")
    shop.contact(1, "+77000000301")
    shop.deal(1, 1, manager=7, price=5000)
    shop.chat(1, "+77000000301")
    shop.say(1, "2026-03-02 10:00", "client", "Сколько стоит?")
    with entry_points_to(marts_db):
        both = _day(shop, 2)
        shop.build(both, work=work)
        deals_alone = _day(shop, 3, mode="amocrm_only")
        shop.deal(2, 1, manager=7, price=700, created="2026-03-03 15:00")
        shop.build(both, deals_alone, work=work)
        assert shop.rows("marts.waits_open") == []
        dialogs_alone = _day(shop, 4, mode="radist_only")
        shop.say(1, "2026-03-04 11:00", "client", "Вы здесь?")
        shop.build(both, deals_alone, dialogs_alone, work=work)
        (waits,) = shop.rows("marts.waits_open", "deal_id, money, responsible_id, is_overdue")
        again = _day(shop, 5, mode="amocrm_radist")
        shop.build(both, deals_alone, dialogs_alone, again, work=work)

    assert waits == {"deal_id": None, "money": None, "responsible_id": None, "is_overdue": True}
    first, second, third, fourth = shop.rows("marts.period_summary", order="window_start")
    assert (first["unanswered_now"], first["deals"], first["money_at_risk"], first["match_rate"]) == (1, 1, 5000, 1)
    assert [second[name] for name in OF_DIALOGS] == [0] * 5 and not second["has_dialogs"]
    assert (second["deals_new"], second["deals_new_amount"], second["match_rate"]) == (1, 700, None)
    assert [third[name] for name in OF_DEALS] == [0] * 3 and not third["has_deals"]
    assert (third["messages"], third["unanswered_now"], third["match_rate"]) == (1, 1, None)
    # everything is read again: the wait of Monday is older than every switch, and so is the deal
    assert (fourth["unanswered_now"], fourth["money_at_risk"]) == (1, 5700)
    managers = {(row["window_start"], row["open_overdue"]) for row in shop.rows("marts.period_managers")}
    # of deals alone their owner is known, and nobody waits for him
    assert managers == {(both.start, 1), (deals_alone.start, 0), (again.start, 1)}
    assert [row["window_start"] for row in shop.rows("marts.period_hours", order="window_start")] == [
        both.start, dialogs_alone.start,
    ]  # fmt: skip
    with entry_points_to(marts_db), db.as_service("test") as connection:
        found = pipeline.of_window(connection, shop.tenant_id, deals_alone)
        assert (found.open, found.open_amount, found.moved, found.untasked) == (2, 5700, 0, None)
        watermarks.advance(connection, shop.tenant_id, "amocrm", "tasks", clock.now())
        assert pipeline.of_window(connection, shop.tenant_id, deals_alone).untasked == 2
        (one,) = dialog_channels.of_window(connection, shop.tenant_id, dialogs_alone)
        assert (one.dialogs, one.client_messages, one.open_waits) == (1, 1, 1)
        assert [hour.hour for hour in dialog_channels.hours_of_window(connection, shop.tenant_id, dialogs_alone)] == [11]


def test_another_zone_reaches_the_windows_that_were_built(
    company: Callable[..., Company], marts_db: str, work: Path
) -> None:
    """Their hours are those of the new clock: they are marked as by another calendar, and built again."""
    shop = company("zones")
    shop.chat(1, "+77000000302")
    shop.say(1, "2026-03-02 10:00", "client")
    monday = shop.window("2026-03-02 06:00", "2026-03-03 06:00")
    tuesday = shop.window("2026-03-03 06:00", "2026-03-04 06:00")
    shop.build(monday, tuesday, work=work)
    before = shop.rows("marts.period_hours", "hour")

    shop.configure(timezone="Europe/Berlin")
    shop.build(tuesday, work=work)
    assert report_windows.outdated(shop.connection, shop.tenant_id, 9) == [monday]
    project.rebuild_windows(marts_db, settings().data_dir, tenant_id=shop.tenant_id, windows=[monday], work_dir=work)

    assert (before, shop.rows("marts.period_hours", "hour")) == ([{"hour": 10}], [{"hour": 6}])
    assert report_windows.outdated(shop.connection, shop.tenant_id, 9) == []


def test_the_deals_of_an_internal_number_count_and_are_never_at_risk(
    company: Callable[..., Company], work: Path
) -> None:
    """Of several deals the client's is the open one changed last; of none open, the one changed last."""
    shop = company("inside")
    shop.configure(excluded_phones=["+77000000303"])
    for number, phone in enumerate(("+77000000303", "+77000000304", "+77000000305"), 1):
        shop.contact(number, phone)
        shop.chat(number, phone)
        shop.say(number, "2026-03-02 10:00", "client", "Сколько стоит?")
    shop.deal(1, 1, manager=7, price=900, created="2026-03-02 11:00")
    shop.deal(2, 2, manager=7, price=5000, created="2026-02-20 10:00")
    shop.deal(3, 2, manager=7, price=70, created="2026-02-21 10:00")
    shop.deal(4, 3, manager=7, price=10, status=142, created="2026-02-20 10:00", closed="2026-02-22 10:00")
    shop.deal(5, 3, manager=7, price=20, status=142, created="2026-02-20 10:00", closed="2026-02-21 10:00")
    shop.build(shop.window("2026-03-02 06:00", "2026-03-03 06:00"), work=work)

    (day,) = shop.rows("marts.period_summary")
    assert (day["deals_new"], day["deals_new_amount"], day["unanswered_now"], day["money_at_risk"]) == (1, 900, 2, 5070)
    shown = {row["client_id"]: row["deal_id"] for row in shop.rows("marts.dim_clients", "client_id, deal_id")}
    # an internal number is nobody's client
    assert shown == {"+77000000304": "3", "+77000000305": "4"}
    waits = {row["client_id"]: (row["deal_id"], row["money"]) for row in shop.rows("marts.waits_open")}
    assert waits == {"+77000000304": ("3", 5070), "+77000000305": (None, None)}
