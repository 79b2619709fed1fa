"""«Вчера советовали»: what became of the cases the report before advised, and what proves it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from analysis.report import advice
from synkro.reporting.cases import Case
from tests.analysis.inputs import DAY, WINDOW, case, facts, plain

YESTERDAY = DAY - timedelta(days=1)


def build(*cases: Case | None, day: Any = YESTERDAY) -> dict[str, Any]:
    found = advice.build(facts(advised=[(f"case{n}", one) for n, one in enumerate(cases)], advised_for=day), DAY)
    assert found is not None
    return dict(plain(found))


def test_nothing_was_advised() -> None:
    assert advice.build(facts(), DAY) is None


def test_each_state_is_counted_in_words() -> None:
    done = case("a", state="done", closed_at=WINDOW.end, closed_by_dialog_id="d2", closed_by_message_id="m7")
    states = [done, case("b", state="recurred", closed_by_event_id="77"), case("c", state="dismissed", dismissed_reason="done"),
              case("d", state="advised"), case("e", state="expired"), None]  # fmt: skip
    found = build(*states)
    assert found["text"] == "Вчера советовали 6: сделано 2, снято 1, не сделано 1, устарело 1, больше не считается 1"
    assert (found["done"], found["dismissed"], found["of"]) == (2, 1, 6)
    assert [item["state"] for item in found["items"]] == ["done", "done", "dismissed", "open", "expired", "gone"]
    assert build(done, done)["text"] == "Вчера советовали 2: сделано 2"


def test_done_is_shown_by_the_row_that_proves_it() -> None:
    by_message, by_call, by_task, by_deal, by_word = build(
        case("a", state="done", closed_by_dialog_id="d2", closed_by_message_id="m7"),
        case("b", state="done", closed_by_event_id="77"),
        case("c", "deal_without_task", state="done", closed_by_task_id="5"),
        case("d", "deal_stuck", state="done", closed_by_event_id="e1"),
        case("e", state="dismissed", dismissed_reason="done"),
    )["items"]
    assert (by_message["proof"], by_message["dialog_id"], by_message["message_id"]) == ("message", "d2", "m7")
    assert (by_call["proof"], by_task["proof"], by_deal["proof"]) == ("call", "task", "deal")
    assert (by_word["proof"], by_word["note"]) == ("", "сделано, со слов"), "a word proves nothing"


@pytest.mark.parametrize(("days", "words"), [(1, "Вчера советовали 1"), (3, "В отчёте за 17 ноября советовали 1")])
def test_the_day_of_the_advice(days: int, words: str) -> None:
    assert build(case("a"), day=DAY - timedelta(days=days))["text"].startswith(words)
