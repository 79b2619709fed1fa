"""«Продажи по менеджерам»: who is listed, in which order, in which words."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.report import page_text, sales
from analysis.report.numbers import figures
from synkro.reporting.body import Body, ChannelSales, Sale, StageMoves
from tests.analysis.inputs import facts, plain


def manager(
    name: str, won: int | None = None, amount: int = 0, lost: int = 0, still: int = 0, open_amount: int = 0
) -> dict[str, Any]:
    return {
        "manager_id": f"id-{name}", "name": name, "deals_won": won, "deals_won_amount": amount, "deals_lost": lost,
        "deals_lost_amount": lost * 5, "deals_won_average": amount / won if won else None, "deals_open": still,
        "deals_open_amount": open_amount,
    }  # fmt: skip


def test_the_largest_sum_first_and_nobody_without_a_deal() -> None:
    rows = [
        manager("Яна", 1, 10),
        manager("Анна", 3, 10),
        manager("Олег", 1, 900),
        manager("Вера"),
        manager("Пётр", 0, 0, 2),
        manager("Инна", still=3, open_amount=70),
    ]
    found = sales.build(facts({"messages": 1, "deals": 2}, managers=rows))
    assert found is not None
    assert [row["name"] for row in found] == ["Олег", "Анна", "Яна", "Инна", "Пётр"]
    assert found[-1] == {
        "manager_id": "id-Пётр", "name": "Пётр", "won": 0, "amount": 0, "average": None, "lost": 2, "lost_amount": 10,
        "open": 0, "open_amount": 0,
    }  # fmt: skip


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
        (
            Sale(
                name="Анна",
                won=2,
                amount=870_000,
                average=435_000,
                lost=1,
                lost_amount=90_000,
                open=14,
                open_amount=5_200_000,
            ),
            "Анна: 2 продажи на 870 000 ₸, средний чек 435 000 ₸, потеряно 1 на 90 000 ₸, в работе 14 на 5 200 000 ₸",
        ),
        (Sale(name="Анна", won=1, amount=500, average=500), "Анна: 1 продажа на 500 ₸"),
    ],
)
def test_the_line_of_a_manager(sale: Sale, line: str) -> None:
    assert plain(page_text.sale_line(sale, "KZT")) == line


def channel(name: str, won: int) -> dict[str, Any]:
    return {"channel": name, "deals_new": 4, "deals_won": won, "deals_won_amount": won * 100, "deals_won_average": 100}


def test_one_channel_is_no_comparison() -> None:
    two = sales.channels(facts(channels=[channel("whatsapp", 2), channel("", 1)]))
    assert [(row["channel"], row["new"], row["won"], row["amount"]) for row in two] == [
        ("whatsapp", 4, 2, 200),
        ("", 4, 1, 100),
    ]
    assert sales.channels(facts(channels=[channel("whatsapp", 2)])) == []
    assert plain(page_text.channel_line(ChannelSales(**two[1]), "KZT")) == "без переписки: 1 продажа на 100 ₸"
    assert plain(page_text.channel_line(ChannelSales(channel="telegram", new=3), "KZT")) == "telegram: новых сделок 3"


def stage(name: str, status: int, came: int, won: int) -> dict[str, Any]:
    return {
        "pipeline": "Продажи", "stage": name, "status_id": status, "entered": came + 1, "left_stage": 2, "cohort": came,
        "cohort_won": won, "cohort_lost": 1,
    }  # fmt: skip


def test_a_share_of_a_stage_is_of_ten_deals_or_more() -> None:
    rows = [stage("Счёт", 2, 12, 3), stage("Замер", 3, 9, 3), stage("Успех", 142, 20, 20)]
    found = [StageMoves(**row) for row in sales.stages(facts(stages=rows))]
    assert [plain(page_text.stage_line(row)) for row in found] == [
        "Счёт: вошли 13, вышли 2; из вошедших продано 25 %",
        "Замер: вошли 10, вышли 2",
        "Успех: вошли 21, вышли 2",
    ]


def test_managers_say_what_they_sold_and_without_chats_what_they_have() -> None:
    rows = [
        {**manager("Анна", 2, 870_000, 1, 14, 5_200_000), "waits_answered": 12, "response_p50": 8, "within_target_n": 12, "within_target": 0.75},
        manager("Борис", still=3),
    ]  # fmt: skip
    with_chats = plain(figures.managers(facts(managers=rows)))
    assert [row["text"] for row in with_chats] == [
        "12 ответов, медиана 8 мин, в срок 75 %; 2 продажи на 870 000 ₸, потеряно 1"
    ]
    alone = plain(figures.managers(facts({"deals": 4}, managers=[manager("Борис", still=3), manager("Яна", 1, 10)])))
    assert [(row["name"], row["text"]) for row in alone] == [
        ("Яна", "1 продажа на 10 ₸"),
        ("Борис", "в работе 3"),
    ]
