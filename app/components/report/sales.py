"""What the deals of each manager brought: won, their sum, lost; each number leads to its rows."""

from __future__ import annotations

from app.components.base.html import Cell, div, link, table, tag
from app.components.report.parts import number_text, rows_href
from app.texts import language, t
from services.reports.view import ReportView
from synkro.metrics.registry import MANAGERS
from synkro.reporting.body import Sale


def draw(view: ReportView) -> None:
    """Nothing for a company without deals, and for a report that was written before there was this section."""
    sales = view.report.body.sales
    if sales is None:
        return
    with tag("section", "card flush", mark="sales"):
        with div("card-head"):
            tag("h2", "", t("report.sales"))
        if not sales:
            div("empty", t("report.no_sales"))
            return
        columns = ("deals_won", "deals_won_amount", "deals_lost")
        table(
            [(t("managers.name"), "lead"), *((MANAGERS[column].label(language()), "num") for column in columns)],
            [_row(view, sale) for sale in sales],
        )


def _row(view: ReportView, sale: Sale) -> tuple[Cell, ...]:
    base = f"/t/{view.tenant.slug}/reports/{view.report.report_id}"

    def cell(column: str, value: float | int) -> Cell:
        text = number_text(MANAGERS[column], value, view.currency)
        return lambda: link(text, rows_href(base, column, sale.manager_id), mark=f"sale-{column}")

    return (
        sale.name,
        cell("deals_won", sale.won),
        cell("deals_won_amount", sale.amount),
        cell("deals_lost", sale.lost),
    )
