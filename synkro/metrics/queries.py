"""The numbers of a window, read from the marts: the one place where the page, Telegram, the export and the AI get them.

None of the readers computes a number of its own. Definitions: docs/metrics.md; columns: ``marts.period_summary``
and ``marts.period_managers``. Money is in whole units of the CRM's currency, durations in minutes, shares in 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from synkro.core.windows import Window
from synkro.database import db
from synkro.metrics import lineage
from synkro.metrics.registry import SUMMARY


def plain(value: Any) -> Any:
    """A database value as JSON knows it: decimals to numbers, moments to ISO 8601."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else round(float(value), 4)
    if isinstance(value, date | time):  # a datetime is a date too
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _plain_row(row: db.Row) -> dict[str, Any]:
    return {key: plain(value) for key, value in row.items() if key != "tenant_id"}


def summary(connection: db.Connection, tenant_id: UUID, window: Window) -> dict[str, Any] | None:
    """The row of ``period_summary``, JSON-ready; ``None`` when the window was never built."""
    row = connection.execute(
        "select * from marts.period_summary where tenant_id = %s and window_start = %s and window_end = %s",
        (tenant_id, window.start, window.end),
    ).fetchone()
    return _plain_row(row) if row else None


def managers(connection: db.Connection, tenant_id: UUID, window: Window) -> list[dict[str, Any]]:
    """The rows of ``period_managers`` with names, busiest first."""
    rows = connection.execute(
        "select p.*, coalesce(m.name, 'Сотрудник ' || p.manager_id) as name, coalesce(m.is_active, false) as is_active"
        " from marts.period_managers p"
        " left join marts.dim_managers m on m.tenant_id = p.tenant_id and m.manager_id = p.manager_id"
        " where p.tenant_id = %s and p.window_start = %s and p.window_end = %s"
        " order by p.waits_answered desc, p.messages_sent desc, p.manager_id",
        (tenant_id, window.start, window.end),
    )
    return [_plain_row(row) for row in rows]


def history(connection: db.Connection, tenant_id: UUID, window: Window, days: int = 14) -> list[dict[str, Any]]:
    """Earlier windows of the same length class (daily with daily), oldest first, the window itself last."""
    rows = connection.execute(
        "select p.*, w.label_date from marts.period_summary p"
        " join synkro.report_windows w using (tenant_id, window_start, window_end)"
        " where p.tenant_id = %(tenant)s and p.window_end <= %(end)s"
        " and abs(extract(epoch from (p.window_end - p.window_start) - (%(end)s - %(start)s)::interval)) <= 7200"
        " and mod(round(extract(epoch from %(end)s - p.window_end) / 3600)::int + 2, 24) <= 4"
        " order by p.window_end desc limit %(days)s",
        {"tenant": tenant_id, "start": window.start, "end": window.end, "days": days},
    ).fetchall()
    return [_plain_row(row) | {"label_date": row["label_date"].isoformat()} for row in reversed(rows)]


@dataclass(frozen=True)
class Baseline:
    """What the numbers of a window are compared with, and of how many windows that is told; empty: there is nothing."""

    #: of how many complete windows, and what one of them is: weekday, week, month, stretch, working_days
    windows: int = 0
    unit: str = ""
    #: of unit working_days: how many
    working_days: int | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    #: standard deviation over the windows; absent for one
    spread: Mapping[str, float] = field(default_factory=dict)
    #: of how many cases a share or a percentile is
    cases: Mapping[str, int] = field(default_factory=dict)


def baseline(connection: db.Connection, tenant_id: UUID, window: Window, compared_with: str = "usual") -> Baseline:
    """What is usual for the window's numbers, or with ``previous`` what they were the time before."""
    rows = connection.execute(
        "select metric, value, spread, windows, cases, unit, working_days from marts.period_usual"
        " where tenant_id = %s and window_start = %s and window_end = %s and compared_with = %s",
        (tenant_id, window.start, window.end, compared_with),
    ).fetchall()
    if not rows:
        return Baseline()
    return Baseline(
        windows=rows[0]["windows"],
        unit=rows[0]["unit"],
        working_days=rows[0]["working_days"],
        values={row["metric"]: float(row["value"]) for row in rows},
        spread={row["metric"]: float(row["spread"]) for row in rows if row["spread"] is not None},
        cases={row["metric"]: row["cases"] for row in rows if row["cases"] is not None},
    )


def usual(connection: db.Connection, tenant_id: UUID, window: Window) -> dict[str, float]:
    """What every number of the window usually is; a number without a usual is absent."""
    return dict(baseline(connection, tenant_id, window).values)


def changes(connection: db.Connection, tenant_id: UUID, window: Window, compared_with: str) -> list[dict[str, Any]]:
    """The rows of ``period_changes`` of one comparison: largest contribution of a number and a dimension first."""
    rows = connection.execute(
        "select metric, dimension, part, part_label, value, base, contribution, denominator, base_numerator, base_denominator,"
        " part_value, part_base, n, base_n from marts.period_changes"
        " where tenant_id = %s and window_start = %s and window_end = %s and compared_with = %s"
        " order by metric, dimension, abs(contribution) desc, part",
        (tenant_id, window.start, window.end, compared_with),
    )
    return [{key: float(value) if isinstance(value, Decimal) else value for key, value in row.items()} for row in rows]


def managers_over(
    connection: db.Connection, tenant_id: UUID, window: Window, days: int, limit: int = 50
) -> list[dict[str, Any]]:
    """Who answered over the daily windows of ``days`` up to this one: sums of their counts; who waits is the last window's.

    Medians and shares of several days are not here: they do not add up.
    """
    rows = connection.execute(
        "select p.manager_id, coalesce(max(m.name), 'Сотрудник ' || p.manager_id) as name,"
        " sum(p.waits_answered) as waits_answered, sum(p.messages_sent) as messages_sent, sum(p.breached) as breached,"
        " coalesce(max(p.open_overdue) filter (where p.window_end = %(end)s), 0) as open_overdue"
        " from marts.period_managers p join synkro.report_windows w using (tenant_id, window_start, window_end)"
        " left join marts.dim_managers m on m.tenant_id = p.tenant_id and m.manager_id = p.manager_id"
        " where p.tenant_id = %(tenant)s and w.report_type = 'daily' and p.window_end > %(since)s and p.window_end <= %(end)s"
        " group by p.manager_id order by 3 desc, 4 desc, p.manager_id limit %(limit)s",
        {"tenant": tenant_id, "end": window.end, "since": window.end - timedelta(days=days), "limit": limit},
    )
    return [_plain_row(row) for row in rows]


def hours(connection: db.Connection, tenant_id: UUID, window: Window, days: int) -> list[dict[str, Any]]:
    """``{weekday 1..7, hour 0..23, client_messages, waits}`` over the daily windows of ``days`` up to this one."""
    rows = connection.execute(
        "select p.weekday, p.hour, sum(p.client_messages)::integer as client_messages, sum(p.waits)::integer as waits"
        " from marts.period_hours p join synkro.report_windows w using (tenant_id, window_start, window_end)"
        " where p.tenant_id = %(tenant)s and w.report_type = 'daily' and p.window_end > %(since)s and p.window_end <= %(end)s"
        " group by p.weekday, p.hour order by p.weekday, p.hour",
        {"tenant": tenant_id, "end": window.end, "since": window.end - timedelta(days=days)},
    )
    return [_plain_row(row) for row in rows]


def channels(connection: db.Connection, tenant_id: UUID, window: Window) -> list[dict[str, Any]]:
    """The rows of ``period_channels``, the most sold first."""
    rows = connection.execute(
        "select * from marts.period_channels where tenant_id = %s and window_start = %s and window_end = %s"
        " order by deals_won_amount desc, deals_won desc, deals_open desc, channel",
        (tenant_id, window.start, window.end),
    )
    return [_plain_row(row) for row in rows]


def stages(connection: db.Connection, tenant_id: UUID, window: Window) -> list[dict[str, Any]]:
    """The rows of ``period_stages`` in the order of the funnel."""
    rows = connection.execute(
        "select * from marts.period_stages where tenant_id = %s and window_start = %s and window_end = %s"
        " order by pipeline_sort nulls last, pipeline_id, stage_sort nulls last, status_id",
        (tenant_id, window.start, window.end),
    )
    return [_plain_row(row) for row in rows]


def funnel(connection: db.Connection, tenant_id: UUID, limit: int = 40) -> list[dict[str, Any]]:
    """Open deals by stage as the last run read them, in the order of the stages; the busiest pipeline first."""
    rows = connection.execute(
        "select pipeline, stage, deals, amount, unpriced from marts.fct_funnel where tenant_id = %s"
        " order by sum(deals) over (partition by pipeline_id) desc, pipeline_id, stage_sort nulls last, status_id limit %s",
        (tenant_id, limit),
    )
    return [_plain_row(row) for row in rows]


@dataclass(frozen=True)
class Waiting:
    """One client who waits for an answer at the window's as_of, with the money behind it."""

    wait_id: str
    client_id: str
    client_name: str
    phone: str | None
    dialog_id: str
    channel: str
    opened_at: datetime
    waiting_minutes: float
    is_overdue: bool
    manager_id: str | None
    manager_name: str | None
    deal_id: str | None
    deal_name: str | None
    price: int | None
    last_text: str


def waiting(connection: db.Connection, tenant_id: UUID, window: Window, limit: int | None = 200) -> list[Waiting]:
    """Who waits at the window's now: dearest first, then longest. The rows that ``unanswered_now`` counts.

    ``price`` is the money at risk: all open deals of the client, once the wait is past its deadline. A client waits once, so the
    rows add up to ``money_at_risk``. The deal named is the dearest of them. ``limit``: None lists everyone.
    """
    rows = connection.execute(
        SUMMARY["unanswered_now"].rows()
        # who is shown is chosen first: names and last words are looked up for those alone
        + ", shown as (select w.*, w.now_at as at, deal.deal_id, deal.name as deal_name,"
        "     case when w.is_past_deadline_now then deal.price end as price"
        "   from rows w"
        "   left join lateral (select (array_agg(f.deal_id order by f.price desc nulls last, f.deal_id))[1] as deal_id,"
        "     (array_agg(f.name order by f.price desc nulls last, f.deal_id))[1] as name,"
        "     sum(f.price) filter (where f.price > 0) as price from marts.fct_deals f"
        "     where f.tenant_id = w.tenant_id and f.client_id = w.client_id and f.is_sales and not f.is_deleted"
        "     and f.created_at <= w.now_at and (f.closed_at is null or f.closed_at > w.now_at)) deal on true"
        "   order by price desc nulls last, w.opened_at, w.wait_id limit %(limit)s)"
        " select w.wait_id, w.client_id, coalesce(nullif(c.name, ''), d.contact_name, '') as client_name, c.phone,"
        "   w.dialog_id, coalesce(d.channel, '') as channel, w.opened_at,"
        "   w.age_minutes as waiting_minutes, w.is_past_deadline_now as is_overdue,"
        "   w.responsible_at_open as manager_id, m.name as manager_name,"
        "   w.deal_id, w.deal_name, w.price, coalesce(said.body, '') as last_text"
        " from shown w"
        " left join marts.dim_clients c on c.tenant_id = w.tenant_id and c.client_id = w.client_id"
        " left join marts.dim_dialogs d on d.tenant_id = w.tenant_id and d.dialog_id = w.dialog_id"
        " left join marts.dim_managers m on m.tenant_id = w.tenant_id and m.manager_id = w.responsible_at_open"
        " left join lateral (select f.body from marts.fct_messages f where f.tenant_id = w.tenant_id"
        "   and f.dialog_id = w.dialog_id and f.kind = 'client' and f.sent_at <= w.at and f.sent_at >= w.opened_at"
        "   and f.needs_reply and coalesce(f.body, '') <> ''"
        "   order by f.sent_at desc, f.message_id desc limit 1) said on true"
        " order by w.price desc nulls last, w.opened_at, w.wait_id",
        lineage.parameters(tenant_id, window) | {"limit": limit},
    )
    return [
        Waiting(**{**row, "waiting_minutes": float(row["waiting_minutes"]), "price": plain(row["price"])})
        for row in rows
    ]
