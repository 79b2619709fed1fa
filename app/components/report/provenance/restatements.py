"""What became of a report's numbers after it was published: late messages, night questions answered in the morning."""

from __future__ import annotations

from app import formatting
from app.components.base.html import div, link, note, span, table, tag
from app.components.report.parts import number_text, rows_href
from app.texts import language, t
from services.reports.view import ReportView
from synkro.metrics.registry import SUMMARY


def draw(view: ReportView) -> None:
    """Nothing where every published number stands; whether the window's numbers still wait to be counted anew."""
    if view.is_outdated:
        note(t("corrected.outdated"), "warn", mark="outdated")
    found = view.correction
    if found is None:
        return
    base = f"/t/{view.tenant.slug}/reports/{view.report.report_id}"
    with div("note warn stack tight", mark="corrected"):
        when = formatting.moment(found.as_of, view.tenant.timezone)
        span("strong", t("corrected.title", n=formatting.plural(len(found.changes), "plural.numbers"), when=when))
        span("small", t("corrected.why"))
        with tag("details"):
            tag("summary", "small", t("corrected.show"), mark="corrected-show")
            table(
                [(t("export.number"), ""), (t("corrected.old"), "num"), (t("corrected.new"), "num")],
                [
                    (
                        lambda key=one.key: link(SUMMARY[key].label(language()), rows_href(base, key)),  # type: ignore[misc]
                        number_text(SUMMARY[one.key], one.old, view.currency),
                        number_text(SUMMARY[one.key], one.new, view.currency),
                    )
                    for one in found.changes
                ],
                mark="corrections",
                cards=False,
            )
