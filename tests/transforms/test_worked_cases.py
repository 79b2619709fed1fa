"""The worked cases of metrics.md from raw rows to marts: two tenants with the same ids and different truths."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.dbt import project
from synkro.core.settings import settings
from synkro.core.windows import Window
from tests.transforms.conftest import Company

MON, TUE, THU = "2026-03-02 ", "2026-03-03 ", "2026-03-05 "
Built = tuple[Company, Company, Window]

#: client → [(moment, who, text)], and what marts must say: [(response, is_first_response, is_breached)] of its waits
CASES: dict[int, tuple[list[tuple[str, str, str]], list[tuple[float | None, bool, bool]]]] = {
    1: ([(MON + "10:00", "client", "Есть в наличии?"), (MON + "10:07", "us", "Да")], [(7, True, False)]),
    2: (
        [(MON + "10:00", "client", "Добрый день"), (MON + "10:05", "client", "Алло"), (MON + "10:20", "client", "?"),
         (MON + "10:25", "us", "Здравствуйте")],
        [(25, True, True)],
    ),
    3: ([(MON + "12:50", "client", "Цена?"), (MON + "14:05", "us", "Сто")], [(15, True, False)]),
    4: ([(MON + "19:30", "client", "Работаете?"), (TUE + "09:10", "us", "С девяти")], [(10, True, False)]),
    7: (
        [(MON + "10:00:00", "client", "Здравствуйте"), (MON + "10:00:02", "us", "Вы позвонили в робота"),
         (MON + "10:40", "us", "Слушаю вас")],
        [(40, True, True)],
    ),
    8: (
        [(MON + "10:00", "us", "Ваш заказ готов"), (MON + "10:30", "client", "Когда забрать"), (MON + "10:34", "us", "Сегодня")],
        [(4, False, False)],
    ),
    9: (
        [(MON + "10:00", "client", "Адрес?"), (MON + "10:05", "us", "Абая, 1"), (MON + "10:06", "client", "Спасибо")],
        [(5, True, False)],
    ),
    11: ([(MON + "16:00", "client", "Жду ответа, вы тут")], [(None, True, True)]),
    14: (
        [(MON + "10:00", "client", "Нужна рассрочка"), (MON + "10:05", "us", "Сделаем"), (THU + "10:00", "client", "А доставка"),
         (THU + "10:03", "us", "Тоже")],
        [(5, True, False), (3, True, False)],
    ),
}  # fmt: skip


def phone(number: int) -> str:
    return f"+7700000{number:04}"


@pytest.fixture(scope="module")
def built(company: Callable[..., Company], work: Path) -> Built:
    ours, others = company("ours"), company("others")
    for tenant in (ours, others):
        tenant.manager(71, "Анна")
        tenant.manager(72, "Борис")
        tenant.pipeline(5)
        tenant.put("raw_radist.sources", id=1, type="whatsapp")
        tenant.put("raw_radist.sources", id=2, type="telegram")
    for number, (lines, _) in CASES.items():
        ours.chat(number, phone(number))
        for at, who, text in lines:
            ours.say(number, at, who, text)
    # 10: two managers, each answer to its author
    ours.contact(10, phone(10))
    ours.deal(10, 10, manager=72, price=500)
    ours.chat(10, phone(10))
    ours.say(10, MON + "10:00", "client")
    ours.say(10, MON + "10:10", "us", "Первый ответ", by=71, contact=10)
    ours.say(10, MON + "10:20", "client")
    ours.say(10, MON + "10:50", "us", "Второй ответ")
    # two phones of one contact, two channels: one client; a call closes, a short one does not
    ours.contact(20, phone(21), phone(20))
    ours.deal(20, 20, manager=71, price=700)
    ours.deal(21, 20, manager=71, price=0)
    ours.chat(20, phone(20))
    ours.chat(21, phone(21), connection=2)
    ours.say(20, MON + "11:00", "client", "Пишу в ватсап")
    ours.say(21, MON + "11:06", "us", "Отвечаю в телеграм")
    ours.say(21, MON + "15:00", "client", "Позвоните")
    ours.call(1, 20, MON + "15:02", 14, 71)
    ours.call(2, 20, MON + "15:08", 15, 72)
    ours.say(20, MON + "17:30", "client", "Где мой заказ")
    # left out: a group and an internal number
    ours.configure(excluded_phones=[phone(99)])
    ours.chat(98, None, is_group=True)
    ours.chat(99, phone(99))
    ours.say(98, MON + "10:00", "client")
    ours.say(99, MON + "10:00", "client")
    # the neighbour has the same chat and deal ids, and one message
    others.contact(10, phone(10))
    others.deal(10, 10, manager=72, price=9_000_000)
    others.chat(10, phone(10))
    others.say(10, MON + "10:00", "client", "Чужое")
    window = ours.window(MON + "06:00", TUE + "06:00", as_of=TUE + "12:00")
    others.window(MON + "06:00", TUE + "06:00")
    assert {r.status for r in ours.build(window, work=work)} == {"success"}
    others.build(window, work=work)
    return ours, others, window


@pytest.mark.assurance
@pytest.mark.parametrize("number", CASES)
def test_worked_case(built: Built, number: int) -> None:
    waits = built[0].rows("marts.fct_waits", where=f"dialog_id = '{number}'", order="opened_at")

    found = [(wait["response_minutes"], wait["is_first_response"], wait["is_breached"]) for wait in waits]
    assert found == [(None if m is None else Decimal(m), first, late) for m, first, late in CASES[number][1]]


def test_case_04_belongs_to_monday(built: Built) -> None:
    (wait,) = built[0].rows("marts.fct_waits", where="dialog_id = '4'")

    assert str(wait["business_date"]) == "2026-03-02"
    assert wait["response_minutes_calendar"] == 820


def test_case_07_knows_the_robot(built: Built) -> None:
    kinds = [row["kind"] for row in built[0].rows("marts.fct_messages", where="dialog_id = '7'", order="sent_at")]

    assert kinds == ["client", "bot", "manager"]


def test_case_08_was_begun_by_us(built: Built) -> None:
    (session,) = built[0].rows("marts.fct_sessions", where=f"client_id = '{phone(8)}'")

    assert (session["initiated_by"], session["first_response_minutes"]) == ("manager", None)


def test_case_10_credits_each_author_and_says_how_it_knows(built: Built) -> None:
    waits = built[0].rows("marts.fct_waits", where="dialog_id = '10'", order="opened_at")

    found = [(w["replied_by"], w["replied_by_source"], w["response_minutes"]) for w in waits]
    assert found == [("71", "event", 10), ("72", "deal", 30)]


def test_case_14_is_two_sessions(built: Built) -> None:
    sessions = built[0].rows("marts.fct_sessions", where=f"client_id = '{phone(14)}'", order="started_at")

    assert [session["first_response_minutes"] for session in sessions] == [5, 3]


def test_one_client_in_two_channels_and_on_the_phone(built: Built) -> None:
    ours = built[0]
    waits = ours.rows("marts.fct_waits", where=f"client_id = '{phone(20)}'", order="opened_at")

    assert [(w["closed_by"], w["response_minutes"], w["replied_by"]) for w in waits] == [
        ("other_channel", 6, "71"),
        ("call", 8, "72"),
        (None, None, None),
    ]
    (client,) = ours.rows("marts.dim_clients", where=f"client_id = '{phone(20)}'")
    assert (client["dialog_count"], client["deal_count"], client["match_status"]) == (2, 2, "matched")
    assert {row["channel"] for row in ours.rows("marts.dim_dialogs", where=f"client_id = '{phone(20)}'")} == {
        "whatsapp",
        "telegram",
    }


def test_the_summary_of_the_window(built: Built) -> None:
    ours, _, window = built
    (row,) = ours.rows("marts.period_summary")

    assert (row["window_start"], row["window_end"]) == (window.start, window.end)
    # nine single clients and the two with a deal; case 14 comes back on Thursday
    expected = {
        "messages": 29, "dialogs": 12, "clients": 11, "excluded_dialogs": 2, "waits": 14, "waits_answered": 12,
        "breached": 5, "unanswered_now": 3, "unanswered_overdue": 2, "money_at_risk": 700, "deals_at_risk": 2,
        "money_at_risk_unpriced": 1, "deals": 3, "dialogs_matched": 3, "dialogs_no_contact": 9, "off_hours_answers": 0,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert row["match_rate"] == Decimal("0.25")


def test_managers_add_up_to_the_summary(built: Built) -> None:
    ours = built[0]
    (total,) = ours.rows("marts.period_summary")
    rows = {row["manager_id"]: row for row in ours.rows("marts.period_managers")}

    assert sum(row["waits_answered"] for row in rows.values()) + total["waits_unattributed"] == total["waits_answered"]
    assert (rows["71"]["waits_answered"], rows["71"]["open_overdue"]) == (2, 1)
    assert (rows["72"]["waits_answered"], rows["72"]["response_p50"]) == (2, 19)


def test_every_data_test_passes(built: Built, work: Path) -> None:
    ours, _, window = built
    results = project.test_tenant(
        ours.url, settings().data_dir, tenant_id=ours.tenant_id, window_start=window.start, window_end=window.end,
        work_dir=work, everything=True,
    )  # fmt: skip

    assert len(results) > 40
    assert {r.unique_id: r.message for r in results if r.status != "pass"} == {}


def test_the_neighbour_has_its_own_truth(built: Built) -> None:
    _, others, _ = built
    (row,) = others.rows("marts.period_summary")

    assert (row["messages"], row["waits"], row["money_at_risk"]) == (1, 1, 9_000_000)
    assert {r["body"] for r in others.rows("marts.fct_messages")} == {"Чужое"}


def test_members_see_their_tenant_and_strangers_nothing(built: Built, connection: Any) -> None:
    ours, others, _ = built
    user = connection.execute("insert into auth.users (email) values ('a@example.test') returning id").fetchone()["id"]
    connection.execute(
        "insert into synkro.user_roles (user_id, tenant_id, role) values (%s, %s, 'user')", (user, ours.tenant_id)
    )

    def seen(sub: str, relation: str) -> set[Any]:
        with connection.transaction():
            connection.execute(
                "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)",
                (f'{{"sub": "{sub}"}}',),
            )
            return {row["tenant_id"] for row in connection.execute(f"select tenant_id from {relation}")}

    assert others.tenant_id != ours.tenant_id
    for name in _marts(connection):
        assert seen(str(user), f"marts.{name}") <= {ours.tenant_id}, name
        assert seen("00000000-0000-0000-0000-00000000dead", f"marts.{name}") == set(), name
    # the twin that must succeed, through both entry points
    assert seen(str(user), "marts.fct_messages") == seen(str(user), "api.period_summary") == {ours.tenant_id}


def _marts(connection: Any) -> list[str]:
    rows = connection.execute(
        "select relname from pg_class where relnamespace = 'marts'::regnamespace and relkind = 'r'"
    )
    return [row["relname"] for row in rows]
