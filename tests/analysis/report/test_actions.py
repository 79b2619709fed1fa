"""«Сделать»: which clients, in which order and in which words. In each pair of inputs one thing differs, and it decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from analysis.report import actions
from analysis.report.claims import Claims
from analysis.report.context import DialogReading
from synkro.metrics.queries import Waiting
from tests.analysis.inputs import DAY, facts, item, plain, promise, read, wait


def build(
    waits: list[Waiting] | None = None, readings: list[DialogReading] | None = None, **more: Any
) -> list[dict[str, Any]]:
    found = actions.build(facts(waiting=waits or [], **more), readings or [], Claims(), DAY)
    return [plain(row) for row in found]


def clients(waits: list[Waiting] | None = None, readings: list[DialogReading] | None = None, **more: Any) -> list[str]:
    return [row["client"].removeprefix("Клиент ") for row in build(waits, readings, **more)]


def test_a_wait_as_a_whole() -> None:
    one = wait(
        "a", 185, client_name="Айгерим", phone="+77010000001", is_overdue=True, manager_id="7", manager_name="Асель",
        deal_id="deal-a", deal_name="Кухня", price=450_000,
    )  # fmt: skip
    claims = Claims()
    found = actions.build(facts(waiting=[one], quotes={"w-a": ("m9", "Когда привезёте?")}), [], claims, DAY)
    assert [plain(row) for row in found] == [
        {
            "who": "Асель",
            "manager_id": "7",
            "client": "Айгерим",
            "phone_masked": "•••• 0001",
            "text": "Ответьте на «Когда привезёте?»",
            "why": "ждёт 3 ч 5 мин, дольше цели",
            "money": 450_000,
            "money_display": "450 000 ₸",
            "dialog_id": "a",
            "deal_id": "deal-a",
            "claims": [0],
        }
    ]
    assert plain(claims.rows) == [
        {
            "section": "actions",
            "text": "Ответьте на «Когда привезёте?»: ждёт 3 ч 5 мин, дольше цели",
            "dialog_id": "a",
            "message_ids": ["m9"],
            "quote": "Когда привезёте?",
        }
    ]


def test_nobody_and_nothing_have_their_words() -> None:
    (row,) = build([wait("a", 60, client_name="", phone="+77010000001", price=0)])
    assert (row["who"], row["client"], row["phone_masked"]) == ("Без ответственного", "Клиент без имени", "•••• 0001")
    assert (row["money_display"], row["claims"], row["deal_id"], row["manager_id"]) == (None, [], None, None)
    (row,) = build([wait("a", client_name="+7 701 000 00 01", phone="+77010000001")])
    assert (row["client"], row["phone_masked"]) == ("•••• 0001", None), "who is known by a phone is not shown twice"


@pytest.mark.parametrize(
    ("deal", "quoted", "calls", "text", "why"),
    [
        (None, False, False, "Ответьте клиенту", "ждёт 1 ч"),
        ("Кухня", False, False, "Ответьте клиенту по сделке «Кухня»", "ждёт 1 ч"),
        ("Кухня", True, False, "Ответьте на «Почём?»", "ждёт 1 ч"),
        ("Кухня", True, True, "Перезвоните клиенту", "ждёт 1 ч, просит позвонить"),
        ("Кухня", False, True, "Перезвоните клиенту", "ждёт 1 ч, просит позвонить"),
    ],
)
def test_the_words_of_a_wait(deal: str | None, quoted: bool, calls: bool, text: str, why: str) -> None:
    outcome = item("call" if calls else "thinking")
    (row,) = build(
        [wait("a", deal_name=deal)],
        [read("a", outcome=outcome)],
        quotes={"w-a": ("m1", "Почём?")} if quoted else {},
    )
    assert (row["text"], row["why"]) == (text, why)


def test_long_words_are_cut_at_a_word() -> None:
    long = "слово " * 40
    (row,) = build([wait("a", deal_name=long)])
    assert row["text"] == "Ответьте клиенту по сделке «" + "слово " * 8 + "слово…»"
    (row,) = build([wait("a")], quotes={"w-a": ("m1", long.strip())})
    assert row["text"] == "Ответьте на «" + "слово " * 13 + "слово…»"


# --- order --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "waits",
    [
        pytest.param([wait("b", 60, price=1_000), wait("a", 60, price=999)], id="more money"),
        pytest.param([wait("b", 60, price=1), wait("a", 60)], id="some money"),
        pytest.param([wait("b", 60, price=1), wait("a", 60, price=0)], id="no price is no money"),
        pytest.param([wait("b", 61), wait("a", 60)], id="a longer wait"),
        pytest.param([wait("b", 60, is_overdue=True), wait("a", 79)], id="overdue outweighs ten hours of waiting"),
        pytest.param([wait("b", 1, is_overdue=True), wait("a", 20 * 60)], id="just overdue is as twenty hours"),
        pytest.param([wait("b", 48 * 60), wait("a", 48 * 60 - 1)], id="up to two days count"),
        pytest.param([wait("b", 20 * 60 + 2), wait("a", 1, is_overdue=True)], id="twenty hours and a little more"),
    ],
)
def test_what_puts_b_before_a(waits: list[Waiting]) -> None:
    assert clients(waits) == clients(waits[::-1]) == ["b", "a"]


def test_after_two_days_a_wait_weighs_no_more_and_ties_go_by_id() -> None:
    waits = [wait("b", 48 * 60 + 60), wait("a", 48 * 60)]
    assert clients(waits) == clients(waits[::-1]) == ["a", "b"]


def test_the_weights_of_reasons() -> None:
    """A refund, a complaint, a promise kept from a waiting client, one due, one due tomorrow, three hours of waiting."""
    readings = [
        read("f", promises=(promise("скину", DAY + timedelta(days=1)),)),
        read("e", promises=(promise("скину", DAY),)),
        read("d", risks=(item("broken_promise"),)),
        read("c", risks=(item("complaint"),)),
        read("b", risks=(item("refund"),)),
    ]
    waits = [wait("d", 3 * 60), wait("g", 3 * 60)]
    assert clients(waits, readings) == ["b", "c", "d", "e", "f", "g"]
    assert clients([wait("z", 16 * 60 - 1)], readings[:1]) == ["f", "z"], "due tomorrow is as sixteen hours"
    assert clients([wait("z", 16 * 60 + 1)], readings[:1]) == ["z", "f"]
    assert clients([wait("z", 24 * 60 - 1)], readings[1:2]) == ["e", "z"], "due today is as a day"
    assert clients([wait("z", 24 * 60 + 1)], readings[1:2]) == ["z", "e"]


def test_exact_weights() -> None:
    """Against an overdue wait, which weighs ten and half a point an hour."""
    for kind, hours in (("refund", 40), ("complaint", 30)):
        reading = read("a", risks=(item(kind),))
        assert clients([wait("z", hours * 60 - 1, is_overdue=True)], [reading]) == ["a", "z"], kind
        assert clients([wait("z", hours * 60 + 1, is_overdue=True)], [reading]) == ["z", "a"], kind
    reading = read("a", risks=(item("broken_promise"),))
    assert clients([wait("a", 120), wait("z", 12 * 60 - 1, is_overdue=True)], [reading]) == ["a", "z"], "15 + 1 points"
    assert clients([wait("a", 120), wait("z", 12 * 60 + 1, is_overdue=True)], [reading]) == ["z", "a"]


def test_the_open_deal_of_a_reading_weighs_and_a_closed_one_does_not() -> None:
    def found(kind: str) -> list[dict[str, Any]]:
        deal = {"price": 500_000, "stage_kind": kind, "deal_id": "deal-b"}
        return build([], [read("a", risks=(item("refund"),)), read("b", deal=deal, risks=(item("refund"),))])

    assert [(row["client"], row["money"], row["deal_id"]) for row in found("open")] == [
        ("Клиент b", 500_000, "deal-b"),
        ("Клиент a", None, None),
    ]
    assert [(row["client"], row["money"]) for row in found("won")] == [("Клиент a", None), ("Клиент b", None)]


def test_ten_at_most_and_one_a_client() -> None:
    found = build([wait(f"c{n:02}", 100 - n) for n in range(12)])
    assert [row["client"] for row in found] == [f"Клиент c{n:02}" for n in range(10)]
    both = build([wait("a", 60), wait("a", 30, wait_id="w-second", dialog_id="a2")])
    assert [(row["text"], row["why"], row["dialog_id"]) for row in both] == [
        ("Ответьте клиенту", "ждёт 1 ч, ждёт 30 мин", "a")
    ]


# --- several reasons ----------------------------------------------------------------------------------------


def test_the_heaviest_reason_gives_the_words_and_stands_first() -> None:
    (row,) = build(
        [wait("a", 120, manager_name="Асель", manager_id="7")],
        [read("a", risks=(item("complaint", "Всё криво"),), promises=(promise("Скину фото", DAY),))],
        quotes={"w-a": ("m5", "Когда?")},
    )
    assert (row["text"], row["why"], row["who"]) == (
        "Разберите жалобу",
        "жалуется, ждёт 2 ч, срок прошёл 20 ноября",
        "Асель",
    )
    assert row["claims"] == [0, 1, 2]


def test_the_evidence_is_in_the_order_of_the_reasons() -> None:
    claims = Claims()
    reading = read(
        "a", risks=(item("complaint", "Всё криво", "m2"),), promises=(promise("Скину", DAY, message_ids=("m3",)),)
    )
    actions.build(facts(waiting=[wait("a")], quotes={"w-a": ("m1", "Когда?")}), [reading], claims, DAY)
    assert [(row["message_ids"], row["quote"]) for row in claims.rows] == [
        (["m1"], "Когда?"),
        (["m2"], "Всё криво"),
        (["m3"], "Скину точно"),
    ]
    assert {row["section"] for row in claims.rows} == {"actions"}


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("refund", "Решите вопрос о возврате денег", "требует вернуть деньги"),
        ("complaint", "Разберите жалобу", "жалуется"),
    ],
)
def test_the_words_of_a_risk(kind: str, text: str, why: str) -> None:
    (row,) = build([], [read("a", risks=(item(kind),))])
    assert (row["text"], row["why"]) == (text, why)


def test_a_broken_promise_is_an_action_only_while_the_client_waits() -> None:
    reading = read("a", risks=(item("broken_promise"),))
    assert build([], [reading]) == []
    (row,) = build([wait("a", 60)], [reading])
    assert (row["text"], row["why"]) == ("Ответьте по обещанному", "напоминает об обещании, ждёт 1 ч")


def test_the_first_risk_that_weighs_is_taken_and_others_are_none() -> None:
    (row,) = build([], [read("a", risks=(item("angry"), item("complaint"), item("refund")))])
    assert (row["text"], row["why"]) == ("Разберите жалобу", "жалуется")
    (row,) = build([], [read("a", risks=(item("broken_promise"), item("refund")))])
    assert row["text"] == "Решите вопрос о возврате денег", "a broken promise of one who does not wait is passed over"
    assert build([], [read("a", risks=(item("angry"), item("rude_manager"), item("wrong_price")))]) == []


@pytest.mark.parametrize(
    ("days", "why"),
    [(-1, "срок прошёл 19 ноября"), (0, "срок прошёл 20 ноября"), (1, "срок 21 ноября"), (2, None)],
)
def test_a_promise_is_due_until_tomorrow(days: int, why: str | None) -> None:
    found = build([], [read("a", promises=(promise("Скину расчёт", DAY + timedelta(days=days)),))])
    assert [(row["text"], row["why"]) for row in found] == (
        [] if why is None else [("Выполните обещание «Скину расчёт точно»", why)]
    )


def test_kept_promises_and_those_of_clients_or_without_a_day_are_nobodys_action() -> None:
    for changes in ({"kept": True}, {"who": "client"}, {"deadline": None}):
        assert build([], [read("a", promises=(promise("Скину", **{"deadline": DAY, **changes}),))]) == [], changes


def test_equal_reasons_and_evidence_are_said_once() -> None:
    same = promise("Скину", DAY)
    (row,) = build([], [read("a", promises=(same, same))])
    assert row["why"] == "срок прошёл 20 ноября" and row["claims"] == [0]


def test_a_phone_or_a_link_inside_words_is_not_shown() -> None:
    (row,) = build([wait("a")], quotes={"w-a": ("m1", "Звоните +7 701 555 44 33 или http://evil.example/x")})
    assert row["text"] == "Ответьте на «Звоните •••• 4433 или [ссылка]»"
