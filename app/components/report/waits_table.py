"""Who waits for an answer, with the money behind it: on the report and on the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app import formatting
from app.components.base.html import badge, span, table
from app.components.report.deal import deal_name
from app.components.report.parts import client_cell
from app.texts import t
from synkro.metrics.live import Live
from synkro.metrics.queries import Waiting


def live_lead(live: Live, timezone: str, currency: str | None) -> None:
    """«всего 30, дольше цели 28, под риском 4 200 000 ₸ · данные на 1 декабря, 08:30»: beside the heading of those who wait now."""
    parts = [t("waits.total", n=formatting.number(live.unanswered))]
    if live.overdue:
        parts.append(t("waits.overdue_n", n=formatting.number(live.overdue)))
    if live.money_at_risk:
        parts.append(t("waits.at_risk", money=formatting.money(live.money_at_risk, currency)))
    span("small muted", ", ".join(parts) if live.unanswered else "", mark="live")
    span("small muted", t("report.as_of", when=formatting.moment(live.as_of, timezone)), mark="live-as-of")


def waits_table(
    slug: str, waiting: Sequence[Waiting], timezone: str, currency: str | None, deal_page: str = ""
) -> None:
    """The sums of the rows that are past their deadline add up to the money at risk: a client waits once."""
    table(
        [
            (t("waits.client"), "lead"),
            (t("waits.waiting"), "nowrap"),
            (t("waits.money"), "num"),
            (t("waits.manager"), ""),
            (t("waits.said"), "full"),
        ],
        [
            (
                _client(slug, wait, deal_page),
                _since(wait, timezone),
                formatting.money(wait.price, currency) if wait.price else "",
                wait.manager_name or t("waits.nobody"),
                _said(wait),
            )
            for wait in waiting
        ],
        mark="waiting",
    )


def _client(slug: str, wait: Waiting, deal_page: str) -> Callable[[], object]:
    def deal() -> None:
        if wait.deal_name:
            deal_name(deal_page, wait.deal_id, wait.deal_name, "small muted wrap lines2")

    return client_cell(slug, wait.client_name, wait.phone, wait.dialog_id, below=deal, mark="wait")


def _since(wait: Waiting, timezone: str) -> Callable[[], None]:
    def draw() -> None:
        badge(formatting.minutes(wait.waiting_minutes), "bad" if wait.is_overdue else "warn")
        span("small muted", formatting.moment(wait.opened_at, timezone))

    return draw


def _said(wait: Waiting) -> Callable[[], object]:
    return lambda: span("small muted wrap lines2", formatting.masked(wait.last_text))
