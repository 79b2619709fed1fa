"""How managers answer by the company's rubric: criteria, managers, and the messages behind the weak scores."""

from __future__ import annotations

from collections.abc import Callable

from app import formatting
from app.components.base.html import Cell, div, span, table, tag
from app.components.report.sections import quotes
from app.texts import t
from services.reports.view import ReportView
from synkro.reporting.body import Quality, Scores


def draw(view: ReportView) -> None:
    """Nothing for a report without scores, or of a version that did not keep them."""
    found = view.report.body.quality
    if found is None or not found.criteria:
        return
    with tag("section", "card flush", mark="quality"):
        with div("card-head"):
            tag("h2", "", t("report.quality"))
            span("small muted", _whole(found))
        table(
            [
                (t("quality.criterion"), "lead"),
                (t("quality.weight"), "num"),
                (t("quality.dialogs"), "num"),
                (t("quality.share"), "num"),
                (t("quality.weak"), "full"),
            ],
            [(row.name, formatting.number(row.weight), *_counted(view, row)) for row in found.criteria],
            mark="quality-criteria",
        )
        if managers := found.managers:
            with div("card-head"):
                tag("h3", "", t("quality.by_manager"))
            table(
                [
                    (t("managers.name"), "lead"),
                    (t("quality.dialogs"), "num"),
                    (t("quality.share"), "num"),
                    (t("quality.weak"), "full"),
                ],
                [(row.name, *_counted(view, row)) for row in managers],
                mark="quality-managers",
            )


def _whole(found: Quality) -> str:
    scored = formatting.plural(found.dialogs, "plural.dialogs")
    share = found.share
    if share is None:
        return t("quality.few", dialogs=scored)
    return t("quality.whole", share=formatting.percent(share), dialogs=scored)


def _counted(view: ReportView, row: Scores) -> tuple[Cell, Cell, Cell]:
    share = row.share
    return (
        formatting.number(row.n),
        t("number.small") if share is None else formatting.percent(share),
        _weak(view, row) if row.claims else "",
    )


def _weak(view: ReportView, row: Scores) -> Callable[[], None]:
    def shown() -> None:
        with tag("details", "no-print"):
            tag("summary", "small", t("quality.show", n=len(row.claims)), mark="quality-weak")
            quotes(view, row, len(row.claims))

    return shown
