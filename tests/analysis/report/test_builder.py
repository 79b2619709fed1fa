"""What kind of day it is, what was read and by whom, what is missing, and how much of each the page's text shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from analysis.report import inputs as fact_sheet
from analysis.report import page_text
from analysis.report.builder import compose, coverage_line, is_quiet, reader_of
from analysis.report.context import ReadingsOutcome
from synkro.reporting.body import Action, Incomplete, Quality
from tests.analysis.inputs import (
    DAY,
    WINDOW,
    case,
    context,
    facts,
    item,
    numbers_of,
    outcome,
    plain,
    promise,
    read,
    wait,
)

# --- quiet, little ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["client_messages", "waits", "unanswered_now", "deals_won", "deals_lost", "deals_new"])
def test_one_thing_that_happened_makes_a_day_not_quiet(key: str) -> None:
    assert is_quiet(facts({"messages": 4, key: 0}), outcome(), None)
    assert not is_quiet(facts({"messages": 4, key: 1}), outcome(), None)


def test_what_else_makes_a_day_not_quiet() -> None:
    quiet = facts({"messages": 0})
    assert is_quiet(quiet, outcome(read("a", topics=(item("price"),))), None)
    assert not is_quiet(quiet, outcome(read("a", risks=(item("other"),))), None)
    assert not is_quiet(quiet, outcome(read("a", open_question=item("price"))), None)
    assert not is_quiet(facts({"messages": 0}, waiting=[wait("a")]), outcome(), None)
    assert not is_quiet(facts({}), outcome(), None), "a window never built"
    assert not is_quiet(quiet, outcome(), {"cause": "x"})


@pytest.mark.parametrize(
    ("total", "least", "chats", "little"),
    [(4, 5, True, True), (5, 5, True, False), (4, 5, False, False), (0, 1, True, True)],
)
def test_too_little_data(total: int, least: int, chats: bool, little: bool) -> None:
    numbers = {"messages": 9, "client_messages": 3} if chats else {"deals": 4, "deals_won": 1}
    draft = compose(context(min_dialogs=least), outcome(total=total), facts(numbers))
    assert (draft.body.stored()["too_little_data"], draft.body.stored()["quiet"]) == (little, False)
    if little:
        forms = {0: "0 диалогов", 4: "4 диалога"}
        assert plain(draft.body.stored()["headline"]) == [
            {"text": f"Мало данных для выводов: {forms[total]}, нужно не меньше {least}.", "claims": []}
        ]


def test_a_quiet_day_is_not_a_day_of_too_little_data() -> None:
    draft = compose(context(min_dialogs=5), outcome(), facts({"messages": 1}))
    assert (draft.body.stored()["quiet"], draft.body.stored()["too_little_data"]) == (True, False)


def test_what_the_actions_tell_is_no_risk_and_what_comes_later_is() -> None:
    """Only the first three actions are in the message."""
    readings = [
        read(key, deal={"price": 5 - n, "stage_kind": "open"}, risks=(item("refund"),)) for n, key in enumerate("abcd")
    ]
    cases = [case(key, money=5 - n) for n, key in enumerate("abcd")]
    draft = compose(context(), outcome(*readings), facts(cases=cases))
    assert [row["dialog_id"] for row in draft.body.stored()["actions"]] == ["a", "b", "c", "d"]
    assert [row["dialog_id"] for row in draft.body.stored()["risks"]] == ["d"]


def test_nothing_to_say_is_said() -> None:
    draft = compose(context(), outcome(), facts({}))
    assert draft.body.stored()["headline"] == [{"text": "Цифр за это время нет.", "claims": []}]
    assert draft.as_of is None and draft.is_complete


# --- what was read ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        ({"total": 0}, ""),
        ({"total": 1, "read": 1}, "Прочитано 1 из 1 диалога"),
        ({"total": 2, "read": 2}, "Прочитано 2 из 2 диалогов"),
        ({"total": 21, "read": 20, "skipped": {"no_text": 1}}, "Прочитано 20 из 21 диалога (1 без текста)"),
        ({"total": 1124, "read": 1118, "skipped": {"too_long": 2, "no_text": 3, "novelty": 1}},
         "Прочитано 1 118 из 1 124 диалогов (3 без текста, 1 novelty, 2 слишком длинные)"),
        ({"total": 9, "read": 4, "skipped": {"budget": 2, "provider": 1, "time": 2}, "by_rules": 5},
         "AI прочитал 4 из 9 диалогов (2 сверх лимита расходов, 1 без ответа AI, 2 не успели); 5 разобраны по правилам"),
    ],
)  # fmt: skip
def test_the_line_of_coverage(numbers: dict[str, Any], line: str) -> None:
    assert plain(coverage_line(ReadingsOutcome(**numbers))) == line


@pytest.mark.parametrize(
    ("by", "changes", "kind", "model", "note"),
    [
        ("rules", {}, "rules", "", "Диалоги разобраны по правилам: модель AI не подключена."),
        ("model", {"reader": "model", "model": "small-1"}, "model", "small-1", ""),
        ("rules", {"reader": "model", "model": "small-1", "by_rules": 1, "note": "Ключ отозван. "}, "rules", "small-1",
         "AI-раздел недоступен: Ключ отозван; использованы правила."),
        ("rules", {"reader": "model", "model": "small-1", "by_rules": 1}, "rules", "small-1",
         "AI-раздел недоступен: нет ответа; использованы правила."),
        ("mixed", {"reader": "model", "model": "small-1", "by_rules": 1, "note": "Лимит."}, "mixed", "small-1",
         "AI прочитал не всё: Лимит; остальное по правилам."),
        ("mixed", {"reader": "model", "model": "small-1", "by_rules": 1}, "mixed", "small-1",
         "AI прочитал не всё: часть диалогов не подошла; остальное по правилам."),
    ],
)  # fmt: skip
def test_who_read_and_what_has_to_be_known_of_it(
    by: str, changes: dict[str, Any], kind: str, model: str, note: str
) -> None:
    readers = ("model", "rules") if by == "mixed" else (by,)
    found = outcome(*[read(f"d{n}", by=one) for n, one in enumerate(readers)], **changes)
    assert reader_of(context(), found) == {"kind": kind, "model": model, "note": note}
    if found.reader == "rules":
        found.total = 0
        assert reader_of(context(), found)["note"] == "", "nothing to read, nothing to miss"


# --- what is missing ----------------------------------------------------------------------------------------

BEFORE, AFTER = (WINDOW.end - timedelta(minutes=1)).isoformat(), WINDOW.end.isoformat()


def gap(missing: list[dict[str, Any]], **numbers: Any) -> dict[str, Any] | None:
    return fact_sheet.incomplete(context(missing=missing), facts(numbers_of(**numbers)))


def test_a_whole_window_has_no_gap() -> None:
    assert gap([]) is None
    assert fact_sheet.incomplete(context(), facts({})) is None


@pytest.mark.parametrize(
    ("missing", "numbers", "expected"),
    [
        ([], {"is_complete": False, "as_of": BEFORE}, ("данные прочитаны не до конца окна", BEFORE, "при следующем запуске по расписанию", [])),
        ([], {"is_complete": False, "as_of": AFTER}, ("данные прочитаны не до конца окна", None, "при следующем запуске по расписанию", [])),
        ([{"source": "radist"}], {}, ("Radist.Online: данные не получены", None, "при следующем запуске по расписанию", ["radist"])),
        ([{"source": "sms", "reason": "тишина. "}], {}, ("sms: тишина", None, "при следующем запуске по расписанию", ["sms"])),
        ([{"reason": "тишина"}], {}, ("Источник: тишина", None, "при следующем запуске по расписанию", [])),
        (
            [
                {"source": "radist", "reason": "a", "until": "2026-11-20T13:00:00+00:00"},
                {"source": "amocrm", "reason": "b", "until": "2026-11-20T12:00:00+00:00", "next_attempt": "T1"},
                {"source": "radist", "reason": "c", "next_attempt": "T0"},
            ],
            {"as_of": BEFORE},
            ("Radist.Online: a; amoCRM: b; Radist.Online: c", "2026-11-20T12:00:00+00:00", "T1", ["amocrm", "radist"]),
        ),
    ],
)  # fmt: skip
def test_what_is_said_of_a_gap(
    missing: list[dict[str, Any]], numbers: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    found = gap(missing, **numbers)
    assert found is not None
    assert (found["cause"], found["until"], found["next_attempt"], found["sources"]) == expected


# --- the page's text ----------------------------------------------------------------------------------------


def sections(text: str) -> dict[str, list[str]]:
    parts = [part.split("\n") for part in plain(text).split("\n\n")]
    return {part[0]: part[1:] for part in parts}


def test_how_much_of_each_section_the_text_shows() -> None:
    readings = [
        read(
            f"d{n:02}",
            topics=(item(kind),), objections=(item(objection),),
            promises=(promise(f"обещание {n}", DAY + timedelta(days=n)),),
        )
        for n, (kind, objection) in enumerate(
            zip(
                ("price", "size", "look", "terms", "place", "order", "return", "repair", "credit", "measure", "payment"),
                ("price", "terms", "trust", "other", "postponed", "no_option", "competitor", "price", "price", "price", "price"),
                strict=True,
            )
        )
    ]  # fmt: skip
    managers = [{"manager_id": str(n), "name": f"Менеджер {n:02}", "messages_sent": 2} for n in range(16)]
    lost = [{"reason": f"причина {n}", "count": 9 - n, "amount": 0} for n in range(7)]
    cases = [case(f"w{n:02}") for n in range(11)]
    draft = compose(context(), outcome(*readings), facts(managers=managers, lost=lost, cases=cases))
    found = sections(draft.summary_text)
    assert {name: len(lines) for name, lines in found.items() if lines} == {
        "Мебель Алма, 20 ноября, пятница": 2, "Сделать сегодня": 10, "Цифры": 12, "Менеджеры": 15, "О чём спрашивают": 6,
        "Возражения": 6, "Обещания": 10, "Почему теряем": 6,
    }  # fmt: skip
    assert list(found)[2:] == [
        "Сделать сегодня", "Цифры", "Менеджеры", "О чём спрашивают", "Возражения", "Обещания", "Почему теряем",
        "Диалоги разобраны по правилам: модель AI не подключена.",
    ]  # fmt: skip
    assert [line[:3] for line in found["Сделать сегодня"]] == [f"{n}. "[:3] for n in range(1, 11)]
    assert found["Менеджеры"][-1] == "• Менеджер 14: 2 сообщения" and found["Почему теряем"][-1] == "• причина 5: 4"


def test_zeros_without_a_usual_are_left_out_behind_the_first_five() -> None:
    numbers = numbers_of(unanswered_overdue=0, breached=0, unanswered_now=0)
    lines = sections(compose(context(), outcome(read("a")), facts(numbers, usual={"breached": 2.0})).summary_text)[
        "Цифры"
    ]
    assert "• Без ответа на конец дня: 0 (под риском 1 650 000 ₸)" in lines
    assert not any(line.startswith("• Без ответа дольше цели") for line in lines)
    assert "• Ответы и ожидания дольше цели: 0, обычно 2" in lines


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "Ответьте — Олег, •••• 0001; ждёт 1 ч; 5 ₸; отвечает Асель"),
        ({"phone_masked": None}, "Ответьте — Олег; ждёт 1 ч; 5 ₸; отвечает Асель"),
        ({"money_display": None}, "Ответьте — Олег, •••• 0001; ждёт 1 ч; отвечает Асель"),
        (
            {"manager_id": None, "who": "Без ответственного"},
            "Ответьте — Олег, •••• 0001; ждёт 1 ч; 5 ₸; без ответственного",
        ),
    ],
)
def test_the_line_of_an_action(changes: dict[str, Any], line: str) -> None:
    row = {
        "text": "Ответьте",
        "client": "Олег",
        "phone_masked": "•••• 0001",
        "why": "ждёт 1 ч",
        "money_display": "5 ₸",
        "manager_id": "7",
        "who": "Асель",
    }
    assert page_text.action_line(Action.model_validate({**row, **changes})) == line


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"until": "2026-11-20T13:40:00+00:00", "next_attempt": "2026-11-21T01:10:00+00:00"},
         "Данные неполные: причина. Полные до 20 ноября, 18:40. Следующая попытка: 21 ноября, 06:10."),
        ({"until": None, "next_attempt": "по расписанию."}, "Данные неполные: причина. Следующая попытка: по расписанию."),
    ],
)  # fmt: skip
def test_the_line_of_an_incomplete_day(changes: dict[str, Any], line: str) -> None:
    assert (
        plain(page_text.incomplete_line(Incomplete.model_validate({"cause": "причина", **changes}), "Asia/Almaty"))
        == line
    )


def test_lines_of_quality() -> None:
    found = page_text.quality_lines(Quality.model_validate({
        "display": "71 %", "dialogs": 11,
        "criteria": [{"name": "Приветствие", "weight": 1, "display": "82 %", "n": 1100}],
        "managers": [{"name": "Асель", "display": "75 %", "n": 10}],
    }))  # fmt: skip
    assert plain(found) == [
        "По рубрике: 71 %, оценено 11 диалогов", "Приветствие (вес 1): 82 %, диалогов 1 100", "Асель: 75 %, диалогов 10",
    ]  # fmt: skip
    assert page_text.quality_lines(None) == []
