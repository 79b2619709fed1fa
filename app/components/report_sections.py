"""The sections of a report. A body from an older or thinner report lacks keys: a section without content is not drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app import words
from app.components.html import badge, div, facts, link, note, span, table, tag
from app.components.report_parts import dialog_href, evidence, number_text, number_tile, section
from app.components.waits_table import waits_table
from app.services.report_view import ALL_NUMBERS, ReportView, claims_at, headline_numbers
from app.services.rows import METRICS
from app.texts import known, t
from synkro.numbers import SMALL_N

__all__ = [
    "actions",
    "claims",
    "data",
    "dialogs",
    "managers",
    "numbers",
    "promises",
    "risks",
    "section",
    "topics",
    "waiting",
]


#: what a person can do in a day
TODAY = 3
#: tiles of numbers, rows of a table: the rest is one press away
TILES, ROWS = 9, 10


def _items(view: ReportView, key: str) -> list[dict[str, Any]]:
    found = view.report.body.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _evidence(view: ReportView, item: dict[str, Any], limit: int = 2) -> None:
    evidence(view.tenant.slug, claims_at(view.report, item.get("claims")), limit)


def _dialog_link(view: ReportView, item: dict[str, Any], mark: str) -> None:
    if item.get("dialog_id"):
        cited = claims_at(view.report, item.get("claims"))
        ids = next((c.get("message_ids") for c in cited if c.get("dialog_id") == item["dialog_id"]), None)
        link(
            t("report.open_dialog"),
            dialog_href(view.tenant.slug, item["dialog_id"], ids),
            "btn small no-print",
            mark=mark,
        )


def actions(view: ReportView) -> None:
    items = _items(view, "actions")
    with section(t("report.actions"), mark="actions"):
        if not items:
            span("muted", t("report.no_actions"))
        for number, item in enumerate(items[:TODAY], 1):
            _action(view, item, number)
        if len(items) > TODAY:
            with tag("details"):
                tag("summary", "small", t("report.more_actions", n=len(items) - TODAY), mark="more-actions")
                for number, item in enumerate(items[TODAY:], TODAY + 1):
                    _action(view, item, number)


def _action(view: ReportView, item: dict[str, Any], number: int) -> None:
    with div("action", mark=f"action-{number}"):
        span("n", str(number))
        with div("stack tight"):
            span("strong wrap", words.masked(item.get("text") or ""))
            who = [item.get("who"), words.masked(item.get("client")), item.get("phone_masked")]
            span("small muted wrap", " · ".join(str(part) for part in who if part))
            if item.get("why"):
                span("small wrap", words.masked(item["why"]))
            _evidence(view, item, 1)
        with div("stack tight side"):
            money = item.get("money_display") or (
                words.money(item["money"], view.currency) if item.get("money") else ""
            )
            if money:
                span("money", str(money))
            _dialog_link(view, item, "action-dialog")


def numbers(view: ReportView) -> None:
    report = view.report
    base = f"/t/{view.tenant.slug}/reports/{report.report_id}/rows"
    lines = headline_numbers(report)
    if not lines and not report.numbers:
        return
    with section(t("report.numbers"), lead=t("report.numbers_lead"), mark="numbers"):
        with div("numbers"):
            for line in lines[:TILES]:
                key = line["key"]
                line = {**line, "value": line.get("value", report.numbers.get(key))}
                number_tile(
                    line,
                    href=f"{base}/{key}",
                    currency=view.currency,
                    usual=view.usual.get(key),
                    history=[day.get(key) for day in view.history],
                    n=report.numbers.get(f"{key}_n", report.numbers.get("waits_answered")),
                )
        with tag("details", "no-print"):
            tag("summary", "small", t("report.all_numbers"), mark="all-numbers")
            _all_numbers(view, base)


def _all_numbers(view: ReportView, base: str) -> None:
    report = view.report

    def value(key: str) -> Callable[[], Any]:
        text = number_text(key, report.numbers.get(key), view.currency)
        return lambda: link(text, f"{base}/{key}", mark=f"rows-{key}") if key in METRICS else span("", text)

    table(
        [(t("export.number"), ""), (t("export.value"), "num"), (t("export.usual"), "num muted")],
        [
            (t(f"number.{key}"), value(key), number_text(key, view.usual.get(key), view.currency))
            for key in ALL_NUMBERS
            if key in report.numbers
        ],
        cards=False,
    )


def waiting(view: ReportView) -> None:
    total = view.report.numbers.get("unanswered_now")
    lead = t("report.waiting_lead", n=words.number(total)) if total else ""
    if not view.waiting:
        with section(t("report.waiting"), mark="waiting-section"):
            span("muted", t("report.nobody_waits"))
        return
    with tag("section", "card flush", mark="waiting-section"):
        with div("card-head"):
            tag("h2", "", t("report.waiting"))
            span("small muted", lead)
        waits_table(view.tenant.slug, view.waiting[:ROWS], view.tenant.timezone, view.currency)
        _all_of(view, "unanswered_now", len(view.waiting))


def _all_of(view: ReportView, metric: str, total: int) -> None:
    """The way to the rest of a table."""
    if total > ROWS:
        base = f"/t/{view.tenant.slug}/reports/{view.report.report_id}/rows"
        with div("pager no-print"):
            link(t("report.show_all", n=words.number(total)), f"{base}/{metric}", "btn small", mark=f"all-{metric}")


def managers(view: ReportView) -> None:
    said = {str(item.get("manager_id")): item.get("text") for item in _items(view, "managers")}
    rows = view.managers
    if not rows and not said:
        return
    with tag("section", "card flush", mark="managers"):
        with div("card-head"):
            tag("h2", "", t("report.managers"))
        # the table says the same, and more
        for item in [] if rows else _items(view, "managers"):
            with div("item").style("padding: 0 16px 8px"):
                span("strong", f"{item.get('name') or ''}: ")
                span("wrap", words.masked(item.get("text") or ""))
        if rows:
            table(
                [
                    (t("managers.name"), "lead"),
                    (t("managers.answered"), "num"),
                    (t("managers.speed"), "num"),
                    (t("managers.within"), "num"),
                    (t("managers.overdue"), "num"),
                    (t("managers.sent"), "num"),
                ],
                [manager_row(row) for row in rows],
            )


def manager_row(row: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    """A share and a median of fewer than ten waits are not shown: they would rank people by chance."""
    few = (row.get("waits_answered") or 0) < SMALL_N
    return (
        str(row["name"]),
        words.number(row.get("waits_answered")),
        t("number.small") if few else words.minutes(row.get("response_p50")),
        t("number.small") if few else words.percent(row.get("within_target")),
        words.number(row.get("open_overdue")),
        words.number(row.get("messages_sent")),
    )


def risks(view: ReportView) -> None:
    items = _items(view, "risks")
    if not items:
        return
    with section(t("report.risks"), mark="risks"), div("stack list"):
        for item in items:
            with div("item stack tight"):
                span("wrap", words.masked(item.get("text") or ""))
                _evidence(view, item)
                _dialog_link(view, item, "risk-dialog")


def topics(view: ReportView) -> None:
    found, objections, lost = _items(view, "topics"), _items(view, "objections"), _items(view, "lost_reasons")
    if not (found or objections or lost):
        return
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
                        span("muted nowrap", words.number(item.get("count")))
                        if item.get("amount"):
                            span("nowrap", words.money(item["amount"], view.currency))


def _counted(items: list[dict[str, Any]], key: str, view: ReportView) -> None:
    top = max((item.get("count") or 0 for item in items), default=0) or 1
    for item in items[:12]:
        with div("stack tight"):
            with div("line between"):
                span("wrap grow", words.masked(str(item.get(key) or "")))
                span("muted", words.number(item.get("count")))
            with div("bar"):
                tag("i").style(f"width: {min(100, 100 * (item.get('count') or 0) / top):.0f}%")
            _evidence(view, item, 1)
            ids = item.get("dialog_ids") or []
            if ids:
                with div("line small no-print"):
                    for number, dialog_id in enumerate(ids[:6], 1):
                        link(t("report.dialog_n", n=number), dialog_href(view.tenant.slug, dialog_id))


def promises(view: ReportView) -> None:
    items = _items(view, "promises")
    if not items:
        return
    with section(t("report.promises"), mark="promises"), div("stack list"):
        for item in items:
            with div("item stack tight"):
                with div("line between top"):
                    span("wrap grow", words.masked(item.get("text") or ""))
                    if item.get("deadline_display") or item.get("deadline"):
                        badge(str(item.get("deadline_display") or item["deadline"]), "accent")
                who = [item.get("who"), words.masked(item.get("client"))]
                span("small muted", " → ".join(str(part) for part in who if part))
                _evidence(view, item, 1)


def dialogs(view: ReportView) -> None:
    if not view.dialogs:
        return
    quotes: dict[str, dict[str, Any]] = {}
    for claim in view.report.claims:
        if claim.get("dialog_id") and claim.get("quote"):
            quotes.setdefault(str(claim["dialog_id"]), claim)
    base = f"/t/{view.tenant.slug}/reports/{view.report.report_id}/rows/dialogs"
    with tag("section", "card flush", mark="dialogs"):
        with div("card-head"):
            tag("h2", "", t("report.dialogs"))
            link(words.plural(view.dialogs_total, "plural.dialogs"), base, "small")
        table(
            [
                (t("waits.client"), "lead"),
                (t("dialogs.deal"), ""),
                (t("dialogs.messages"), "num"),
                (t("waits.manager"), ""),
                (t("dialogs.quote"), "full"),
            ],
            [_dialog_row(view, one, quotes.get(one.dialog_id)) for one in view.dialogs[:ROWS]],
        )
        _all_of(view, "dialogs", view.dialogs_total)


def _dialog_row(view: ReportView, one: Any, claim: dict[str, Any] | None) -> tuple[Any, ...]:
    def client() -> None:
        link(
            words.person(one.client_name, one.phone),
            dialog_href(view.tenant.slug, one.dialog_id),
            "strong wrap",
            mark="dialog",
        )
        if one.has_open_wait:
            badge(t("dialogs.waits"), "warn")

    def deal() -> None:
        if one.deal_name:
            span("wrap lines2", words.masked(one.deal_name))
            parts = [one.stage, words.money(one.price, view.currency) if one.price else ""]
            span("small muted wrap", " · ".join(part for part in parts if part))

    def quoted() -> None:
        evidence(view.tenant.slug, [claim] if claim else [], 1)

    return (
        client,
        deal if one.deal_name else "",
        words.number(one.messages),
        one.manager_name or "",
        quoted if claim else "",
    )


def claims(view: ReportView) -> None:
    """Every claim with its quote: what the text above stands on."""
    if not view.report.claims:
        return
    with section(t("report.claims"), lead=t("report.claims_lead"), mark="claims"), tag("details"):
        tag("summary", "small", words.plural(len(view.report.claims), "plural.claims"))
        with div("stack list").style("margin-top: 10px"):
            for claim in view.report.claims[:100]:
                with div("item stack tight"):
                    if claim.get("text"):
                        span("wrap", words.masked(claim["text"]))
                    evidence(view.tenant.slug, [claim], 1)


def data(view: ReportView, *, show_cost: bool) -> None:
    """What was read, what was left out and why."""
    report, zone = view.report, view.tenant.timezone
    with section(t("report.data"), mark="data"):
        reader = (report.body.get("header") or {}).get("reader") or {}
        pairs = [
            (t("data.as_of"), words.moment(report.as_of, zone)),
            (t("report.coverage"), words.percent(_share(report.coverage)) if report.coverage.get("total") else "—"),
            (t("data.reader"), str(reader.get("model") or t(f"reader.{reader.get('kind')}") if known(f"reader.{reader.get('kind')}") else reader.get("model") or "—")),
            (t("data.made"), words.moment(report.created_at, zone)),
        ]  # fmt: skip
        if show_cost:
            pairs.append((t("data.cost"), f"{report.cost_usd:.4f} $"))
        if report.numbers.get("excluded_dialogs"):
            pairs.append((t("data.excluded"), words.number(report.numbers["excluded_dialogs"])))
        facts(pairs)
        skipped = report.coverage.get("skipped") or {}
        if skipped:
            span("strong small", t("data.skipped"))
            facts(
                (t(f"skip.{why}") if known(f"skip.{why}") else str(why), words.number(n)) for why, n in skipped.items()
            )
        for gap in view.missing:
            note(t("data.gap", source=gap.get("source", ""), reason=gap.get("reason") or ""), "warn")
        if view.loads:
            span("strong small", t("data.sources"))
            for load in view.loads:
                with div("line between small"):
                    stream = t(f"stream.{load.stream}") if known(f"stream.{load.stream}") else load.stream
                    span("grow wrap", f"{t(f'source.{load.source}')}: {stream}")
                    span("muted nowrap", words.number(load.loaded))
                    if load.status != "complete":
                        badge(t(f"load.{load.status}"), "bad" if load.status == "failed" else "warn")
                if load.error:
                    span("small bad wrap", load.error)
        for letter in view.letters:
            if letter.status == "failed":
                note(t("data.letter_failed", error=letter.last_error or ""), "bad", mark="letter-failed")


def _share(coverage: dict[str, Any]) -> float:
    return float(coverage.get("read", 0)) / float(coverage["total"])
