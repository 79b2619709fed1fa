"""«Главное»: which sentence is chosen, in which words, and what stands behind it."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.report import headline
from analysis.report.claims import Claims
from analysis.report.inputs import Facts
from analysis.report.numbers import figures
from synkro.metrics.registry import REPORTED
from tests.analysis.inputs import facts, numbers_of, plain, wait


def said(sheet: Facts, complaints: tuple[str, ...] = (), quiet: bool = False, kind: str = "daily") -> list[str]:
    found = headline.by_code(sheet, figures.rows(sheet, None), complaints, quiet, kind)
    assert all(one["claims"] == [] for one in found)
    return [plain(one["text"]) for one in found]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"unanswered_now": 2, "unanswered_overdue": 1, "money_at_risk": 1_650_000},
         "На конец дня ответа ждали 2 клиента, из них 1 дольше цели; под риском 1 650 000 ₸."),
        ({"unanswered_now": 1, "unanswered_overdue": 1, "money_at_risk": 0}, "На конец дня ответа ждал 1 клиент, дольше цели."),
        ({"unanswered_now": 5, "unanswered_overdue": 5, "money_at_risk": 0}, "На конец дня ответа ждали 5 клиентов, все дольше цели."),
        ({"unanswered_now": 21, "unanswered_overdue": 0, "money_at_risk": 0}, "На конец дня ответа ждал 21 клиент."),
        ({"unanswered_now": 11, "unanswered_overdue": None, "money_at_risk": 9}, "На конец дня ответа ждали 11 клиентов; под риском 9 ₸."),
        ({"unanswered_now": 0}, "На конец дня все клиенты получили ответ."),
    ],
)  # fmt: skip
def test_who_waits(numbers: dict[str, Any], text: str) -> None:
    assert said(facts(numbers_of(**numbers)))[0] == text


def test_overdue_waits_are_counted_from_the_list_when_the_number_is_absent() -> None:
    numbers = numbers_of(unanswered_now=2, money_at_risk=0)
    del numbers["unanswered_overdue"]
    waits = [wait("a", is_overdue=True), wait("b")]
    assert said(facts(numbers, waiting=waits))[0] == "На конец дня ответа ждали 2 клиента, из них 1 дольше цели."


def test_all_answered_is_said_only_of_a_complete_day_with_questions() -> None:
    rest = ["Первый ответ (медиана): 12 мин."]
    assert said(facts(numbers_of(unanswered_now=0))) == ["На конец дня все клиенты получили ответ.", *rest]
    assert said(facts(numbers_of(unanswered_now=0, is_complete=False))) == rest
    assert said(facts(numbers_of(unanswered_now=0, waits=0))) == rest


@pytest.mark.parametrize(
    ("won", "amount", "text"),
    [
        (1, 900, "Закрыта 1 продажа на 900 ₸."), (3, 900, "Закрыты 3 продажи на 900 ₸."), (5, 0, "Закрыто 5 продаж."),
        (0, 0, "Продаж за период не было."),
    ],
)  # fmt: skip
def test_without_chats_the_first_sentence_is_of_sales(won: int, amount: int, text: str) -> None:
    assert said(facts({"deals": 4, "deals_won": won, "deals_won_amount": amount}))[0] == text
    assert said(facts({})) == []


@pytest.mark.parametrize(
    ("dialogs", "text"),
    [
        (("a",), "Жалуется 1 клиент: разберите в первую очередь."),
        (("a", "b", "b"), "Жалуются 2 клиента: разберите в первую очередь."),
        (("a", "b", "c", "d", "e"), "Жалуются 5 клиентов: разберите в первую очередь."),
    ],
)
def test_complaints_come_before_numbers(dialogs: tuple[str, ...], text: str) -> None:
    assert said(facts(usual={"first_response_p50": 1.0}), dialogs)[1] == text


def test_the_number_that_moved_most_is_told() -> None:
    """Each by its share of the usual, and only what chance does not explain."""
    numbers = numbers_of(dialogs=36, deals_won=20, first_response_p50=8.0)
    usual = {"dialogs": 30.0, "deals_won": 50.0, "first_response_p50": 8.0}
    assert said(facts(numbers, usual=usual))[1] == "Продажи: 20, обычно 50."
    assert said(facts(numbers, usual={**usual, "dialogs": 18.0}))[1] == "Диалоги: 36, обычно 18."
    assert said(facts({**numbers, "deals_won": 80}, usual={**usual, "dialogs": 24.5}))[1] == "Продажи: 80, обычно 50."
    assert said(facts(numbers, usual={**usual, "dialogs": 0.0}))[1] == "Диалоги: 36, обычно 0."


def test_of_equal_moves_the_more_telling_number_is_told() -> None:
    order = ["first_response_p50", "answered_within_target", "deals_won", "dialogs", "new_clients", "deals_lost"]
    values = {
        "first_response_p50": 20.0,
        "answered_within_target": 0.8,
        "deals_won": 200,
        "dialogs": 200,
        "new_clients": 200,
        "deals_lost": 200,
    }
    sheet = numbers_of(**values)
    for at in range(len(order)):
        usual = {key: values[key] / 2 for key in order[at:]} | {key: float(values[key]) for key in order[:at]}
        label = REPORTED[order[at]].short_label("ru")
        assert said(facts(sheet, usual=usual))[1].startswith(f"{label}: "), order[at]


def test_numbers_that_are_not_compared_never_lead() -> None:
    usual = {"messages": 1.0, "waits": 1.0, "deals_won_amount": 1.0, "first_response_p50": 12.0}
    assert said(facts(usual=usual))[1] == "Первый ответ (медиана): 12 мин, как обычно."


def test_without_a_usual_the_day_is_told_as_it_was() -> None:
    numbers = numbers_of()
    assert said(facts(numbers))[1] == "Первый ответ (медиана): 12 мин."
    del numbers["first_response_p50"]
    assert said(facts(numbers))[1] == "Продажи: 3."
    assert said(facts(numbers, usual={"deals_won": 3.0}))[1] == "Продажи: 3.", "three are no «as usual»"
    assert said(facts({**numbers, "deals_won": 12}, usual={"deals_won": 12.0}))[1] == "Продажи: 12, как обычно."
    few = numbers_of(first_response_n=9)
    assert said(facts(few, usual={"first_response_p50": 1.0}))[1] == "Продажи: 3.", "a median of nine leads nothing"
    for key in ("deals_won", "deals", "deals_lost"):
        del numbers[key]
    assert said(facts(numbers))[1] == "Диалоги: 7."


@pytest.mark.parametrize(
    ("kind", "text"),
    [("daily", "Тихий день"), ("weekly", "Тихая неделя"), ("monthly", "Тихий месяц"), ("forced", "Тихий день")],
)
def test_a_quiet_time(kind: str, text: str) -> None:
    assert said(facts({}), ("a",), True, kind) == [
        f"{text}: новых обращений не было.",
        "Ждущих ответа клиентов и срочных дел нет.",
    ]


def test_the_sheet_of_the_model() -> None:
    """What a model may speak of: a number that is there, in words, with the way it moved."""
    numbers = numbers_of(deals_lost=0, answered_within_target_n=3, unanswered_overdue=21)
    sheet = facts(numbers, usual={"dialogs": 5.0, "first_response_p50": 20.0, "new_clients": 3.0})
    found = headline.sheet(sheet, figures.rows(sheet, None), ("a", "b", "b"))
    assert [(key, f.key, plain(f.display), f.direction, f.good) for key, f in found.items()] == [
        ("unanswered_now", "unanswered_now", "2 клиента", "none", None),
        ("unanswered_overdue", "unanswered_overdue", "21 клиент", "none", None),
        ("money_at_risk", "money_at_risk", "1 650 000 ₸", "none", None),
        ("first_response_p50", "first_response_p50", "12 мин", "down", True),
        ("dialogs", "dialogs", "7 диалогов", "none", None),
        ("new_clients", "new_clients", "3 новых клиента", "none", None),
        ("deals_won", "deals_won", "3 продажи", "none", None),
        ("deals_won_amount", "deals_won_amount", "870 000 ₸", "none", None),
        ("complaints", "complaints", "2 жалобы", "none", None),
    ]
    assert "complaints" not in headline.sheet(sheet, figures.rows(sheet, None), ())
    assert headline.sheet(facts({}), [], ()) == {}


def test_the_first_sentence_shows_the_evidence_of_the_first_three_actions() -> None:
    claims = Claims()
    acts = [
        {"claims": [claims.add("actions", f"дело {key}", key, ["m1", "m2"], f"слова {n}") for n in range(2)]}
        for key in "abcd"
    ]
    acts.insert(1, {"claims": []})
    sentences = headline.with_claims([{"text": "Раз.", "claims": []}, {"text": "Два.", "claims": []}], acts, claims)
    assert sentences == [{"text": "Раз.", "claims": [8, 9]}, {"text": "Два.", "claims": []}]
    assert claims.rows[8:] == [
        {"section": "headline", "text": "Раз.", "dialog_id": key, "message_ids": ["m1", "m2"], "quote": "слова 0"}
        for key in "ab"
    ]
    assert headline.with_claims([], acts, claims) == []
    assert headline.with_claims([{"text": "Раз.", "claims": []}], [], claims) == [{"text": "Раз.", "claims": []}]
