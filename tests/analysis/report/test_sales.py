"""«Продажи по менеджерам»: who is listed, in which order, in which words."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.report import page_text, sales
from synkro.reporting.body import Body, Sale
from tests.analysis.inputs import facts, plain


def manager(name: str, won: int | None = None, amount: int = 0, lost: int = 0) -> dict[str, Any]:
    return {"manager_id": f"id-{name}", "name": name, "deals_won": won, "deals_won_amount": amount, "deals_lost": lost}


def test_the_largest_sum_first_and_nobody_without_a_closed_deal() -> None:
    rows = [
        manager("Яна", 1, 10),
        manager("Анна", 3, 10),
        manager("Олег", 1, 900),
        manager("Вера"),
        manager("Пётр", 0, 0, 2),
    ]
    found = sales.build(facts({"messages": 1, "deals": 2}, managers=rows))
    assert found is not None
    assert [row["name"] for row in found] == ["Олег", "Анна", "Яна", "Пётр"]
    assert found[-1] == {"manager_id": "id-Пётр", "name": "Пётр", "won": 0, "amount": 0, "lost": 2}


def test_no_deals_closed_is_told_from_a_company_without_deals() -> None:
    assert sales.build(facts({"messages": 1, "deals": 2}, managers=[manager("Яна")])) == []
    assert sales.build(facts({"messages": 1, "deals": 0}, managers=[manager("Яна")])) is None
    assert Body.read({}).sales is None and Body.read({"sales": []}).sales == []


@pytest.mark.parametrize(
    ("sale", "line"),
    [
        (Sale(name="Анна", won=2, amount=870_000, lost=1), "Анна: 2 продажи на 870 000 ₸, потеряно 1"),
        (Sale(name="Анна", won=1), "Анна: 1 продажа"),
        (Sale(name="Анна", lost=5), "Анна: потеряно 5"),
    ],
)
def test_the_line_of_a_manager(sale: Sale, line: str) -> None:
    assert plain(page_text.sale_line(sale, "KZT")) == line
