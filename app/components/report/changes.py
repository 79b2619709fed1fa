"""«Почему изменилось»: each change as a sentence and a waterfall whose parts open their rows.

All of it stands in the body: an old report shows what it said. The rows are those of the marts as they are now.
"""

from __future__ import annotations

from app import formatting
from app.components.base.charts import Step, waterfall
from app.components.base.html import div, span, tag
from app.components.report.parts import part_text, rows_href, section
from app.components.report.sections import usual_of
from app.texts import language, t
from services.reports.view import ReportView
from synkro.metrics.registry import SUMMARY
from synkro.reporting.body import Change, Split


def draw(view: ReportView) -> None:
    """Nothing for a report that compares nothing: nothing was usual yet, or it was written before there was this section."""
    body = view.report.body
    if not body.changes:
        if any(line.usual_n for line in body.numbers) and not body.quiet:
            with section(t("report.changes"), mark="changes"):
                span("muted", t("report.no_changes"))
        return
    with section(t("report.changes"), lead=t("report.changes_lead"), mark="changes"):
        for number, change in enumerate(body.changes, 1):
            _change(view, change, number)


def _change(view: ReportView, change: Change, number: int) -> None:
    first = next((one for one in change.splits if one.dimension == change.dimension), None)
    others = [one for one in change.splits if one is not first]
    with div("stack", mark=f"change-{number}"):
        span("strong wrap", formatting.masked(change.text))
        if first is not None:
            _waterfall(view, change, first)
        if others:
            with tag("details", "no-print"):
                tag("summary", "small", t("report.change_other"), mark=f"change-{number}-other")
                for split in others:
                    tag("h3", "small", t(f"part.dimension.{split.dimension}"))
                    _waterfall(view, change, split)


def _waterfall(view: ReportView, change: Change, split: Split) -> None:
    metric = SUMMARY.get(change.metric)
    base = f"/t/{view.tenant.slug}/reports/{view.report.report_id}"
    steps = []
    for part in split.parts:
        name = formatting.masked(
            part_text(split.dimension, part.part, part.name) if part.part is not None else t("report.change_rest")
        )
        good = metric.is_good("up" if part.contribution > 0 else "down") if metric and part.contribution else None
        tip = t(
            "report.change_part", name=name, value=part.value_display or "—", base=part.base_display or "—", n=part.n
        )
        steps.append(
            Step(
                name,
                part.contribution,
                part.display,
                rows_href(base, change.metric, part=(split.dimension, part.part)) if part.part is not None else "",
                tip if part.part is not None else "",
                {True: "good", False: "bad", None: ""}[good],
            )
        )
    total = sum(part.contribution for part in split.parts)
    label = metric.label(language()) if metric else change.metric
    is_usual = change.compared_with == "usual"
    waterfall(
        Step(t("report.change_usual", of=_of(view, change)) if is_usual else _before(view), 0.0, change.base_display),
        steps,
        Step(t("report.change_now"), total, change.value_display, f"{base}/rows/{change.metric}"),
        title=f"{label}: {t(f'part.dimension.{split.dimension}')}",
    )


def _of(view: ReportView, change: Change) -> str:
    """Of what the usual is told: as the report says it, and in another language as the marts do."""
    return change.base_of if language() == "ru" or not view.baseline.windows else usual_of(view)


def _before(view: ReportView) -> str:
    return t("report.change_month_before" if view.report.report_type == "monthly" else "report.change_week_before")
