"""The deeper sections of a report: risks, topics, promises, dialogs, evidence, and where the data came from."""

from __future__ import annotations

from typing import Any

from app import formatting
from app.components.base.html import badge, div, facts, link, note, span, table, tag
from app.components.report.parts import client_cell, dialog_href, evidence, section
from app.components.report.sections import ROWS, all_of, dialog_link, items_of, quotes
from app.texts import known, t
from services.reports.view import ReportView
from synkro.core import clock


def risks(view: ReportView) -> None:
    items = items_of(view, "risks")
    if not items:
        return
    with section(t("report.risks"), mark="risks"), div("stack list"):
        for item in items:
            with div("item stack tight"):
                span("wrap", formatting.masked(item.get("text") or ""))
                quotes(view, item)
                dialog_link(view, item, "risk-dialog")


def topics(view: ReportView, *, may_name: bool) -> None:
    found, objections, lost = items_of(view, "topics"), items_of(view, "objections"), items_of(view, "lost_reasons")
    uncovered = view.report.body.get("uncovered")
    if found or objections or lost:
        _tallies(view, found, objections, lost)
    if isinstance(uncovered, dict):
        _uncovered(view, uncovered, may_name=may_name)


def _tallies(
    view: ReportView, found: list[dict[str, Any]], objections: list[dict[str, Any]], lost: list[dict[str, Any]]
) -> None:
    with div("grid2"):
        if found:
            with section(t("report.topics"), mark="topics"):
                _counted(found, "topic", view)
        if objections:
            with section(t("report.objections"), mark="objections"):
                _counted(objections, "topic", view)
        if lost:
            with section(t("report.lost"), mark="lost"):
                for item in lost:
                    with div("line between"):
                        span("wrap grow", str(item.get("reason") or t("report.no_reason")))
                        span("muted nowrap", formatting.number(item.get("count")))
                        if item.get("amount"):
                            span("nowrap", formatting.money(item["amount"], view.currency))


def _uncovered(view: ReportView, found: dict[str, Any], *, may_name: bool) -> None:
    """Questions no topic covers, by the words they share."""
    with section(t("report.uncovered", n=formatting.number(found.get("count"))), mark="uncovered"):
        with div("stack list"):
            for group in found.get("groups") or []:
                with div("item stack tight"):
                    with div("line between"):
                        span("wrap grow", ", ".join(group.get("words") or []) or t("topics.rest"))
                        span("muted", formatting.number(group.get("count")))
                    quotes(view, group, 2)
        if may_name:
            link(
                t("report.name_topics"),
                f"/t/{view.tenant.slug}/settings?tab=topics",
                "btn small no-print",
                mark="name-topics",
            )


def _counted(items: list[dict[str, Any]], key: str, view: ReportView) -> None:
    top = max((item.get("count") or 0 for item in items), default=0) or 1
    for item in items[:12]:
        with div("stack tight"):
            with div("line between"):
                span("wrap grow", formatting.masked(str(item.get(key) or "")))
                span("muted", formatting.number(item.get("count")))
            with div("bar"):
                tag("i").style(f"width: {min(100, 100 * (item.get('count') or 0) / top):.0f}%")
            quotes(view, item, 1)
            ids = item.get("dialog_ids") or []
            if ids:
                with div("line small no-print"):
                    for number, dialog_id in enumerate(ids[:6], 1):
                        link(t("report.dialog_n", n=number), dialog_href(view.tenant.slug, dialog_id))


def promises(view: ReportView) -> None:
    items = items_of(view, "promises")
    if not items:
        return
    with section(t("report.promises"), mark="promises"), div("stack list"):
        for item in items:
            with div("item stack tight"):
                with div("line between top"):
                    span("wrap grow", formatting.masked(item.get("text") or ""))
                    if item.get("deadline_display") or item.get("deadline"):
                        badge(str(item.get("deadline_display") or item["deadline"]), "accent")
                who = [item.get("who"), formatting.masked(item.get("client"))]
                span("small muted", " → ".join(str(part) for part in who if part))
                quotes(view, item, 1)


def dialogs(view: ReportView) -> None:
    if not view.dialogs:
        return
    cited: dict[str, dict[str, Any]] = {}
    for claim in view.report.claims:
        if claim.get("dialog_id") and claim.get("quote"):
            cited.setdefault(str(claim["dialog_id"]), claim)
    base = f"/t/{view.tenant.slug}/reports/{view.report.report_id}/rows/dialogs"
    with tag("section", "card flush", mark="dialogs"):
        with div("card-head"):
            tag("h2", "", t("report.dialogs"))
            link(formatting.plural(view.dialogs_total, "plural.dialogs"), base, "small")
        table(
            [
                (t("waits.client"), "lead"),
                (t("dialogs.deal"), ""),
                (t("dialogs.messages"), "num"),
                (t("waits.manager"), ""),
                (t("dialogs.quote"), "full"),
            ],
            [_dialog_row(view, one, cited.get(one.dialog_id)) for one in view.dialogs[:ROWS]],
        )
        all_of(view, "dialogs", view.dialogs_total)


def _dialog_row(view: ReportView, one: Any, claim: dict[str, Any] | None) -> tuple[Any, ...]:
    def waits() -> None:
        if one.has_open_wait:
            badge(t("dialogs.waits"), "warn")

    client = client_cell(view.tenant.slug, one.client_name, one.phone, one.dialog_id, below=waits, mark="dialog")

    def deal() -> None:
        if one.deal_name:
            span("wrap lines2", formatting.masked(one.deal_name))
            parts = [one.stage, formatting.money(one.price, view.currency) if one.price else ""]
            span("small muted wrap", " · ".join(part for part in parts if part))

    def quoted() -> None:
        evidence(view.tenant.slug, [claim] if claim else [], 1)

    return (
        client,
        deal if one.deal_name else "",
        formatting.number(one.messages),
        one.manager_name or "",
        quoted if claim else "",
    )


def claims(view: ReportView) -> None:
    """Every claim with its quote: what the text above stands on."""
    if not view.report.claims:
        return
    with section(t("report.claims"), lead=t("report.claims_lead"), mark="claims"), tag("details"):
        tag("summary", "small", formatting.plural(len(view.report.claims), "plural.claims"))
        with div("stack list").style("margin-top: 10px"):
            for claim in view.report.claims[:100]:
                with div("item stack tight"):
                    if claim.get("text"):
                        span("wrap", formatting.masked(claim["text"]))
                    evidence(view.tenant.slug, [claim], 1)


def data(view: ReportView, *, show_cost: bool) -> None:
    """What was read, what was left out and why."""
    report, zone = view.report, view.tenant.timezone
    with section(t("report.data"), mark="data"):
        reader = (report.body.get("header") or {}).get("reader") or {}
        pairs = [
            (t("data.as_of"), formatting.moment(report.as_of, zone)),
            (t("report.coverage"), formatting.percent(_share(report.coverage)) if report.coverage.get("total") else "—"),
            (t("data.reader"), str(reader.get("model") or t(f"reader.{reader.get('kind')}") if known(f"reader.{reader.get('kind')}") else reader.get("model") or "—")),
            (t("data.made"), formatting.moment(clock.of(report.created_at), zone)),
        ]  # fmt: skip
        if show_cost:
            pairs.append((t("data.cost"), f"{report.cost_usd:.4f} $"))
        if report.numbers.get("excluded_dialogs"):
            pairs.append((t("data.excluded"), formatting.number(report.numbers["excluded_dialogs"])))
        facts(pairs)
        skipped = report.coverage.get("skipped") or {}
        if skipped:
            span("strong small", t("data.skipped"))
            facts(
                (t(f"skip.{why}") if known(f"skip.{why}") else str(why), formatting.number(n))
                for why, n in skipped.items()
            )
        for gap in view.missing:
            note(t("data.gap", source=gap.get("source", ""), reason=gap.get("reason") or ""), "warn")
        for letter in view.letters:
            if letter.status == "failed":
                note(t("data.letter_failed", error=letter.last_error or ""), "bad", mark="letter-failed")


def _share(coverage: dict[str, Any]) -> float:
    return float(coverage.get("read", 0)) / float(coverage["total"])
