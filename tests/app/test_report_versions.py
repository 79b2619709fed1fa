"""What a version of a report changed in the one before it."""

from __future__ import annotations

from typing import Any

from services.reports import differences
from synkro.reporting.body import Body
from synkro.reporting.reports import Report
from tests.analysis.days import DAYS
from tests.app.pages.outline import report_of


def version(numbers: dict[str, Any], *actions: dict[str, Any]) -> Report:
    return report_of(DAYS["quiet"](), numbers=numbers, body=Body.read({"actions": actions}))


def test_numbers_that_both_have_and_actions_by_client_and_words() -> None:
    stays = {"dialog_id": "1", "text": "Ответьте клиенту", "why": "ждёт 2 ч"}
    before = version(
        {"messages": 10, "waits": 3, "window_start": "x", "deals": 4}, stays, {"dialog_id": "2", "text": "Перезвоните"}
    )
    after = version(
        {"messages": 12, "waits": 3, "window_start": "y", "clients": 2},
        {**stays, "why": "ждёт 3 ч"},
        {"dialog_id": "2", "text": "Выставьте счёт"},
        {"deal_id": "7", "text": "Перезвоните"},
    )
    found = differences.between(before, after)
    assert found
    assert [(one.column, one.before, one.after) for one in found.numbers] == [("messages", 10, 12)]
    assert [(one.dialog_id, one.deal_id, one.text) for one in found.added] == [
        ("2", None, "Выставьте счёт"),
        (None, "7", "Перезвоните"),
    ]
    assert [one.text for one in found.removed] == ["Перезвоните"]


def test_nothing_changed_is_said_so() -> None:
    one = version({"messages": 10}, {"dialog_id": "1", "text": "Ответьте клиенту"})
    assert not differences.between(one, one)
