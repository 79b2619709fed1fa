"""``/``: every tenant of the person, what is wrong first."""

from __future__ import annotations

from datetime import datetime

from app import formatting
from app.components.base.html import badge, div, empty, facts, link, note, span, tag
from app.components.report.parts import coverage_text, progress, run_badge, status_badge, step_text
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import t
from services import overview
from services.access import Viewer
from services.overview import Card
from synkro.connectors import registry
from synkro.core import clock


@page("/")
async def overview_page(viewer: Viewer) -> None:
    cards = await off_loop(overview.cards, viewer)
    with frame(viewer, t("overview.title"), on="overview"):
        with heading(t("overview.title"), t("overview.lead")):
            if viewer.is_operator:
                link(t("tenants.manage"), "/tenants", "btn", mark="manage-tenants")
        if not cards:
            empty("building", t("overview.empty"), t("overview.empty_text"))
            return
        with div("grid3", mark="cards"):
            for card in cards:
                _card(card, viewer)


def _card(card: Card, viewer: Viewer) -> None:
    tenant, zone = card.tenant, viewer.user.timezone
    with div("card stack", mark=f"card-{tenant.slug}"):
        with div("line between top"):
            with tag("h2", "grow wrap"):
                link(tenant.name, f"/t/{tenant.slug}/reports")
            if tenant.status != "active":
                badge(t(f"tenant.{tenant.status}"), "warn")
        _trouble(card, viewer)
        _numbers(card, zone)
        pairs = [(formatting.source(source), _reach(card, source, until)) for source, until in card.freshness.items()]
        if card.report:
            coverage = coverage_text(card.report["coverage"])
            if coverage:
                pairs.append((t("report.coverage"), coverage))
        facts(pairs)
        with div("line between"):
            if card.report:
                span("small muted", formatting.span(card.report["period_start"], card.report["period_end"]))
                status_badge(card.report["status"], card.report["is_complete"])
                link(
                    t("overview.open_report"),
                    f"/t/{tenant.slug}/reports/{card.report['report_id']}",
                    "btn small",
                    mark="open-report",
                    title=formatting.moment(clock.of(card.report["created_at"]), zone),
                )
            else:
                span("small muted", t("overview.no_report"))
                link(t("overview.make_report"), f"/t/{tenant.slug}/reports", "btn small", mark="make-report")


def _trouble(card: Card, viewer: Viewer) -> None:
    tenant = card.tenant
    if not card.is_connected:
        with div("note warn stack tight"):
            span("", t("overview.not_connected"))
            if viewer.is_admin(tenant.tenant_id):
                link(t("overview.connect"), f"/t/{tenant.slug}/settings")
    for kind, error in card.broken.items():
        # a vendor's error often names the vendor itself
        said = error.removeprefix(f"{registry.label(kind)}: ") or t("integration.error")
        note(f"{t(f'kind.{kind}')}: {said}", "bad", mark="broken")
    if card.failed is not None:
        with div("note bad stack tight", mark="failed-run"):
            span("strong", t("overview.failed", when=formatting.ago(clock.of(card.failed.finished_at))))
            span("lines2", card.failed.error or t("run.no_cause"))
    if card.active is not None:
        with div("stack tight", mark="active-run"):
            with div("line"):
                run_badge(card.active.status)
                span("small muted", step_text(card.active.current_step))
            progress(card.active)
    if card.is_stale:
        note(t("overview.stale"), "warn")


def _reach(card: Card, source: str, until: datetime | None) -> str:
    """«12 мин назад, история с 20 сентября 2026»."""
    since = card.since.get(source)
    when = formatting.ago(until)
    return t("overview.since", when=when, day=formatting.day(since, year=True)) if since else when


def _numbers(card: Card, zone: str) -> None:
    if card.live is None:
        return
    shown = (
        ("overview.waiting", formatting.number(card.live.unanswered), card.live.unanswered),
        ("overview.at_risk", formatting.money(card.live.money_at_risk, card.currency), card.live.money_at_risk),
    )
    with div("facts-row", mark="live"):
        for label, text, value in shown:
            with div("fact"):
                span("value warn" if value else "value", text)
                span("label", t(label))
    span("small muted", t("report.as_of", when=formatting.moment(card.live.as_of, zone)), mark="live-as-of")
