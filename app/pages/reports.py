"""``/t/{slug}/reports``: what was written, what is being written, and the form that asks for a window."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from nicegui import ui

from app import formatting
from app.components.base import forms
from app.components.base.actions import act
from app.components.base.html import badge, button, div, empty, link, pager, span, table, tag
from app.components.report.parts import coverage_text, section, status_badge
from app.components.report.runs_panel import RunsPanel
from app.components.settings.history_form import HistoryForm
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import t
from services.access import Viewer
from services.reports import runs
from services.reports.runs import Listing
from synkro.core import clock
from synkro.core.errors import SynkroError
from synkro.core.windows import Window
from synkro.reporting.reports import Report


@page("/t/{slug}/reports")
async def reports_page(viewer: Viewer, slug: str, p: int = 1) -> None:
    listing = await off_loop(runs.listing, viewer, slug, p)
    tenant = listing.tenant
    progress = await off_loop(runs.progress, viewer.user_id, tenant.tenant_id)
    with frame(viewer, t("reports.title"), tenant=tenant, on="reports"):
        with heading(t("reports.title"), tenant.name):
            pass
        with div("aside"):
            with div("stack loose"):
                panel = RunsPanel(viewer, listing, progress)
                panel.draw()
                _list(listing)
            with div("stack loose"):
                _form(listing, panel, viewer.is_operator)
                if viewer.is_admin(tenant.tenant_id):
                    HistoryForm(listing, panel).draw()


def _list(listing: Listing) -> None:
    if not listing.reports:
        empty("report", t("reports.empty"), t("reports.empty_text"))
        return
    zone = listing.config.timezone
    with div("card flush"):
        table(
            [
                (t("reports.period"), "lead"),
                (t("reports.summary"), "full"),
                (t("report.coverage"), "nowrap"),
                (t("reports.status"), ""),
                (t("reports.made"), "nowrap"),
            ],
            [
                (
                    _period(listing, report),
                    lambda report=report: span("wrap lines2 small", formatting.masked(_gist(report))),  # type: ignore[misc]
                    coverage_text(report.coverage),
                    lambda report=report: _status(listing, report),  # type: ignore[misc]
                    formatting.moment(clock.of(report.created_at), zone),
                )
                for report in listing.reports
            ],
            mark="reports",
        )
        slug = listing.tenant.slug
        pager(listing.page, listing.pages, lambda number: f"/t/{slug}/reports?p={number}")


def _status(listing: Listing, report: Report) -> None:
    status_badge(report.status, report.is_complete)
    if report.report_id in listing.corrections:
        badge(t("report.corrected"), "warn")


def _gist(report: Report) -> str:
    """The headline; for a report without one, the beginning of its text."""
    return " ".join(sentence.text for sentence in report.body.headline) or report.summary_text[:400]


def _period(listing: Listing, report: Report):  # type: ignore[no-untyped-def]
    def draw() -> None:
        link(
            formatting.span(report.period_start, report.period_end),
            f"/t/{listing.tenant.slug}/reports/{report.report_id}",
            "strong nowrap",
            mark="report",
        )
        detail = t(f"type.{report.report_type}")
        if report.report_type == "forced":
            zone = listing.config.timezone
            detail += f", {formatting.clock(report.window_start, zone)}–{formatting.clock(report.window_end, zone)}"
        if report.version > 1:
            detail += f" · {t('report.version', n=report.version)}"
        span("small muted", detail)

    return draw


def _form(listing: Listing, panel: RunsPanel, is_operator: bool) -> None:
    """A closed business day by one press, or any window within the limits."""
    config, tenant = listing.config, listing.tenant
    zone = ZoneInfo(config.timezone)
    latest = runs.last_closed(config)
    with section(t("force.title"), mark="force"):
        span(
            "small muted",
            t(
                "force.limits",
                days=config.max_force_lookback_days,
                hours=config.max_force_window_hours,
                zone=config.timezone,
            ),
        )
        choices = runs.day_choices(config)
        start, end = _inputs(latest, zone)
        exceed = forms.text(t("force.exceed"), "force-exceed", hint=t("force.exceed.hint")) if is_operator else None

        def pick(window: Window) -> None:
            start.control.value = _local(window.start, zone)
            end.control.value = _local(window.end, zone)
            say("")

        def say(message: str) -> None:
            at_start = "from" in message or "слишком давно" in message or "начина" in message
            start.wrong(message if at_start else "")
            end.wrong("" if at_start else message)

        with div("chips"):
            for number, (label, window) in enumerate(choices[:5]):
                text = t("force.last_day") if number == 0 else formatting.day(datetime.fromisoformat(label).date())
                tag("button", "chip", text, type="button", mark=f"day-{number}").on(
                    "click", lambda window=window: pick(window), args=[]
                )

        async def ask() -> None:
            say("")
            made = await act(
                lambda who: runs.request(
                    who, tenant.slug, start.value or "", end.value or "", exceed.value or "" if exceed else ""
                ),
                on_error=lambda error: say(_beside(error)),
            )
            if made is not None:
                ui.notify(t("force.queued") if made[1] else t("force.joined"), type="positive")
                await panel.reload()

        button(t("force.submit"), ask, "primary wide", mark="force-submit", icon_name="play")
        if tenant.status != "active":
            span("small warn", t("force.paused"))


def _inputs(latest: Window, zone: ZoneInfo) -> tuple[forms.Field, forms.Field]:
    start = forms.text(t("force.from"), "force-from", _local(latest.start, zone), kind="datetime-local")
    end = forms.text(t("force.to"), "force-to", _local(latest.end, zone), kind="datetime-local")
    return start, end


def _local(moment: datetime, zone: ZoneInfo) -> str:
    """As a ``datetime-local`` field wants it."""
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def _beside(error: SynkroError) -> str:
    return error.message
