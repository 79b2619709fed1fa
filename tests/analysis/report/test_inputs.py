"""What a report is written from, as the marts are read: which rows, in which order, of which window."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from analysis.report import inputs as fact_sheet
from analysis.report.inputs import Facts
from synkro.database import db
from synkro.reporting import dialogs
from tests.analysis.mart_fixtures import WINDOW, Shop

HOUR = timedelta(hours=1)


def gathered(shop: Shop) -> Facts:
    with db.as_service("test") as connection:
        return fact_sheet.gather(connection, shop.context())


def deal(shop: Shop, deal_id: str, client: str = "c-x", **values: Any) -> None:
    neutral = {"stage_kind": "open", "price": 1, "currency": "KZT", "is_deleted": False, "name": f"Сделка {deal_id}"}
    shop.insert("fct_deals", deal_id=deal_id, client_id=client, **{**neutral, **values})


def test_who_waits_the_dearest_then_the_longest_then_by_id(shop: Shop) -> None:
    shop.summary(messages=9, unanswered_now=6)
    for key, price, hours in (("e", None, 3), ("d", None, 5), ("c", None, 5), ("b", 10, 1), ("a", 10, 2), ("z", 20, 1)):
        shop.dialog(key, f"К: вопрос {key}?", price=price, waits_since=WINDOW.end - hours * HOUR)
    found = gathered(shop)
    assert [wait.dialog_id for wait in found.waiting] == ["z", "a", "b", "c", "d", "e"]
    assert [wait.waiting_minutes for wait in found.waiting] == [60, 120, 60, 300, 300, 180]
    assert found.quotes == {f"w-{key}": (f"{key}/0", f"вопрос {key}?") for key in "zabcde"}


def test_the_deal_of_a_wait_is_the_dearest_open_one_and_its_money_is_that_of_all(shop: Shop) -> None:
    shop.summary(messages=9)
    shop.dialog("a", "К: вопрос?", waits_since=WINDOW.end - HOUR)
    for deal_id, values in {
        "d3": {"price": 5}, "d2": {"price": 7}, "d1": {"price": 7}, "d0": {"price": None}, "d4": {"price": 90, "stage_kind": "won", "closed_at": WINDOW.end - HOUR},
        "d5": {"price": 80, "is_deleted": True}, "d7": {"price": 70, "is_sales": False},
        "d8": {"price": 60, "created_at": WINDOW.end + HOUR},
    }.items():  # fmt: skip
        deal(shop, deal_id, "c-a", **values)
    deal(shop, "d6", "c-other", price=99)
    (wait,) = gathered(shop).waiting
    assert (wait.deal_id, wait.deal_name, wait.price) == ("d1", "Сделка d1", 19)


def test_the_words_of_a_wait_are_the_last_ones_that_ask(shop: Shop) -> None:
    shop.summary(messages=9)
    since = WINDOW.end - HOUR
    shop.dialog("a", "К: первый вопрос?", waits_since=since)
    for message, minutes, values in (
        ("a/1", 10, {"body": "второй вопрос?"}),
        ("a/2", 20, {"body": "спасибо", "needs_reply": False}),
        ("a/3", 30, {"body": ""}),
        ("a/4", 40, {"body": "ответим", "kind": "manager", "direction": "outbound"}),
        ("a/5", 70, {"body": "уже завтра?"}),
        ("a/6", -10, {"body": "вчерашний вопрос?"}),
    ):
        neutral = {"kind": "client", "direction": "inbound", "needs_reply": True}
        shop.insert("fct_messages", message_id=message, dialog_id="a", client_id="c-a", sent_at=since + timedelta(minutes=minutes), **{**neutral, **values})  # fmt: skip
    found = gathered(shop)
    assert [wait.last_text for wait in found.waiting] == ["второй вопрос?"]
    assert found.quotes == {"w-a": ("a/1", "второй вопрос?")}


def test_a_long_question_is_quoted_up_to_two_hundred_characters_at_a_word(shop: Shop) -> None:
    shop.summary(messages=9)
    shop.dialog("a", "К: " + "слово " * 34, waits_since=WINDOW.end - HOUR)
    assert gathered(shop).quotes["w-a"] == ("a/0", " ".join(["слово"] * 33))


def test_why_deals_were_lost_by_number_then_by_money_then_by_name(shop: Shop) -> None:
    inside = WINDOW.start + HOUR
    rows: list[dict[str, Any]] = [
        {"loss_reason": "Дорого", "price": 5, "closed_at": inside},
        {"loss_reason": "Дорого", "price": None, "closed_at": inside},
        {"loss_reason": "Сроки", "price": 7, "closed_at": WINDOW.start},
        {"loss_reason": "Вкус", "price": 3, "closed_at": WINDOW.end - timedelta(seconds=1)},
        {"loss_reason": "Цвет", "price": 3, "closed_at": inside},
        {"loss_reason": "Ушли", "price": None, "closed_at": inside},
        {"loss_reason": "", "price": 2, "closed_at": inside},
        {"loss_reason": None, "price": None, "closed_at": inside},
        {"loss_reason": "Удалена", "closed_at": inside, "is_deleted": True},
        {"loss_reason": "Открыта", "closed_at": inside, "stage_kind": "open"},
        {"loss_reason": "Выиграна", "closed_at": inside, "stage_kind": "won"},
        {"loss_reason": "Завтра", "closed_at": WINDOW.end},
        {"loss_reason": "Вчера", "closed_at": WINDOW.start - timedelta(seconds=1)},
    ]
    for n, row in enumerate(rows):
        deal(shop, f"deal{n}", **{"stage_kind": "lost", **row})
    assert gathered(shop).lost == [
        {"reason": reason, "count": count, "amount": amount, "dialog_ids": [], "deal_ids": deals}
        for reason, count, amount, deals in (
            ("Дорого", 2, 5, ["deal0", "deal1"]),
            ("Причина не указана", 2, 2, ["deal6", "deal7"]),
            ("Сроки", 1, 7, ["deal2"]),
            ("Вкус", 1, 3, ["deal3"]),
            ("Цвет", 1, 3, ["deal4"]),
            ("Ушли", 1, 0, ["deal5"]),
        )
    ]


def test_a_reason_opens_the_dialogs_of_its_clients_and_the_deals_of_the_others(shop: Shop) -> None:
    shop.dialog("a", "К: вопрос?")
    shop.dialog("b", "К: вопрос?")
    for n, (client, price) in enumerate((("c-a", 5), ("c-a", 4), ("c-b", 9), ("c-x", 1))):
        deal(shop, f"deal{n}", client, stage_kind="lost", loss_reason="Дорого", price=price, closed_at=WINDOW.start)
    for n in range(8):
        deal(shop, f"silent{n}", f"c-{n}", stage_kind="lost", loss_reason="Сроки", price=8 - n, closed_at=WINDOW.start)
    deal(shop, "complaint", stage_kind="lost", loss_reason="Дорого", closed_at=WINDOW.start, is_sales=False)
    silent, dear = gathered(shop).lost
    assert (dear["count"], dear["dialog_ids"], dear["deal_ids"]) == (4, ["b", "a"], ["deal3"])
    assert (silent["count"], silent["dialog_ids"]) == (8, [])
    assert silent["deal_ids"] == [f"silent{n}" for n in range(6)], "the dearest six"


def test_the_currency_is_the_one_of_most_deals(shop: Shop) -> None:
    assert gathered(shop).currency is None
    for n, currency in enumerate(("USD", "USD", "KZT", "", "", "")):
        deal(shop, f"deal{n}", currency=currency)
    assert gathered(shop).currency == "USD"
    deal(shop, "deal9", currency="KZT")
    assert gathered(shop).currency == "KZT", "of two equal ones the first by name"


def test_managers_and_dialogs_the_busiest_first(shop: Shop) -> None:
    for key, answered, sent in (("4", 1, 9), ("3", 2, 5), ("2", 2, 7), ("1", 2, 5)):
        shop.manager(key, f"Менеджер {key}", waits_answered=answered, messages_sent=sent)
    assert [row["manager_id"] for row in gathered(shop).managers] == ["2", "1", "3", "4"]
    for key, lines in (("c", 1), ("b", 2), ("a", 1)):
        shop.dialog(key, "\n".join(["К: строка"] * lines))
    with db.as_service("test") as connection:
        found = dialogs.in_window(connection, shop.tenant_id, WINDOW)
    assert [(one.dialog_id, one.messages) for one in found] == [("b", 2), ("a", 1), ("c", 1)]


def test_the_words_of_fifteen_waits_are_looked_up(shop: Shop) -> None:
    shop.summary(messages=40)
    for n in range(16):
        shop.dialog(f"d{n:02}", f"К: вопрос {n}?", price=100 - n, waits_since=WINDOW.end - HOUR)
    assert sorted(gathered(shop).quotes) == [f"w-d{n:02}" for n in range(15)]
