"""«Сверка с источниками»: what the vendors showed against raw, raw against the marts, and the run's log below."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from app import formatting
from app.components.base.html import Cell, badge, div, span, table, tag
from app.components.report.parts import log_lines
from app.texts import known, language, t
from services.reports.view import ReportView
from synkro.metrics.registry import SUMMARY
from synkro.reporting.reconciliation import Count, Line

_STATES = {"complete": "", "incomplete": "warn", "failed": "bad", "not_read": "bad"}
#: what is counted by day → the number of the report it is counted for
_ENTITIES = {"messages": "messages", "dialogs": "dialogs", "leads": "deals_new"}


def draw(view: ReportView) -> None:
    """Nothing for a report that no run read anything for."""
    if not view.lines:
        return
    zone = view.tenant.timezone
    with tag("section", "card flush", mark="reconciliation"):
        with div("card-head"):
            tag("h2", "", t("recon.title"))
            _verdict(view)
        table(
            [
                (t("recon.stream"), "lead"),
                (t("recon.requests"), "num"),
                (t("recon.seen"), "num"),
                (t("recon.rejected"), "num"),
                (t("recon.loaded"), "num"),
                (t("recon.difference"), "num"),
                (t("recon.until"), "nowrap"),
            ],
            [_stream_row(line, zone) for line in view.lines],
            mark="streams",
            tight=True,
        )
        if view.counts:
            _days(view.counts)
        if view.log:
            with tag("details", "no-print"):
                tag("summary", "small", t("recon.log"))
                log_lines(view.log, zone, "report-log")


def _verdict(view: ReportView) -> None:
    """One look: everything is there, something was refused with a reason, something is missing."""
    rejected = sum(line.rejected for line in view.lines)
    if not all(line.is_whole for line in view.lines) or any(one.difference for one in view.counts):
        badge(t("recon.not_whole"), "bad")
    elif rejected:
        badge(t("recon.some_rejected", rows=formatting.plural(rejected, "plural.rows")), "warn")
    else:
        badge(t("recon.whole"), "good")


def _stream_row(line: Line, zone: str) -> tuple[Cell, ...]:
    if line.status == "not_read":
        return (_stream(line), *["—"] * 6)
    return (
        _stream(line),
        formatting.number(line.requests),
        formatting.number(line.seen),
        formatting.number(line.rejected),
        formatting.number(line.loaded),
        _difference(line.difference),
        formatting.moment(line.read_until, zone),
    )


def _stream(line: Line) -> Callable[[], None]:
    def cell() -> None:
        name = t(f"stream.{line.stream}") if known(f"stream.{line.stream}") else line.stream
        with span("line"):
            span("", f"{formatting.source(line.source)}: {name}")
            if line.status != "complete":
                badge(t(f"load.{line.status}"), _STATES[line.status])
        for key, n in sorted(line.reasons.items()):
            # refused rows are a warning, what was noticed about stored ones is not
            if known(f"reason.{key}"):
                span("small warn wrap", t("recon.reason", why=t(f"reason.{key}"), n=formatting.number(n)))
            elif known(f"notice.{key}"):
                span("small muted wrap", t("recon.reason", why=t(f"notice.{key}"), n=formatting.number(n)))
        if line.error:
            span("small bad wrap", formatting.masked(line.error))

    return cell


def _difference(n: int) -> Cell:
    return (lambda: badge(formatting.number(n), "bad")) if n else formatting.number(n)


def _days(counts: list[Count]) -> None:
    """vendor → raw is above; here each business day of the window goes on from raw to the marts."""
    shown = [entity for entity in _ENTITIES if any(one.entity == entity for one in counts)]
    found = {(one.day, one.entity): one for one in counts}
    days: list[date | None] = list(dict.fromkeys(one.day for one in counts))
    with div("card-head"):
        tag("h3", "", t("recon.days"))
    table(
        [(t("recon.day"), "lead"), *((SUMMARY[_ENTITIES[entity]].label(language()), "num") for entity in shown)],
        [
            (
                formatting.day(day) if day else t("recon.all_time"),
                *(_count(found[day, entity]) if (day, entity) in found else "—" for entity in shown),
            )
            for day in days
        ],
        mark="days",
        tight=True,
    )


def _count(one: Count) -> Callable[[], None]:
    def cell() -> None:
        span("nowrap", f"{formatting.number(one.raw_rows)} → {formatting.number(one.mart_rows)}")
        for key, n in one.left_out.items():
            span("small muted wrap", t("recon.reason", why=t(f"left_out.{key}"), n=formatting.number(n)))
        if one.difference:
            # a badge alone would stick to the left of a column of numbers
            with div():
                badge(t("recon.lost", n=formatting.number(one.difference)), "bad")

    return cell
