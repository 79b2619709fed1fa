"""``/t/{slug}/reports/{id}``: one report from the headline down to where its data came from."""

from __future__ import annotations

from analysis.report import page_text
from app import formatting
from app.components.base.html import button, div, link, note, span, tag
from app.components.report import advice, changes, details, mode, quality, sales, sections
from app.components.report.followup import FollowUp
from app.components.report.parts import coverage_text, evidence, status_badge
from app.components.report.provenance import reconciliation, restatements, versions
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import t
from services.access import Viewer
from services.reports import view as report_view
from services.reports.view import ReportView


@page("/t/{slug}/reports/{report_id}")
async def report_page(viewer: Viewer, slug: str, report_id: str) -> None:
    view = await off_loop(report_view.load, viewer, slug, report_id)
    report, tenant = view.report, view.tenant
    title = formatting.span(report.period_start, report.period_end)
    with frame(viewer, title, tenant=tenant, on="reports"):
        base = f"/t/{slug}/reports/{report.report_id}"
        with heading(
            f"{t(f'type.{report.report_type}')}: {title}",
            tenant.name,
            [(t("reports.title"), f"/t/{slug}/reports")],
        ):
            link(
                t("report.export_numbers"),
                f"{base}/export/numbers.csv",
                "btn small",
                mark="export-numbers",
                download="",
            )
            link(t("report.export_waits"), f"{base}/export/waits.csv", "btn small", mark="export-waits", download="")
            button("", None, "small", mark="print", icon_name="print", aria_label=t("report.print")).on(
                "click", js_handler="() => window.print()"
            )
        content(view, viewer)


def content(view: ReportView, viewer: Viewer) -> None:
    """All of the page below its heading, in order."""
    _state(view, view.tenant.timezone)
    _headline(view)
    with div("aside"):
        with div("stack loose"):
            mode.draw(view)
            sections.actions(view)
            advice.draw(view)
            sections.numbers(view)
            changes.draw(view)
            sections.waiting(view)
            sections.managers(view)
            sales.draw(view)
            quality.draw(view)
            details.risks(view)
            details.topics(view, may_name=viewer.is_admin(view.tenant.tenant_id))
            details.promises(view)
            details.dialogs(view)
            details.claims(view)
            reconciliation.draw(view)
        with div("stack loose"):
            FollowUp(view, viewer).draw()
            versions.draw(view)
            details.data(view, show_cost=viewer.is_admin(view.tenant.tenant_id))


def _state(view: ReportView, zone: str) -> None:
    """Which version this is, how far its data reaches, what is missing."""
    report, body = view.report, view.report.body
    reader = body.header.reader
    with div("line small muted"):
        status_badge(report.status, report.is_complete)
        coverage = coverage_text(report.coverage)
        if coverage:
            span("", f"{t('report.read_dialogs')} {coverage}", mark="coverage")
        span("", t("report.as_of", when=formatting.moment(report.as_of, zone)))
        span("", f"{formatting.moment(report.window_start, zone)} – {formatting.moment(report.window_end, zone)}")
    if not report.is_current:
        with div("note warn line"):
            span("", t("report.old_version"))
            current = next((v for v in view.versions if v.is_current), None)
            if current:
                link(t("report.to_current"), f"/t/{view.tenant.slug}/reports/{current.report_id}")
    if body.incomplete is not None:
        with div("note warn stack tight", mark="incomplete"):
            span("strong", t("report.incomplete_title"))
            # what was promised when it was written may have been tried in vain since
            span("", page_text.incomplete_line(body.incomplete.model_copy(update=_promise(view)), zone))
    elif not report.is_complete:
        note(t("report.incomplete_plain"), "warn", mark="incomplete")
    restatements.draw(view)
    if (revision := body.revision) is not None:
        note(t("report.revised", version=revision.of_version, gained=revision.gained), "", mark="revision")
    if reader.note:
        note(reader.note, "", mark="reader-note")
    if view.lacks and report.is_current:
        when = view.next_attempt
        text = t("report.next_attempt", when=formatting.moment(when, zone)) if when else t("report.no_attempt")
        span("small muted", text, mark="next-attempt")
    if view.sent_at is not None:
        span("small muted", t("report.awaits", when=formatting.moment(view.sent_at, zone)), mark="awaits-delivery")
    if body.too_little_data:
        note(t("report.too_little"), "", mark="too-little")


def _promise(view: ReportView) -> dict[str, str]:
    """The next attempt as it is planned now, in place of the one the report was written with."""
    if not view.report.is_current or not view.lacks:
        return {}
    return {"next_attempt": view.next_attempt.isoformat() if view.next_attempt else t("report.attempts_spent")}


def _headline(view: ReportView) -> None:
    lines = view.report.body.headline
    with tag("section", "card stack", mark="headline"):
        tag("h2", "", t("report.headline"))
        if not lines:
            div("headline pre", formatting.masked(view.report.summary_text) or t("report.quiet"))
        for line in lines:
            div("headline", formatting.masked(line.text))
            evidence(view.tenant.slug, report_view.claims_at(view.report, line.claims), 1)
