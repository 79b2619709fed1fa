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
    if found.scored < found.of_criteria:
        return _partly(found)
    if share is None:
        return t("quality.few", dialogs=scored)
    return t("quality.whole", share=formatting.percent(share), dialogs=scored)


def _counted(view: ReportView, row: Scores) -> tuple[Cell, Cell, Cell]:
    return (
        formatting.number(row.n),
        _share(row),
        _weak(view, row) if row.claims else "",
    )


def _share(row: Scores) -> str:
    if row.scored < row.of_criteria:
        return _partly(row)
    return t("number.small") if row.share is None else formatting.percent(row.share)


def _partly(found: Quality | Scores) -> str:
    """«оценён 1 из 5 критериев»: of the whole rubric nothing is said yet."""
    key = "quality.partly.one" if found.scored == 1 else "quality.partly"
    return t(key, n=found.scored, of=found.of_criteria)


def _weak(view: ReportView, row: Scores) -> Callable[[], None]:
    def shown() -> None:
        with tag("details", "no-print"):
            tag("summary", "small", t("quality.show", n=len(row.claims)), mark="quality-weak")
            quotes(view, row, len(row.claims))

    return shown
