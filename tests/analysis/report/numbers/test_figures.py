"""Numbers and managers: which are shown, in which order, in which words, and which way an arrow points."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.report.numbers import figures
from synkro.metrics.queries import Baseline
from synkro.metrics.registry import REPORTED, SUMMARY
from tests.analysis.inputs import facts, numbers_of, plain


def row(key: str, value: Any, usual: float | None = None, gap: dict[str, Any] | None = None, **numbers: Any) -> Any:
    """The line of one number. Everything else is neutral unless it is named."""
    known = {"messages": 1, "deals": 1, key: value, **numbers}
    sheet = facts(known, usual={} if usual is None else {key: usual})
    return plain(figures.row_of(REPORTED[key], sheet, gap))


def keys(numbers: dict[str, Any], **usual: float) -> list[str]:
    return [one["key"] for one in figures.rows(facts(numbers, usual=usual), None)]


# --- which numbers ------------------------------------------------------------------------------------------


def test_the_first_five_depend_on_what_there_is() -> None:
    whole = numbers_of(deals_new=2)
    assert keys(whole)[:5] == ["dialogs", "first_response_p50", "answered_within_target", "unanswered_now", "deals_won"]
    chats = {key: value for key, value in whole.items() if not key.startswith("deals")}
    assert keys(chats)[:5] == [
        "dialogs",
        "first_response_p50",
        "answered_within_target",
        "unanswered_now",
        "new_clients",
    ]
    deals = {key: value for key, value in whole.items() if key.startswith("deals")}
    assert keys(deals) == ["deals_new", "deals_won", "deals_won_amount", "deals_lost", "deals"]


def test_spare_numbers_stand_in_for_missing_ones() -> None:
    numbers = numbers_of(first_response_p50=None, unanswered_now=None, response_p50=9.0)
    assert keys(numbers)[:5] == ["dialogs", "answered_within_target", "deals_won", "response_p50", "new_clients"]
    del numbers["response_p50"]
    assert keys(numbers)[:5] == ["dialogs", "answered_within_target", "deals_won", "new_clients", "sessions"]
    del numbers["new_clients"], numbers["sessions"]
    assert keys(numbers)[:5] == ["dialogs", "answered_within_target", "deals_won", "clients", "unanswered_overdue"]


def test_the_rest_follows_in_the_order_of_the_registry_and_each_stands_once() -> None:
    found = keys(numbers_of())
    assert found == [
        "dialogs", "first_response_p50", "answered_within_target", "unanswered_now", "deals_won",
        "new_clients", "unanswered_overdue", "money_at_risk", "deals_won_amount", "deals_lost", "deals", "breached", "waits",
        "sessions", "messages", "clients",
    ]  # fmt: skip


def test_numbers_of_a_source_that_is_not_there_are_left_out() -> None:
    """A usual value is enough to have the source; a flag or a text is no number."""
    assert keys({"dialogs": 0, "messages": 0, "waits": 3}) == []
    assert keys({"dialogs": 0, "messages": 0, "waits": 3}, messages=40) == ["dialogs", "waits", "messages"]
    assert keys({"messages": 4, "deals_won": 0}) == ["messages"]
    assert keys({"messages": 4, "deals_won": 0}, deals_won=2) == ["deals_won", "messages"]
    assert keys({"messages": 4, "deals_lost": 1, "deals": 0}) == ["deals_lost", "deals", "messages"]
    assert keys({"messages": 4, "dialogs": True, "waits": "3", "sessions": None}) == ["messages"]


def test_the_registry() -> None:
    """Labels, units, which way is good, where from, and what a share is of."""
    known = [
        ("dialogs", "Диалоги", "count", "", "dialogs", ""),
        ("new_clients", "Новые клиенты", "count", "more", "dialogs", ""),
        ("first_response_p50", "Первый ответ (медиана)", "minutes", "less", "dialogs", "first_response_n"),
        ("answered_within_target", "Ответы в срок", "share", "more", "dialogs", "answered_within_target_n"),
        ("unanswered_now", "Без ответа на конец дня", "count", "less", "dialogs", ""),
        ("unanswered_overdue", "Без ответа дольше цели", "count", "less", "dialogs", ""),
        ("money_at_risk", "Деньги под риском на конец дня", "money", "less", "deals", ""),
        ("deals_won", "Продажи", "count", "more", "deals", ""),
        ("deals_won_amount", "Сумма продаж", "money", "more", "deals", ""),
        ("deals_lost", "Потерянные сделки", "count", "less", "deals", ""),
        ("deals_lost_amount", "Сумма потерянных сделок", "money", "less", "deals", ""),
        ("deals_new", "Новые сделки", "count", "more", "deals", ""),
        ("deals", "Сделки", "count", "", "deals", ""),
        ("first_response_p90", "Первый ответ (90 % быстрее)", "minutes", "less", "dialogs", "first_response_n"),
        ("response_p50", "Любой ответ (медиана)", "minutes", "less", "dialogs", "response_n"),
        ("response_p90", "Любой ответ (90 % быстрее)", "minutes", "less", "dialogs", "response_n"),
        ("breached", "Ответы и ожидания дольше цели", "count", "less", "dialogs", ""),
        ("off_hours_answers", "Ответы вне рабочего времени", "count", "", "dialogs", ""),
        ("waits", "Ожидания ответа", "count", "", "dialogs", ""),
        ("sessions", "Обращения", "count", "", "dialogs", ""),
        ("messages", "Сообщения", "count", "", "dialogs", ""),
        ("clients", "Клиенты", "count", "", "dialogs", ""),
        ("match_rate", "Диалоги, связанные со сделкой", "share", "more", "dialogs", "dialogs"),
    ]
    columns = {column for column, *_ in known}
    assert [
        (m.column, m.short_label("ru"), m.unit, m.better, m.made_of, m.denominator)
        for m in REPORTED.values()
        if m.column in columns
    ] == known


# --- one number ---------------------------------------------------------------------------------------------


def test_a_line_as_a_whole() -> None:
    assert row("first_response_p50", 12.4, 8.0, first_response_n=21) == {
        "key": "first_response_p50",
        "label": "Первый ответ (медиана)",
        "value": 12.4,
        "display": "12 мин",
        "usual": 8.0,
        "usual_display": "8 мин",
        "direction": "up",
        "good": False,
        "note": "21 обращение",
    }


@pytest.mark.parametrize(
    ("key", "value", "display"),
    [
        ("dialogs", 1234, "1 234"), ("dialogs", 2.5, "2,5"), ("dialogs", 0, "0"), ("first_response_p50", 0.5, "30 с"),
        ("first_response_p50", 75, "1 ч 15 мин"), ("money_at_risk", 1_250_000, "1 250 000 ₸"), ("response_p90", 1500, "1 день 1 ч"),
    ],
)  # fmt: skip
def test_units(key: str, value: float, display: str) -> None:
    assert row(key, value)["display"] == display


@pytest.mark.parametrize(
    ("key", "value", "usual", "direction", "good"),
    [
        ("deals_won", 30, 10, "up", True),
        ("deals_won", 10, 30, "down", False),
        ("deals_lost", 30, 10, "up", False),
        ("deals_lost", 10, 30, "down", True),
        ("dialogs", 30, 10, "up", None),
        ("deals_won", 12, 12, "same", None),
        ("deals_won", 12, None, "none", None),
        # of fewer than ten cases nothing is said
        ("deals_won", 9, 2, "none", None),
        ("dialogs", 2, 9, "none", None),
        # within what chance explains it is the same
        ("dialogs", 120, 100, "same", None),
        ("dialogs", 140, 100, "up", None),
        ("dialogs", 80, 100, "same", None),
        ("dialogs", 60, 100, "down", None),
        ("first_response_p50", 1.9, 1.0, "same", None),
        ("first_response_p50", 2.1, 1.0, "up", False),
        ("first_response_p50", 109.0, 100.0, "same", None),
        ("first_response_p50", 111.0, 100.0, "up", False),
        ("answered_within_target", 0.80, 0.90, "same", None),
        ("answered_within_target", 0.60, 0.90, "down", False),
        ("answered_within_target", 0.90, 0.60, "up", True),
    ],
)
def test_which_way_and_whether_it_is_good(
    key: str, value: float, usual: float | None, direction: str, good: Any
) -> None:
    found = row(key, value, usual, answered_within_target_n=40, first_response_n=21)
    assert (found["direction"], found["good"]) == (direction, good)


@pytest.mark.parametrize(("n", "display", "usual", "note"), [
    (9, "мало данных", None, "меньше 10 случаев"), (10, "84 %", "60 %", ""), (None, "84 %", "60 %", ""),
])  # fmt: skip
def test_a_share_takes_ten_cases(n: int | None, display: str, usual: str | None, note: str) -> None:
    found = row("answered_within_target", 0.84, 0.6, answered_within_target_n=n)
    assert (found["display"], found["usual_display"], found["note"]) == (display, usual, note)
    assert found["direction"] == ("same" if n == 10 else "none"), "ten cases wander by more than that"


def test_a_wide_spread_of_the_usual_days_hides_a_difference() -> None:
    sheet = numbers_of(dialogs=140)
    for spread, direction in ((5.0, "up"), (30.0, "same")):
        baseline = Baseline(values={"dialogs": 100.0}, spread={"dialogs": spread}, windows=4)
        found = figures.row_of(SUMMARY["dialogs"], facts(sheet, usual=baseline.values, baseline=baseline), None)
        assert found is not None and found["direction"] == direction


@pytest.mark.parametrize(
    ("value", "usual", "shown"),
    [
        (2.4, 3.6, ("2,4 мин", "3,6 мин")),
        (2.4, 3.0, ("2 мин", "3 мин")),
        (9.0, 3.5, ("9 мин", "3,5 мин")),
        (12.4, 3.6, ("12 мин", "4 мин")),
    ],
)
def test_a_decimal_where_it_decides(value: float, usual: float, shown: tuple[str, str]) -> None:
    found = row("first_response_p50", value, usual, first_response_n=21)
    assert (found["display"], found["usual_display"]) == shown


def test_a_median_of_few_cases_says_how_many_there_were() -> None:
    assert row("first_response_p50", 12.0, 8.0, first_response_n=2)["note"] == "2 обращения"
    assert row("first_response_p50", 12.0, 8.0, first_response_n=0)["note"] == ""


@pytest.mark.parametrize(
    ("key", "numbers", "note"),
    [
        ("dialogs", {"new_clients": 3}, "из них новых клиентов 3"),
        ("dialogs", {"new_clients": 0}, ""),
        ("unanswered_now", {"money_at_risk": 90_000}, "под риском 90 000 ₸"),
        ("unanswered_now", {"money_at_risk": 90_000, "deals": 0}, ""),
        ("unanswered_now", {"money_at_risk": 0}, ""),
        ("money_at_risk", {"money_at_risk_unpriced": 1}, "и ещё 1 сделка без суммы"),
        ("money_at_risk", {"money_at_risk_unpriced": 2}, "и ещё 2 сделки без суммы"),
        ("money_at_risk", {"money_at_risk_unpriced": 5}, "и ещё 5 сделок без суммы"),
        ("money_at_risk", {}, ""),
        ("deals_won", {"deals_won_amount": 870_000}, "на 870 000 ₸"),
        ("deals_won", {"deals_won_amount": 0}, ""),
        ("deals_lost", {"deals_won_amount": 870_000, "new_clients": 3, "money_at_risk": 1}, ""),
    ],
)
def test_what_stands_next_to_a_number(key: str, numbers: dict[str, Any], note: str) -> None:
    assert row(key, 4, **numbers)["note"] == note


def test_an_incomplete_source_has_no_comparison() -> None:
    of_all = {"sources": []}
    for gap, key, is_hit in (
        ({"sources": ["radist"]}, "dialogs", True),
        ({"sources": ["radist"]}, "deals_won", False),
        ({"sources": ["amocrm"]}, "deals_won", True),
        ({"sources": ["amocrm"]}, "dialogs", False),
        ({"sources": ["whatsapp"]}, "dialogs", True),
        ({"sources": ["whatsapp"]}, "deals_won", False),
        (of_all, "dialogs", True),
        (of_all, "deals_won", True),
    ):
        found = row(key, 40, 10, gap)
        expected = ("данные неполные", None, None, "none") if is_hit else ("", 10, "10", "up")
        assert (found["note"], found["usual"], found["usual_display"], found["direction"]) == expected, (gap, key)


# --- managers -----------------------------------------------------------------------------------------------


def manager(name: str, **facts_: Any) -> dict[str, Any]:
    return {"manager_id": f"id-{name}", "name": name, **facts_}


def lines(*rows: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["name"], plain(row["text"])) for row in figures.managers(facts(managers=rows))]


def test_managers_by_what_needs_attention_and_those_with_few_cases_by_name() -> None:
    assert [name for name, _ in lines(
        manager("Яна", waits_answered=10),
        manager("Анна", waits_answered=10),
        manager("Вера", waits_answered=11),
        manager("Олег", waits_answered=10, open_overdue=1),
        manager("Пётр", waits_answered=10, open_overdue=2),
        manager("Тимур", waits_answered=9),
        manager("Борис", waits_answered=1, open_overdue=3),
    )] == ["Пётр", "Олег", "Вера", "Анна", "Яна", "Борис", "Тимур"]  # fmt: skip


def test_ten_cases_are_what_was_measured_else_answers_and_overdue_waits() -> None:
    def is_ranked(**numbers: Any) -> bool:
        return lines(manager("Яна", **numbers), manager("Анна", waits_answered=9))[0][0] == "Яна"

    assert is_ranked(waits_answered=1, within_target_n=10) and not is_ranked(waits_answered=30, within_target_n=9)
    assert is_ranked(waits_answered=8, open_overdue=2) and not is_ranked(waits_answered=8, open_overdue=1)
    assert not is_ranked(waits_answered=30, within_target_n=0)


def test_who_did_nothing_has_no_line() -> None:
    assert lines(manager("Анна", waits_answered=0, open_overdue=0, messages_sent=0), manager("Яна")) == []
    for key in ("waits_answered", "open_overdue", "messages_sent"):
        assert len(lines(manager("Анна", **{key: 1}))) == 1, key


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"waits_answered": 24, "response_p50": 6, "within_target": 0.92, "within_target_n": 25, "open_overdue": 2},
         "24 ответа, медиана 6 мин, в срок 92 %, без ответа дольше цели: 2"),
        ({"waits_answered": 1, "response_p50": 90.4, "within_target": 1.0, "within_target_n": 10}, "1 ответ, медиана 1 ч 30 мин, в срок 100 %"),
        ({"waits_answered": 11, "response_p50": 0.5, "within_target": 0.0, "within_target_n": 9}, "11 ответов, медиана 30 с"),
        ({"waits_answered": 12, "within_target": 0.5}, "12 ответов, в срок 50 %"),
        ({"waits_answered": 12, "messages_sent": 40}, "12 ответов"),
        ({"messages_sent": 1}, "1 сообщение"), ({"messages_sent": 3}, "3 сообщения"), ({"messages_sent": 25}, "25 сообщений"),
        ({"open_overdue": 3}, "без ответа дольше цели: 3"),
        ({"messages_sent": 5, "open_overdue": 1}, "5 сообщений, без ответа дольше цели: 1"),
    ],
)  # fmt: skip
def test_the_words_of_a_manager(numbers: dict[str, Any], text: str) -> None:
    assert lines(manager("Анна", **numbers)) == [("Анна", text)]


def test_a_managers_line_keeps_the_facts_and_hides_a_phone_in_the_name() -> None:
    given = manager("Анна +7 701 555 44 33", waits_answered=2)
    assert plain(figures.managers(facts(managers=[given]))) == [
        {"manager_id": given["manager_id"], "name": "Анна •••• 4433", "text": "2 ответа", "facts": given}
    ]
