"""Pieces of a report that several pages show: badges, coverage, evidence, numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from app import formatting
from app.components.base.charts import spark
from app.components.base.html import anchor, badge, div, link, span, tag
from app.texts import known, language, t
from services.reports import runs
from synkro.core import clock
from synkro.metrics.metric import Metric
from synkro.metrics.registry import SUMMARY
from synkro.reporting.body import Number
from synkro.runs.queue import Event, Run

_RUN = {
    "success": "good",
    "failed": "bad",
    "cancelled": "",
    "pending": "accent",
    "running": "accent",
    "cancelling": "warn",
}
_REPORT = {"sent": "good", "ready": "accent"}


def run_badge(status: str) -> None:
    badge(t(f"run.{status}"), _RUN.get(status, ""))


def status_badge(status: str, is_complete: bool) -> None:
    with span("line"):
        badge(t(f"report.{status}"), _REPORT.get(status, ""))
        if not is_complete:
            badge(t("report.incomplete"), "warn")


def log_lines(events: Sequence[Event], zone: str, mark: str = "run-log") -> None:
    """The run's log as people read it, warnings in their colour."""
    with div("log", mark=mark):
        for event in events:
            with div(f"entry {event.level}"):
                span("", formatting.clock(clock.of(event.created_at), zone))
                span("", formatting.masked(event.message))


def step_text(step: str) -> str:
    return t(f"step.{step}") if known(f"step.{step}") else step


def progress(one: Run) -> None:
    """The bar of a run under way, and what it is at."""
    share = runs.percent(one)
    with div("progress", role="progressbar", aria_valuenow=round(share * 100), aria_label=t("run.progress")):
        tag("i").style(f"width: {share * 100:.1f}%")
    done, total = one.progress.get("done"), one.progress.get("total")
    message = formatting.masked(one.progress.get("message"))
    # two sources are read at once: their message holds the counts of both
    counted = (
        f"{formatting.number(done)} / {formatting.number(total)} " if total and one.current_step != "sources" else ""
    )
    if message or counted:
        span("small muted wrap", counted + message, mark="progress-text")


def coverage_text(coverage: dict[str, Any] | None) -> str:
    """«118 из 124, не открыто вложений: 3»."""
    if not coverage or not coverage.get("total"):
        return ""
    text = t(
        "report.coverage_of",
        read=formatting.number(coverage.get("read", 0)),
        total=formatting.number(coverage["total"]),
    )
    unread = coverage.get("media_unread")
    return text + (", " + t("report.media_unread", n=formatting.number(unread)) if unread else "")


def dialog_href(slug: str, dialog_id: Any, message_ids: Sequence[Any] | None = None) -> str:
    """The transcript, at the first of the messages, all of them marked."""
    path = f"/t/{slug}/dialogs/{quote(str(dialog_id), safe='')}"
    ids = [str(one) for one in message_ids or []][:20]
    if not ids:
        return path
    return f"{path}?m={quote(','.join(ids), safe=',')}#m-{quote(ids[0], safe='')}"


def evidence(slug: str, claims: Sequence[dict[str, Any]], limit: int = 3) -> None:
    """Quotes, each a way to its message."""
    for claim in claims[:limit]:
        with div("line top"):
            if claim.get("quote"):
                div("quote grow", formatting.masked(f"«{claim['quote']}»"))
            if claim.get("dialog_id"):
                link(
                    t("report.to_message"),
                    dialog_href(slug, claim["dialog_id"], claim.get("message_ids")),
                    "small nowrap no-print",
                    mark="to-message",
                )


def rows_href(
    base: str,
    metric: str,
    manager_id: str | None = None,
    page: int = 1,
    *,
    part: tuple[str, str] | None = None,
    channel: str | None = None,
) -> str:
    """The rows behind a number of the report at ``base``, of one of its managers or channels, or of a part (dimension, part)."""
    by, key = part or (None, None)
    asked = {"manager": manager_id, "channel": channel, "by": by, "part": key, "p": page if page > 1 else None}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    return f"{base}/rows/{metric}" + (f"?{query}" if query else "")


def number_text(metric: Metric | None, value: Any, currency: str | None) -> str:
    """The value in its unit; what no column of a mart is, is a count."""
    if value is None:
        return "—"
    if metric is None or metric.unit == "count":
        return formatting.number(value, metric.digits(value) if metric else 0)
    writers: dict[str, Callable[[Any], str]] = {
        "minutes": formatting.minutes,
        "share": formatting.percent,
        "money": lambda v: formatting.money(v, currency),
    }
    return writers[metric.unit](value)


def part_text(dimension: str, part: str, name: str) -> str:
    """A part of a number in words; ``name``: of the manager or the stage it is or holds."""
    if dimension == "manager_hours":
        who, _, block = part.rpartition("/")
        return f"{part_text('manager', who, name)} {part_text('hours', block, '')}"
    key = f"part.{dimension}.{part or 'none'}"
    return t(key) if known(key) else name or part


def usual_text(metric: Metric | None, usual: float, currency: str | None, of: str = "", own: str = "") -> str:
    """«обычно 12 (по 4 средам)»; ``own``: the value as the report wrote it."""
    value = own or number_text(metric, usual, currency)
    return t("number.usual_of", value=value, of=of) if of else t("number.usual", value=value)


def number_label(line: Number) -> str:
    """As the registry has it today, whatever it was called when the report was written."""
    metric = SUMMARY.get(line.key)
    return metric.label(language()) if metric else line.label or line.key


def number_tile(
    line: Number,
    *,
    value: Any,
    href: str,
    currency: str | None,
    usual: float | None,
    usual_of: str = "",
    history: Sequence[float | int | None],
    n: int | None,
    is_month: bool = False,
) -> None:
    """A number, what is usual on this weekday and what it was the time before, its fortnight, and the way to its rows."""
    key = line.key
    metric = SUMMARY.get(key)
    is_small = metric is not None and metric.is_too_few(n)
    own = language() == "ru" and line.display
    shown = t("number.small") if is_small else str(own or number_text(metric, value, currency))
    holder = anchor(href, "number", mark=f"number-{key}") if metric else div("number", mark=f"number-{key}")
    with holder:
        span("label", number_label(line))
        span("value", shown)
        # a line that has no usual value was not compared on purpose: its data is incomplete
        usual = line.usual if line.has("usual") else usual
        if usual is not None and not is_small:
            with span("usual"):
                _arrow(line, metric, value, usual)
                # as the report wrote it: the decimals of an arrow between two numbers that round alike
                written = (line.usual_display or "") if language() == "ru" and line.has("usual") else ""
                span("", usual_text(metric, usual, currency, usual_of, written))
        if line.previous is not None and not is_small:
            before = number_text(metric, line.previous, currency)
            span("usual", t("number.previous_month" if is_month else "number.previous", value=before))
        if line.note:
            span("usual", formatting.masked(line.note))
        spark(history, number_label(line))


def _arrow(line: Number, metric: Metric | None, value: Any, usual: float) -> None:
    """Which way the number moved and whether that is good, as the report says it; a line of an older report says nothing."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    direction = line.direction or ("same" if value == usual else "up" if value > usual else "down")
    if direction not in ("up", "down"):
        return
    own = metric.is_good(direction) if metric else None
    is_good = line.good if line.has("direction") and line.has("good") else own
    tone = "" if is_good is None else "good" if is_good else "bad"
    span(tone, ("↑" if direction == "up" else "↓") + "\u00a0")


def section(title: str, *, lead: str = "", mark: str = "") -> Any:
    """A card with a heading, to be filled with ``with``."""
    card = tag("section", "card stack", mark=mark)
    with card, div("card-head"):
        tag("h2", "", title)
        if lead:
            span("small muted", lead)
    return card


def client_cell(
    slug: str,
    name: str | None,
    phone: str | None,
    dialog_id: str | None,
    message_ids: Sequence[str] | None = None,
    *,
    below: Callable[[], Any] | None = None,
    mark: str = "row",
) -> Callable[[], Any]:
    """A client in a table: the name leads to the dialog, the last four digits stand below unless they are the name."""
    shown = formatting.person(name, phone)

    def draw() -> None:
        if dialog_id:
            link(shown, dialog_href(slug, dialog_id, message_ids), "strong wrap", mark=mark)
        else:
            span("strong wrap", shown)
        if phone and formatting.phone(phone) not in shown:
            span("small muted nowrap", formatting.phone(phone))
        if below is not None:
            below()

    return draw
