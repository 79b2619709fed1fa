"""The deeper sections of a report: risks, topics, promises, dialogs, evidence, and where the data came from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app import formatting
from app.components.base.html import badge, div, facts, link, note, span, table, tag
from app.components.report.deal import deal_name
from app.components.report.parts import client_cell, dialog_href, evidence, section
from app.components.report.sections import ROWS, all_of, dialog_link, quotes
from app.texts import known, t
from services.reports.view import ReportView
from synkro.core import clock
from synkro.reporting.body import LostReason, Summary, Tally, Uncovered


def risks(view: ReportView) -> None:
    items = view.report.body.risks
    if not items:
        return
    with section(t("report.risks"), mark="risks"), div("stack list"):
        for item in items:
            with div("item stack tight"):
                span("wrap", formatting.masked(item.text))
                quotes(view, item)
                dialog_link(view, item, "risk-dialog")


def topics(view: ReportView, *, may_name: bool) -> None:
    body = view.report.body
    if body.topics or body.objections or body.lost_reasons:
        _tallies(view, body.topics, body.objections, body.lost_reasons)
    if body.uncovered is not None:
        _uncovered(view, body.uncovered, may_name=may_name)


def _tallies(view: ReportView, found: list[Tally], objections: list[Tally], lost: list[LostReason]) -> None:
    with div("grid2"):
        if found:
            with section(t("report.topics"), mark="topics"):
                _counted(found, view)
        if objections:
            with section(t("report.objections"), mark="objections"):
                _counted(objections, view)
        if lost:
            with section(t("report.lost"), mark="lost"):
                for item in lost:
                    _lost_reason(view, item)


def _lost_reason(view: ReportView, item: LostReason) -> None:
    """A reason opens the dialogs and the deals that were lost for it."""

    def head() -> None:
        with div("line between"):
            span("wrap grow", item.reason or t("report.no_reason"))
            span("muted nowrap", formatting.number(item.count))
            if item.amount:
                span("nowrap", formatting.money(item.amount, view.currency))

    if not item.dialog_ids and not item.deal_ids:
        head()
        return
    with tag("details"):
        with tag("summary", "", mark="lost-reason"):
            head()
        with div("line small no-print"):
            for number, dialog_id in enumerate(item.dialog_ids, 1):
                link(
                    t("report.dialog_n", n=number),
                    dialog_href(view.tenant.slug, dialog_id),
                    mark="lost-dialog",
                )
            for deal_id in item.deal_ids:
                deal_name(view.deal_page, deal_id, None, "")


def _uncovered(view: ReportView, found: Uncovered, *, may_name: bool) -> None:
    """Questions no topic covers, by the words they share."""
    with section(t("report.uncovered", n=formatting.number(found.count)), mark="uncovered"):
        with div("stack list"):
            for group in found.groups:
                with div("item stack tight"):
                    with div("line between"):
                        span("wrap grow", ", ".join(group.words) or t("topics.rest"))
                        span("muted", formatting.number(group.count))
                    quotes(view, group, 2)
        if may_name:
            link(
                t("report.name_topics"),
                f"/t/{view.tenant.slug}/settings?tab=topics",
                "btn small no-print",
                mark="name-topics",
            )


def _counted(items: list[Tally], view: ReportView) -> None:
    top = max((item.count for item in items), default=0) or 1
    for item in items[:12]:
        with div("stack tight"):
            with div("line between"):
                span("wrap grow", formatting.masked(item.topic))
                span("muted", formatting.number(item.count))
            with div("bar"):
                tag("i").style(f"width: {min(100, 100 * item.count / top):.0f}%")
            quotes(view, item, 1)
            if ids := item.dialog_ids:
                with div("line small no-print"):
                    for number, dialog_id in enumerate(ids[:6], 1):
                        link(t("report.dialog_n", n=number), dialog_href(view.tenant.slug, dialog_id))


def promises(view: ReportView) -> None:
    items = view.report.body.promises
    if not items:
        return
    with section(t("report.promises"), mark="promises"), div("stack list"):
        for item in items:
            with div("item stack tight"):
                with div("line between top"):
                    span("wrap grow", formatting.masked(item.text))
                    if deadline := item.deadline_display or item.deadline:
                        badge(deadline, "accent")
                who = [item.who, formatting.masked(item.client)]
                span("small muted", " → ".join(part for part in who if part))
                quotes(view, item, 1)


def dialogs(view: ReportView) -> None:
    if not view.dialogs:
        return
    cited: dict[str, dict[str, Any]] = {}
    for claim in view.report.claims:
        if claim.get("dialog_id") and claim.get("quote"):
            cited.setdefault(str(claim["dialog_id"]), claim)
    told = {one.dialog_id: one for one in view.report.body.summaries if one.sentences}
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
            [_dialog_row(view, one, cited.get(one.dialog_id), told.get(one.dialog_id)) for one in view.dialogs[:ROWS]],
        )
        all_of(view, "dialogs", view.dialogs_total)


def _dialog_row(view: ReportView, one: Any, claim: dict[str, Any] | None, summary: Summary | None) -> tuple[Any, ...]:
    def waits() -> None:
        if one.has_open_wait:
            badge(t("dialogs.waits"), "warn")

    client = client_cell(view.tenant.slug, one.client_name, one.phone, one.dialog_id, below=waits, mark="dialog")

    def deal() -> None:
        if one.deal_name:
            deal_name(view.deal_page, one.deal_id, one.deal_name)
            parts = [one.stage, formatting.money(one.price, view.currency) if one.price else ""]
            span("small muted wrap", " · ".join(part for part in parts if part))

    def quoted() -> None:
        if summary is not None:
            # one line: how it stands is the last sentence
            span("wrap lines2", formatting.masked(summary.sentences[-1].text), mark="dialog-summary")
        evidence(view.tenant.slug, [claim] if claim else [], 1)

    return (
        client,
        deal if one.deal_name else "",
        formatting.number(one.messages),
        one.manager_name or "",
        quoted if claim or summary else "",
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
        reader = report.body.header.reader
        pairs = [
            (t("data.as_of"), formatting.moment(report.as_of, zone)),
            (t("report.coverage"), formatting.percent(_share(report.coverage)) if report.coverage.get("total") else "—"),
            (t("data.reader"), reader.model or (t(f"reader.{reader.kind}") if known(f"reader.{reader.kind}") else "—")),
            (t("data.made"), formatting.moment(clock.of(report.created_at), zone)),
        ]  # fmt: skip
        marts = report.data_ref.get("marts") or {}
        if marts.get("rules"):
            # the first letters tell two states of the rules apart; the whole is in the report's data_ref
            pairs.append((t("data.rules"), str(marts["rules"])[:8]))
        if marts.get("settings"):
            pairs.append((t("data.settings"), str(marts["settings"])))
        if marts.get("built_at"):
            built = clock.of(datetime.fromisoformat(marts["built_at"]))
            pairs.append((t("data.built"), formatting.moment(built, zone)))
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
        for letter in view.outbox:
            if letter.status == "failed":
                note(t("data.letter_failed", error=letter.last_error or ""), "bad", mark="letter-failed")


def _share(coverage: dict[str, Any]) -> float:
    return float(coverage.get("read", 0)) / float(coverage["total"])
