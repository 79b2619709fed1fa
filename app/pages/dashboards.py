"""``/t/{slug}/dashboards``: speed and load over days, hours of clients, managers, the funnel, who waits now."""

from __future__ import annotations

from datetime import date

from app import formatting
from app.components.base import charts
from app.components.base.html import div, empty, link, span, table, tag
from app.components.report.parts import section
from app.components.report.waits_table import live_lead, waits_table
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import language, t
from services.access import Viewer
from services.reports import dashboards
from services.reports.dashboards import RANGES, Dashboard
from synkro.metrics.registry import MANAGERS, SUMMARY

SHOWN = 15
#: what adds up over days
OF_MANAGERS = ("waits_answered", "breached", "open_overdue", "messages_sent")


@page("/t/{slug}/dashboards")
async def dashboards_page(viewer: Viewer, slug: str, days: int = 30) -> None:
    view = await off_loop(dashboards.load, viewer, slug, days)
    with frame(viewer, t("dashboards.title"), tenant=view.tenant, on="dashboards"):
        with heading(t("dashboards.title"), view.tenant.name), div("chips"):
            for one in RANGES:
                link(
                    formatting.plural(one, "plural.days"),
                    f"/t/{slug}/dashboards?days={one}",
                    "chip on" if one == view.days else "chip",
                    mark=f"days-{one}",
                )
        if not view.history:
            empty("chart", t("dashboards.empty"), t("dashboards.empty_text"))
            return
        with div("grid2"):
            _speed(view)
            _load(view)
        _heatmap(view)
        with div("grid2"):
            _managers(view)
            _funnel(view)
        _waiting(view)


def _labels(view: Dashboard) -> list[str]:
    return [f"{(day := date.fromisoformat(row['label_date'])).day}.{day.month:02d}" for row in view.history]


def _speed(view: Dashboard) -> None:
    first = [row.get("first_response_p50") for row in view.history]
    response = [row.get("response_p50") for row in view.history]
    top = charts.top_of(first, response)
    with section(t("dashboards.speed"), lead=t("dashboards.speed_lead"), mark="speed"):
        axis = [formatting.minutes(top * share) if share else "0" for share in (0, 0.5, 1)]
        charts.lines(_labels(view), first, response, title=t("dashboards.speed"), axis=axis)
        with div("legend"):
            for classes, metric in (("", SUMMARY["first_response_p50"]), ("two", SUMMARY["response_p50"])):
                with span("", None):
                    tag("i", classes)
                    span("", metric.label(language()))


def _load(view: Dashboard) -> None:
    messages = [row.get("messages") for row in view.history]
    tips = [
        f"{formatting.day(date.fromisoformat(row['label_date']))}: {formatting.plural(row.get('messages') or 0, 'plural.messages')}"
        for row in view.history
    ]
    with section(t("dashboards.load"), lead=t("dashboards.load_lead"), mark="load"):
        incomplete = [not row.get("is_complete") for row in view.history]
        charts.bars(_labels(view), messages, title=t("dashboards.load"), tips=tips, incomplete=incomplete)
        if any(incomplete):
            span("small muted", t("dashboards.grey"))


def _heatmap(view: Dashboard) -> None:
    with section(t("dashboards.heatmap"), lead=t("dashboards.heatmap_lead", zone=view.timezone), mark="heat"):
        charts.heatmap(view.heatmap, t("words.weekdays").split("|"), t("dashboards.heatmap_tip"))


def _managers(view: Dashboard) -> None:
    if not view.managers:
        return
    with tag("section", "card flush", mark="managers"):
        with div("card-head"):
            tag("h2", "", t("report.managers"))
        table(
            [
                (t("managers.name"), "lead"),
                *((MANAGERS[column].short_label(language()), "num") for column in OF_MANAGERS),
            ],
            [(str(row["name"]), *(formatting.number(row[column]) for column in OF_MANAGERS)) for row in view.managers],
        )


def _funnel(view: Dashboard) -> None:
    if not view.funnel:
        return
    top = max(row["deals"] for row in view.funnel)
    with section(t("dashboards.funnel"), lead=t("dashboards.funnel_lead"), mark="funnel"):
        shown: str | None = None
        for row in view.funnel:
            if row["pipeline"] != shown:
                shown = row["pipeline"]
                tag("h3", "wrap", shown or "")
            with div("stack tight"):
                with div("line between"):
                    span("grow wrap", str(row["stage"] or ""))
                    span("muted nowrap", formatting.number(row["deals"]))
                    span("nowrap", formatting.money(row["amount"] or 0, view.currency))
                with div("bar"):
                    tag("i").style(f"width: {100 * row['deals'] / top:.0f}%")


def _waiting(view: Dashboard) -> None:
    if view.live is None:
        return
    with tag("section", "card flush", mark="waiting-section"):
        with div("card-head"):
            tag("h2", "", t("report.waiting_now"))
            live_lead(view.live, view.timezone, view.currency)
        if view.waiting:
            waits_table(view.tenant.slug, view.waiting[:SHOWN], view.timezone, view.currency, view.deal_page)
            if len(view.waiting) > SHOWN:
                with tag("details"):
                    left = t("report.more_actions", n=len(view.waiting) - SHOWN)
                    tag("summary", "small", left, mark="all-waiting").style("padding: 8px 16px")
                    waits_table(view.tenant.slug, view.waiting[SHOWN:], view.timezone, view.currency, view.deal_page)
        else:
            div("empty", t("report.nobody_waits"))
