"""The first sections of a report: what to do, the numbers, who waits, the managers. A body from an older or thinner report lacks keys: a section without content is not drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from app import formatting
from app.components.base.html import Cell, div, link, outside, span, table, tag
from app.components.report.parts import dialog_href, evidence, number_text, number_tile, rows_href, section
from app.components.report.waits_table import live_lead, waits_table
from app.texts import known, language, t
from services.reports.view import ReportView, claims_at, headline_numbers
from synkro.connectors import deal_pages
from synkro.metrics.registry import MANAGERS, NUMBERS, SUMMARY
from synkro.reporting.body import Action

#: what a person can do in a day
TODAY = 3
#: tiles of numbers, rows of a table: the rest is one press away
TILES, ROWS = 9, 10
#: the columns of the managers' table
OF_MANAGERS = ("waits_answered", "response_p50", "within_target", "open_waits", "open_overdue", "messages_sent")
#: the company's number in the same column, and what of it is nobody's; None: it is not told apart
TOTALS: dict[str, tuple[str, str | None]] = {
    "waits_answered": ("waits_answered", "waits_unattributed"),
    "response_p50": ("response_p50", None),
    "within_target": ("answered_within_target", None),
    "open_waits": ("unanswered_now", "open_unassigned"),
    "open_overdue": ("unanswered_overdue", "overdue_unassigned"),
    "messages_sent": ("manager_messages", "authors_unknown"),
}


class Cited(Protocol):
    """A part of the body with claims behind it."""

    @property
    def claims(self) -> list[int]: ...


class OfDialog(Cited, Protocol):
    @property
    def dialog_id(self) -> str | None: ...


def quotes(view: ReportView, item: Cited, limit: int = 2) -> None:
    evidence(view.tenant.slug, claims_at(view.report, item.claims), limit)


def dialog_link(view: ReportView, item: OfDialog, mark: str) -> None:
    if item.dialog_id:
        cited = claims_at(view.report, item.claims)
        ids = next((c.get("message_ids") for c in cited if c.get("dialog_id") == item.dialog_id), None)
        link(
            t("report.open_dialog"), dialog_href(view.tenant.slug, item.dialog_id, ids), "btn small no-print", mark=mark
        )


def actions(view: ReportView) -> None:
    items = [one for one in view.report.body.actions if not _is_answered(view, one)]
    answered = [one for one in view.report.body.actions if _is_answered(view, one)]
    of_type = f"report.actions.{view.report.report_type}"
    with section(t(of_type if known(of_type) else "report.actions"), mark="actions"):
        if not items:
            span("muted", t("report.no_actions"))
        for number, item in enumerate(items[:TODAY], 1):
            _action(view, item, number)
        if len(items) > TODAY:
            with tag("details"):
                tag("summary", "small", t("report.more_actions", n=len(items) - TODAY), mark="more-actions")
                for number, item in enumerate(items[TODAY:], TODAY + 1):
                    _action(view, item, number)
        if answered:
            with tag("details"):
                tag("summary", "small", t("report.answered_actions", n=len(answered)), mark="answered-actions")
                for number, item in enumerate(answered, len(items) + 1):
                    _action(view, item, number)


def _is_answered(view: ReportView, item: Action) -> bool:
    """Whether its client was answered since the report was written."""
    return item.only_waits and {*item.wait_ids} <= view.answered


def _action(view: ReportView, item: Action, number: int) -> None:
    with div("action", mark=f"action-{number}"):
        span("n", str(number))
        with div("stack tight"):
            span("strong wrap", formatting.masked(item.text))
            who = [item.who, formatting.masked(item.client), item.phone_masked]
            span("small muted wrap", " · ".join(str(part) for part in who if part))
            if item.why:
                span("small wrap", formatting.masked(item.why))
            quotes(view, item, 1)
        with div("stack tight side"):
            money = item.money_display or (formatting.money(item.money, view.currency) if item.money else "")
            if money:
                span("money", money)
            dialog_link(view, item, "action-dialog")
            if item.deal_id and (deal := deal_pages.address(view.deal_page, item.deal_id)):
                outside(t("report.open_deal"), deal, "btn small no-print", mark="action-deal")


def numbers(view: ReportView) -> None:
    report = view.report
    base = f"/t/{view.tenant.slug}/reports/{report.report_id}/rows"
    lines = headline_numbers(report)
    if not lines and not report.numbers:
        return
    with section(t("report.numbers"), lead=t("report.numbers_lead"), mark="numbers"):
        with div("numbers"):
            for line in lines[:TILES]:
                key = line.key
                number_tile(
                    line,
                    value=line.value if line.has("value") else report.numbers.get(key),
                    href=f"{base}/{key}",
                    currency=view.currency,
                    usual=view.baseline.values.get(key),
                    usual_of=usual_of(view, line.usual_n),
                    is_month=view.report.report_type == "monthly",
                    history=[day.get(key) for day in view.history],
                    n=report.numbers.get(SUMMARY[key].denominator) if key in SUMMARY else None,
                )
        with tag("details", "no-print"):
            tag("summary", "small", t("report.all_numbers"), mark="all-numbers")
            _all_numbers(view, base)


def usual_of(view: ReportView, n: int | None = None) -> str:
    """«по 4 средам»; empty where nothing is usual yet. ``n``: the windows as the report was written."""
    found = view.baseline
    n = n or found.windows
    if not found.windows:
        return ""
    if found.unit == "working_days":
        return t("usual.working_days", n=formatting.plural(found.working_days or 0, "plural.working_days_of"))
    if found.unit == "weekday":
        day = t("words.weekdays_of").split("|")[view.report.period_end.weekday()]
        return t("usual.weekdays", n=formatting.number(n), day=day)
    return t("usual.weeks" if found.unit == "week" else "usual.stretches", n=formatting.number(n))


def usual_title(view: ReportView) -> str:
    of = usual_of(view)
    return f"{t('export.usual')} ({of})" if of else t("export.usual")


def _all_numbers(view: ReportView, base: str) -> None:
    report = view.report

    def value(key: str) -> Callable[[], Any]:
        text = number_text(SUMMARY[key], report.numbers.get(key), view.currency)
        return lambda: link(text, f"{base}/{key}", mark=f"rows-{key}")

    table(
        [(t("export.number"), ""), (t("export.value"), "num"), (usual_title(view), "num muted")],
        [
            (
                SUMMARY[key].label(language()),
                value(key),
                number_text(SUMMARY[key], view.baseline.values.get(key), view.currency),
            )
            for key in NUMBERS
            if key in report.numbers
        ],
        cards=False,
    )


def waiting(view: ReportView) -> None:
    """Who waits now, in the data as it was read last; who waited at the window's end stands behind its number."""
    if view.live is None:
        return
    with tag("section", "card flush", mark="waiting-section", id="waiting"):
        with div("card-head"):
            tag("h2", "", t("report.waiting_now"))
            live_lead(view.live, view.tenant.timezone, view.currency)
        if view.waiting:
            waits_table(view.tenant.slug, view.waiting[:ROWS], view.tenant.timezone, view.currency, view.deal_page)
        else:
            div("empty", t("report.nobody_waits"))
        if len(view.waiting) > ROWS:
            with tag("details", "no-print"):
                left = t("report.more_actions", n=len(view.waiting) - ROWS)
                tag("summary", "small", left, mark="all-waiting").style("padding: 8px 16px")
                waits_table(view.tenant.slug, view.waiting[ROWS:], view.tenant.timezone, view.currency, view.deal_page)
        _at_the_end(view)


def _at_the_end(view: ReportView) -> None:
    """«На конец дня (30 ноября, 22:01) ждали 36», the way to those rows."""
    total = view.report.numbers.get("unanswered_now")
    if total is None:
        return
    href = f"/t/{view.tenant.slug}/reports/{view.report.report_id}/rows/unanswered_now"
    when = formatting.moment(view.report.window_end, view.tenant.timezone)
    with div("pager"):
        link(t("report.waited_at_end", when=when, n=formatting.number(total)), href, "small", mark="all-unanswered_now")


def all_of(view: ReportView, metric: str, total: int) -> None:
    """The way to the rest of a table."""
    if total > ROWS:
        base = f"/t/{view.tenant.slug}/reports/{view.report.report_id}/rows"
        with div("pager no-print"):
            link(
                t("report.show_all", n=formatting.number(total)), f"{base}/{metric}", "btn small", mark=f"all-{metric}"
            )


def managers(view: ReportView) -> None:
    said = view.report.body.managers
    rows = view.managers
    if not rows and not said:
        return
    with tag("section", "card flush", mark="managers"):
        with div("card-head"):
            tag("h2", "", t("report.managers"))
        # the table says the same, and more
        for item in [] if rows else said:
            with div("item").style("padding: 0 16px 8px"):
                span("strong", f"{item.name}: ")
                span("wrap", formatting.masked(item.text))
        if rows:
            table(
                [
                    (t("managers.name"), "lead"),
                    *((MANAGERS[column].short_label(language()), "num") for column in OF_MANAGERS),
                ],
                [*(manager_row(view, row) for row in rows), *_nobody(view), _total(view)],
                mark="managers-table",
            )


def _nobody(view: ReportView) -> list[tuple[Cell, ...]]:
    """What no manager is credited with; no row where there is nothing."""
    numbers = view.report.numbers
    columns = [TOTALS[column][1] for column in OF_MANAGERS]
    if not any(numbers.get(column) for column in columns if column):
        return []
    return [
        (
            lambda: span("muted", t("waits.nobody")),
            *(company_cell(view, column) if column else "" for column in columns),
        )
    ]


def _total(view: ReportView) -> tuple[Cell, ...]:
    return (
        lambda: span("strong", t("managers.total")),
        *(company_cell(view, TOTALS[column][0]) for column in OF_MANAGERS),
    )


def company_cell(view: ReportView, column: str) -> Cell:
    """A number of the company among those of its managers; a report of another time may lack it."""
    metric, numbers = SUMMARY[column], view.report.numbers
    if column not in numbers:
        return ""
    if metric.is_too_few(numbers.get(metric.denominator)):
        return t("number.small")
    text = number_text(metric, numbers[column], view.currency)
    href = rows_href(f"/t/{view.tenant.slug}/reports/{view.report.report_id}", column)
    return lambda: link(text, href, mark=f"total-{column}")


def manager_row(view: ReportView, row: dict[str, Any]) -> tuple[Cell, ...]:
    """A share of fewer than ten waits is not shown: it would rank people by chance."""
    base = f"/t/{view.tenant.slug}/reports/{view.report.report_id}"

    def cell(column: str) -> Cell:
        metric = MANAGERS[column]
        if metric.is_too_few(row.get(metric.denominator)):
            return t("number.small")
        text, href = (
            number_text(metric, row.get(column), view.currency),
            rows_href(base, column, str(row["manager_id"])),
        )
        return lambda: link(text, href, mark=f"manager-{column}")

    return (str(row["name"]), *map(cell, OF_MANAGERS))
