"""The versions of a report: the way to each, and what it changed in the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from app import formatting
from app.components.base.html import div, link, span, table, tag
from app.components.report.parts import number_text, section
from app.texts import language, t
from services.reports import differences
from services.reports.differences import Difference
from services.reports.view import ReportView
from synkro.core import clock
from synkro.metrics.registry import SUMMARY
from synkro.reporting.body import Action
from synkro.reporting.reports import Report


def draw(view: ReportView) -> None:
    """Nothing while there is one version."""
    if len(view.versions) < 2:
        return
    earlier = {after.report_id: before for after, before in pairwise(view.versions)}
    with section(t("report.versions"), mark="versions"):
        for version in view.versions:
            _version(view, version)
            if (before := earlier.get(version.report_id)) is not None:
                _changed(view, before, version)


def _version(view: ReportView, version: Report) -> None:
    with div("line between"):
        label = t("report.version", n=version.version)
        if version.report_id == view.report.report_id:
            span("strong", label)
        else:
            link(label, f"/t/{view.tenant.slug}/reports/{version.report_id}", mark="version")
        span("small muted", formatting.moment(clock.of(version.created_at), view.tenant.timezone))


def _changed(view: ReportView, before: Report, after: Report) -> None:
    found = differences.between(before, after)
    with tag("details", "no-print"):
        tag("summary", "small", t("versions.show", n=before.version), mark=f"changed-{after.version}")
        if not found:
            span("small muted", t("versions.same"))
        _numbers(view, found)
        _actions(t("versions.added"), found.added)
        _actions(t("versions.removed"), found.removed)


def _numbers(view: ReportView, found: Difference) -> None:
    if not found.numbers:
        return
    table(
        [(t("export.number"), ""), (t("versions.before"), "num muted"), (t("versions.after"), "num")],
        [
            (
                SUMMARY[one.column].label(language()),
                number_text(SUMMARY[one.column], one.before, view.currency),
                number_text(SUMMARY[one.column], one.after, view.currency),
            )
            for one in found.numbers
        ],
        mark="version-numbers",
        cards=False,
    )


def _actions(title: str, items: Sequence[Action]) -> None:
    if not items:
        return
    span("strong small", title)
    for item in items:
        who = ", ".join(part for part in (item.client, item.phone_masked) if part)
        span("small wrap", formatting.masked(f"{item.text} — {who}" if who else item.text))
