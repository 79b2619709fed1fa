"""Which questions a report offers and in which order, and which choices of a model count."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.questions.answering import suggestions
from analysis.questions.metrics import Pick, validated
from synkro.reporting.body import Body

ALL: dict[str, Any] = {
    "numbers": [{"key": "unanswered_now", "value": 3, "usual": 2, "good": None}],
    "risks": [{"kind": "complaint"}],
    "promises": [{}],
    "lost_reasons": [{}],
    "objections": [{}],
    "managers": [{}],
}


def offered(body: dict[str, Any], **most: int) -> list[str]:
    return suggestions(Body.read(body), **most)


WORDS = [
    "Кто ждёт ответа?", "На что жалуются клиенты?", "Что мы обещали клиентам?", "Почему теряем сделки?", "Какие были возражения?",
    "Как работали менеджеры?",
]  # fmt: skip


def test_each_question_has_its_reason_and_four_are_offered() -> None:
    assert offered(ALL) == WORDS[:4]
    assert offered(ALL, most=9) == WORDS
    for n, key in enumerate(ALL):
        assert offered({key: ALL[key]}) == [WORDS[n]], key
    assert offered({}) == offered({"numbers": [{"key": "unanswered_now", "value": 0}]}) == []


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"risks": [{"kind": "refund"}]}, True), ({"risks": [{"kind": "rude_manager"}]}, True), ({"risks": [{"kind": "angry"}]}, False),
        ({"actions": [{"why": "жалуется"}]}, True), ({"actions": [{"why": "требует вернуть деньги"}]}, True), ({"actions": [{"why": "ждёт"}]}, False),
    ],
)  # fmt: skip
def test_when_complaints_are_asked_about(body: dict[str, Any], asked: bool) -> None:
    assert offered(body) == (["На что жалуются клиенты?"] if asked else [])


@pytest.mark.parametrize(
    ("key", "question"),
    [
        ("first_response_p50", "Какой первый ответ обычно?"),
        ("answered_within_target", "Сколько обычно отвечают в срок?"),
        ("unanswered_now", "Сколько клиентов ждут обычно?"),
        ("deals_won", "Сколько продаж обычно?"),
        ("deals_lost", "Сколько сделок потеряли в прошлый раз?"),
        ("dialogs", "Сколько диалогов обычно?"),
        ("new_clients", "Сколько новых клиентов обычно?"),
    ],
)
def test_the_number_that_got_worse_most_is_asked_about(key: str, question: str) -> None:
    worst = {"key": key, "value": 0, "usual": 2, "good": False}
    milder = {"key": "deals_won" if key != "deals_won" else "dialogs", "value": 3, "usual": 4, "good": False}
    for rows in ([worst, milder], [milder, worst]):
        assert offered({"numbers": rows}) == [question]
    assert offered({"numbers": [{**worst, "good": True}]}) == offered({"numbers": [{**worst, "usual": None}]}) == []


@pytest.mark.parametrize(
    ("raw", "pick"),
    [
        ({"metric": "dialogs"}, Pick("dialogs", "", "report")),
        ({"metric": "dialogs", "period": "usual", "manager": None}, Pick("dialogs", "", "usual")),
        ({"metric": "dialogs", "manager": "М1"}, Pick("dialogs", "7", "report")),
        ({"metric": "dialogs", "manager": "М2"}, Pick("dialogs", "8", "report")),
        ({"metric": "dialogs", "manager": "М3"}, None),
        ({"metric": "dialogs", "manager": "М0"}, None),
        ({"metric": "dialogs", "manager": "7"}, None),
        ({"metric": "dialogs", "period": "tomorrow"}, None),
        ({"metric": "none"}, None),
        ({}, None),
    ],
)
def test_a_models_choice_is_one_of_the_registry(raw: dict[str, Any], pick: Pick | None) -> None:
    assert validated(raw, ["7", "8"]) == pick
