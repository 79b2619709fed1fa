"""«Сделать сегодня»: which cases, in which order and in which words. In each pair of inputs one thing differs, and it decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis.report import actions
from analysis.report.claims import Claims
from analysis.report.context import DialogReading
from synkro.reporting.body import Action
from synkro.reporting.cases import Case
from tests.analysis.inputs import WINDOW, case, facts, item, plain, read

NOW = WINDOW.end
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONE = "Asia/Almaty"


def build(cases: list[Case], readings: list[DialogReading] | None = None, **more: Any) -> list[dict[str, Any]]:
    repeats = more.pop("repeats", False)
    found = actions.build(facts(cases=cases, **more), readings or [], Claims(), ZONE, repeats)
    return [plain(row) for row in found]


def ids(cases: list[Case], **more: Any) -> list[str]:
    return [one.case.case_id.partition(":")[2] for one in actions.rank(cases, NOW, **more)]


def advised(one: Case, *, before: timedelta = DAY, **then: Any) -> Case:
    """Named by a report ``before`` now; ``then``: what differed from now."""
    return replace(
        one, first_advised_at=NOW - before, advised_as_of=NOW - before, advised_money=then.get("money", one.money)
    )


def test_a_wait_as_a_whole() -> None:
    one = case(
        "a", hours=50, client_name="Лаура", phone="+77010000001", manager_id="7", manager_name="Айбек", deal_id="deal-a",
        deal_name="Кухня", money=450_000,
    )  # fmt: skip
    claims = Claims()
    found = actions.build(facts(cases=[one], quotes={one.case_id: ("a", "m9", "Когда привезёте?")}), [], claims, ZONE)
    assert [plain(row) for row in found] == [
        {
            "case_id": "wait_overdue:a",
            "kind": "wait_overdue",
            "who": "Айбек",
            "manager_id": "7",
            "client": "Лаура",
            "phone_masked": "•••• 0001",
            "text": "Ответить: Лаура, ждёт 2 дня",
            "why": "",
            "quote": "Когда привезёте?",
            "money": 450_000,
            "money_display": "450 000 ₸",
            "dialog_id": "a",
            "deal_id": "deal-a",
            "wait_ids": ["a"],
            "only_waits": True,
            "stem": "Ответить: Лаура, ждёт ",
            "since": one.began_at,
            "claims": [0],
        }
    ]
    assert plain(claims.rows) == [
        {
            "section": "actions",
            "text": "Ответить: Лаура, ждёт 2 дня",
            "dialog_id": "a",
            "message_ids": ["m9"],
            "quote": "Когда привезёте?",
        }
    ]


def test_nobody_and_nothing_have_their_words() -> None:
    (row,) = build([case("a", client_name="", phone="+77010000001", money=0)])
    assert (row["who"], row["client"], row["phone_masked"]) == ("Без ответственного", "Клиент без имени", "•••• 0001")
    assert (row["money_display"], row["claims"], row["deal_id"], row["manager_id"]) == (None, [], None, None)
    (row,) = build([case("a", client_name="+7 701 000 00 01", phone="+77010000001")])
    assert (row["client"], row["phone_masked"]) == ("•••• 0001", None), "who is known by a phone is not shown twice"
    assert "701" not in row["text"]


@pytest.mark.parametrize(
    ("kind", "more", "text", "why"),
    [
        ("wait_overdue", {"acts": ("payment_claimed",)}, "Подтвердить оплату: Клиент a, пишет об оплате, ждёт 1 день", ""),
        ("wait_overdue", {"acts": ("complaint",)}, "Разобрать жалобу: Клиент a, ждёт 1 день", ""),
        ("won_complaint", {}, "Разобрать жалобу: Клиент a, ждёт 1 день", ""),
        ("promise_due", {"what": "photo", "due_at": NOW}, "Выполнить обещание: Клиент a, обещано: фото", "срок прошёл 20 ноября"),
        ("promise_due", {"what": "other", "due_at": NOW + 3 * HOUR}, "Выполнить обещание: Клиент a", "срок 21 ноября"),
        ("unmatched_buyer", {}, "Завести сделку: Клиент a, хочет купить, сделки нет 1 день", ""),
        ("offer_silence", {"what": "file"}, "Напомнить о себе: Клиент a, молчит после расчёта 1 день", ""),
        ("offer_silence", {"what": "sum"}, "Напомнить о себе: Клиент a, молчит после цены 1 день", ""),
        ("deal_stuck", {"deal_name": "Кухня", "stage": "Счёт"}, "Сдвинуть с места: сделка «Кухня», стоит в этапе «Счёт» 1 день", ""),
        ("deal_without_task", {"deal_name": None}, "Поставить задачу: сделка, без задачи 1 день", ""),
    ],
)  # fmt: skip
def test_the_words_of_each_kind(kind: str, more: dict[str, Any], text: str, why: str) -> None:
    (row,) = build([case("a", kind, **more)])
    assert (row["text"], row["why"]) == (text, why)


def test_a_reading_tells_of_a_call_and_of_money_to_be_given_back() -> None:
    (row,) = build([case("a")], [read("a", outcome=item("call"))])
    assert row["text"] == "Перезвонить: Клиент a, ждёт 1 день"
    (row,) = build([case("a")], [read("a", risks=(item("refund"),))])
    assert row["text"] == "Решить вопрос о возврате: Клиент a, ждёт 1 день"


@pytest.mark.parametrize(
    ("hours", "age"),
    [(0.5, "30 мин"), (1.9, "1 ч"), (23.9, "23 ч"), (24, "1 день"), (47.9, "1 день"), (6 * 24, "6 дней")],
)
def test_an_age_is_as_exact_as_a_person_needs_it(hours: float, age: str) -> None:
    (row,) = build([case("a", hours=hours)])
    assert row["text"].endswith(f"ждёт {age}")


# --- order --------------------------------------------------------------------------------------------------


def test_an_action_is_told_as_of_the_moment_it_is_sent() -> None:
    waits, promised = build([case("a", hours=5), case("b", "promise_due", 5, due_at=NOW)])[::-1]
    stored = Action.model_validate_json(Action.model_validate(waits).model_dump_json())
    assert stored.text.endswith("ждёт 5 ч")
    assert plain(actions.as_of(stored, NOW + 11 * HOUR).text) == stored.text.replace("5 ч", "16 ч")
    assert plain(actions.as_of(stored, NOW).text) == stored.text
    # what tells no time stays as it is
    action = Action.model_validate(promised)
    assert actions.as_of(action, NOW + DAY) == action


def test_classes_come_before_money() -> None:
    cases = [
        case("h", "deal_without_task", money=8_000_000),
        case("g", "deal_stuck", money=7_000_000),
        case("f", "offer_silence", money=6_000_000),
        case("e", "unmatched_buyer"),
        case("d", money=5_000_000),
        case("c", "promise_due", money=3),
        case("b", acts=("complaint",), money=2),
        case("a", acts=("payment_claimed", "complaint"), money=1),
    ]
    assert ids(cases) == ids(cases[::-1]) == list("abcdefgh")


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param([case("b", money=1_001), case("a", money=1_000)], id="more money"),
        pytest.param([case("b", money=1_000), case("a")], id="without a price half of what is usual counts"),
        pytest.param([case("b", hours=48), case("a", hours=24)], id="a case of two days presses more than one of one"),
        pytest.param([case("b", hours=72), case("a", hours=10 * 24)], id="of ten days little is left to win"),
        pytest.param([case("b", last_client_at=NOW - HOUR), case("a", last_client_at=NOW - 5 * DAY)], id="spoke last"),
        pytest.param(
            [case("b", "deal_stuck", 20 * 24), case("a", "deal_stuck", 80 * 24)], id="a deal is forgotten later"
        ),
    ],
)
def test_what_puts_b_before_a(pair: list[Case]) -> None:
    assert ids(pair) == ids(pair[::-1]) == ["b", "a"]


def test_the_score_is_money_times_urgency_times_chance() -> None:
    one = case("a", hours=24.25, money=1_000, last_client_at=NOW - 7 * DAY)
    assert actions.score(one, "wait", NOW, 500.0) == pytest.approx(1_000 * 2 * 0.5)
    assert actions.score(replace(one, money=None), "wait", NOW, 500.0) == pytest.approx(500 * 2 * 0.5)
    late = replace(one, opened_at=NOW - 30 * DAY, last_client_at=NOW)
    assert actions.score(late, "wait", NOW, 500.0) == pytest.approx(1_000 * 4), "after three days it presses no more"
    assert actions.score(one, "stuck", NOW, 500.0) == pytest.approx(1_000 * 2 * 2 ** (-7 / 30))


def test_one_a_client_and_ten_at_most() -> None:
    two = [case("a", "deal_stuck", deal_name="Кухня"), case("a", case_id="wait_overdue:a2")]
    (row,) = build(two)
    assert (row["case_id"], row["why"]) == ("wait_overdue:a2", "сделка стоит")
    deals = [case("x", "deal_stuck", client_id=None, deal_id=key, case_id=f"deal_stuck:{key}") for key in "ab"]
    assert len(build(deals)) == 2, "deals nobody is tied to are two"
    assert len(build([case(f"c{n:02}") for n in range(12)])) == actions.MOST


def test_a_side_that_is_read_no_more_advises_nothing() -> None:
    """Its rows stay in the marts as they were on the last day they were read."""
    known = [
        case("a", "deal_stuck", client_id=None, deal_id="1"), case("b", "deal_without_task", deal_id="2"),
        case("c", money=9, deal_id="3", deal_name="Кухня", manager_id="7", manager_name="Асель"), case("c", "deal_stuck", deal_id="3"),
    ]  # fmt: skip

    def of_mode(**numbers: bool) -> list[dict[str, Any]]:
        return actions.build(facts(numbers, cases=known), [], Claims(), "Asia/Almaty")

    assert {row["kind"] for row in of_mode(has_dialogs=False, has_deals=True)} == {"deal_stuck", "deal_without_task"}
    (row,) = of_mode(has_dialogs=True, has_deals=False)
    assert (row["case_id"], row["who"], row["why"]) == ("wait_overdue:c", "Без ответственного", "")
    assert row["money"] is row["deal_id"] is row["manager_id"] is None


# --- what was advised before ------------------------------------------------------------------------------------


def test_what_was_advised_and_got_no_worse_stays_away() -> None:
    assert ids([advised(case("a", hours=72, money=9)), case("b", money=1)]) == ["b"]
    assert ids([advised(case("a", hours=72, money=9)), case("b", money=1)], repeats=True) == ["a", "b"]


@pytest.mark.parametrize(
    "worse",
    [
        pytest.param(advised(case("a", hours=48), before=DAY), id="twice as old"),
        pytest.param(advised(case("a", hours=240, money=11), money=10), id="dearer"),
        pytest.param(advised(case("a", hours=240, last_client_at=NOW - HOUR)), id="the client wrote again"),
        pytest.param(advised(case("a", "promise_due", 240, due_at=NOW - HOUR)), id="the promise broke since"),
    ],
)
def test_what_got_worse_comes_back_with_its_day(worse: Case) -> None:
    (row,) = build([worse])
    assert "2-й день" in row["why"]
    (row,) = build([replace(worse, first_advised_at=NOW - 2 * DAY)])
    assert "3-й день" in row["why"]


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(advised(case("a", hours=20), before=10 * HOUR), id="twice as old within the day"),
        pytest.param(advised(case("a", hours=49), before=DAY), id="not yet twice as old"),
        pytest.param(advised(case("a", hours=240, money=9), money=10), id="cheaper"),
        pytest.param(advised(case("a", "promise_due", 240, due_at=NOW - 3 * DAY)), id="broken already then"),
    ],
)
def test_what_is_as_it_was_does_not(same: Case) -> None:
    assert build([same]) == []


def test_others_of_the_class_come_before_what_comes_back() -> None:
    back = advised(case("a", hours=48, money=9_000_000))
    assert ids([back, case("b", money=1), case("c", "deal_stuck")]) == ["b", "a", "c"]


def test_a_phone_or_a_link_inside_a_name_is_not_shown() -> None:
    (row,) = build([case("a", "deal_stuck", deal_name="Звонить +7 701 555 44 33 http://evil.example/x")])
    assert "4433" in row["text"] and "555" not in row["text"] and "evil" not in row["text"]
