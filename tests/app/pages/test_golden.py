"""The report's page of every kind of day: what is drawn, in which order, with which words and links."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from synkro.core.settings import ROOT
from synkro.metrics.queries import Baseline
from synkro.reporting.body import VERSION, Body
from synkro.reporting.reports import Message
from tests.analysis.days import DAYS
from tests.app.pages.outline import GOLDEN, NOW, PAGES, TENANT, USER, golden, outline, report_of, view_of


@pytest.mark.parametrize("name", PAGES)
def test_the_whole_page(name: str) -> None:
    assert golden(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_no_text_is_of_a_page_that_is_gone() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(PAGES)


def page(changes: dict[str, Any] | None = None, **around: Any) -> str:
    draft = DAYS["amocrm_radist"]()
    draft = replace(draft, **{name: value for name, value in (changes or {}).items() if name != "body"},
                    body=Body.read({**draft.body.stored(), **(changes or {}).get("body", {})}))  # fmt: skip
    return outline(view_of(draft, **around), USER)


def rows(text: str, *words: str) -> list[str]:
    """Lines that hold every one of the words."""
    return [line.strip() for line in text.splitlines() if all(word in line for word in words)]


def test_long_lists_are_cut() -> None:
    """Twelve topics with six dialogs each, a hundred claims, twenty questions: the newest."""
    topics = [{"topic": f"Тема {n}", "count": n, "dialog_ids": [f"t{n}-{at}" for at in range(7)]} for n in range(1, 14)]
    claims = [
        {"text": f"утверждение {n}", "dialog_id": "d", "message_ids": ["m"], "quote": "слова"} for n in range(101)
    ]
    thread = [
        Message(TENANT.tenant_id, UUID(int=n), UUID(int=7), f"вопрос {n}", "ответ", None, "Асель", "web", [], NOW, NOW)
        for n in range(1, 22)
    ]
    text = page({"body": {"topics": topics}, "claims": claims}, thread=thread)
    assert [f"Тема {n}" for n in range(1, 14) if rows(text, f"«Тема {n}»")] == [f"Тема {n}" for n in range(1, 13)]
    assert (len(rows(text, "/dialogs/t1-")), len(rows(text, "/dialogs/t1-5")), len(rows(text, "/dialogs/t1-6"))) == (
        6,
        1,
        0,
    )
    assert (len(rows(text, "«утверждение 99»")), len(rows(text, "«утверждение 100»"))) == (1, 0)
    assert "«101 утверждение»" in text
    assert (len(rows(text, "«вопрос 1»")), len(rows(text, "«вопрос 2»")), len(rows(text, "«вопрос 21»"))) == (0, 1, 1)
    bars = [line.removeprefix("i [width:").removesuffix("]") for line in rows(text, "i [width:")]
    assert bars[:3] == ["8%", "15%", "23%"] and bars[11] == "92%", "against the largest of all, shown or not"


def test_a_message_link_marks_twenty_messages_at_most() -> None:
    ids = [f"m{n}" for n in range(21)]
    *_, line = rows(
        page(
            {
                "claims": [{"text": "", "dialog_id": "a/b", "message_ids": ids, "quote": "слова"}],
                "body": {"headline": []},
            }
        ),
        "m0,",
    )
    assert line.endswith(f"href=/t/alma/dialogs/a%2Fb?m={','.join(ids[:20])}#m-m0 data-testid=to-message")


@pytest.mark.parametrize(
    ("key", "value", "usual", "arrow"),
    [
        ("deals_won", 3, 5, "span.bad «↓ »"), ("deals_won", 5, 3, "span.good «↑ »"),
        ("unanswered_now", 5, 3, "span.bad «↑ »"), ("unanswered_now", 3, 5, "span.good «↓ »"),
        ("deals_lost", 5, 3, "span.bad «↑ »"), ("dialogs", 5, 3, "span «↑ »"), ("dialogs", 3, 5, "span «↓ »"), ("deals_won", 3, 3, None),
    ],
)  # fmt: skip
def test_the_arrow_of_a_tile(key: str, value: float, usual: float, arrow: str | None) -> None:
    text = page({"body": {"numbers": [{"key": key, "value": value, "usual": usual}]}})
    tile = text.partition(f"data-testid=number-{key}")[2].partition("details")[0]
    assert [line.strip() for line in tile.splitlines() if "↑" in line or "↓" in line] == ([arrow] if arrow else [])


@pytest.mark.parametrize(
    ("direction", "good", "arrow"),
    [("same", None, None), ("none", None, None), ("up", False, "span.bad «↑ »"), ("up", None, "span «↑ »"), ("down", True, "span.good «↓ »")],
)  # fmt: skip
def test_the_arrow_is_the_one_of_the_message(direction: str, good: bool | None, arrow: str | None) -> None:
    """Within a tenth of the usual value the message has none, and neither has the page."""
    line = {"key": "deals_won", "value": 105, "usual": 100, "direction": direction, "good": good}
    tile = page({"body": {"numbers": [line]}}).partition("data-testid=number-deals_won")[2].partition("details")[0]
    assert [one.strip() for one in tile.splitlines() if "↑" in one or "↓" in one] == ([arrow] if arrow else [])


def test_a_number_of_incomplete_data_is_compared_with_nothing() -> None:
    line = {"key": "deals_won", "value": 3, "usual": None, "direction": "none", "good": None, "note": "данные неполные"}
    for lines, compared in (([line], False), ([{"key": "deals_won", "value": 3}], True)):
        text = page({"body": {"numbers": lines}}, baseline=Baseline(values={"deals_won": 5.0}))
        tile = text.partition("data-testid=number-deals_won")[2].partition("details")[0]
        assert ("«обычно 5»" in tile, "↓" in tile) == (compared, compared)


@pytest.mark.parametrize(("n", "shown"), [(9, "мало данных"), (10, "84 %")])
def test_a_share_of_a_tile_takes_ten_cases(n: int, shown: str) -> None:
    line = {"key": "answered_within_target", "value": 0.84, "usual": 0.5}
    text = page(
        {"body": {"numbers": [line]}, "numbers": {"answered_within_target": 0.84, "answered_within_target_n": n}}
    )
    tile = text.partition("data-testid=number-answered_within_target")[2].partition("details")[0]
    assert f"«{shown}»" in tile and ("обычно" in tile) == (n == 10)


def test_a_report_without_lines_shows_the_usual_numbers_of_its_summary() -> None:
    numbers = {"deals_won": 1, "money_at_risk": 5, "answered_within_target": 0.5, "first_response_p50": 3, "unanswered_now": 2, "dialogs": 4,
               "messages": 9, "waits": 1}  # fmt: skip
    tiles = rows(page({"body": {"numbers": []}, "numbers": numbers}), "data-testid=number-")
    assert [line.rpartition("number-")[2] for line in tiles] == [
        "messages", "dialogs", "unanswered_now", "first_response_p50", "answered_within_target", "money_at_risk", "deals_won",
    ]  # fmt: skip


def test_an_index_that_points_nowhere_is_left_out() -> None:
    risks = [{"text": "Риск", "claims": [99, -1, "0", 0], "dialog_id": "d1"}]
    text = page({"body": {"risks": risks}}).partition("data-testid=risks")[2].partition("section")[0]
    assert [line.strip() for line in text.splitlines() if "quote" in line] == ["div.quote.grow ««Верните деньги»»"]


def test_versions_are_listed_only_when_there_are_several() -> None:
    report = report_of(DAYS["quiet"]())
    assert "data-testid=versions" not in page(versions=[report])
    older = replace(report, report_id=UUID(int=6), version=1, created_at=NOW - timedelta(days=1))
    listed = page(versions=[replace(report, version=2), older])
    assert [len(rows(listed, f"«Версия {n}»")) for n in (1, 2, 3)] == [1, 1, 0]
    assert len(rows(listed, "data-testid=changed-2")) == 1 and not rows(listed, "data-testid=changed-1")


def test_without_rows_the_managers_of_the_body_are_told() -> None:
    text = page().partition("data-testid=managers")[2].partition("section")[0]
    assert [line.strip() for line in text.splitlines() if "span" in line] == [
        "span.strong «Асель Ахметова: »", "span.wrap «24 ответа, медиана 6 мин, в срок 92 %; 2 продажи на 870 000 ₸, потеряно 1»",
        "span.strong «Бахыт: »", "span.wrap «2 сообщения; потеряно 2 сделки»",
        "span.strong «Данияр: »", "span.wrap «4 ответа, медиана 31 мин, без ответа дольше цели: 1»",
    ]  # fmt: skip


def test_a_stored_body_of_the_first_version_opens() -> None:
    """Every section is there: compared with the same body of today, nothing is missing."""
    first = json.loads((ROOT / "tests" / "synkro" / "reporting" / "body_v1.json").read_text(encoding="utf-8"))
    text = page({"body": {"version": 1, **first}})
    assert text == page({"body": {**first, "version": VERSION}})
    for mark in (
        "headline",
        "action-1",
        "numbers",
        "managers",
        "quality",
        "risks",
        "topics",
        "uncovered",
        "promises",
        "incomplete",
    ):
        assert f"data-testid={mark}" in text, mark


def test_sales_by_manager() -> None:
    """A company without deals has no such section; one that closed none is told so."""
    assert "data-testid=sales" not in page({"body": {"sales": None}})
    empty = page({"body": {"sales": []}}).partition("data-testid=sales")[2].partition("section")[0]
    assert "Сделок за это время не закрывали." in empty and "table" not in empty
    text = page({"body": {"sales": [{"manager_id": "7", "name": "Асель", "won": 2, "amount": 870_000, "lost": 1}]}})
    (line,) = rows(text, "data-testid=sale-deals_won_amount")
    assert line.startswith("a «870 000 ₸»") and "rows/deals_won_amount?manager=7" in line
