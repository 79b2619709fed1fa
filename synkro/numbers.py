"""The numbers of a window, read from the marts: the one place where the page, Telegram, the export and the AI get them.

None of the readers computes a number of its own. Definitions: docs/metrics.md; columns: ``marts.period_summary``
and ``marts.period_managers``. Money is in whole units of the CRM's currency, durations in minutes, shares in 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from statistics import median
from typing import Any
from uuid import UUID

from synkro import db
from synkro.windows import Window

#: below this n no percentage and no ranking is shown (metrics.md §3)
SMALL_N = 10


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


def usual(connection: db.Connection, tenant_id: UUID, window: Window) -> dict[str, float]:
    """For every number its median over the last four complete windows of the same weekday; absent when there were fewer than two."""
    rows = connection.execute(
        "select p.* from marts.period_summary p"
        " where p.tenant_id = %(tenant)s and p.window_end < %(end)s and p.is_complete"
        " and abs(extract(epoch from (p.window_end - p.window_start) - (%(end)s - %(start)s)::interval)) <= 7200"
        # a week is 168 hours, give or take the hour a clock change moves
        " and mod(round(extract(epoch from %(end)s - p.window_end) / 3600)::int + 2, 168) <= 4"
        " order by p.window_end desc limit 4",
        {"tenant": tenant_id, "start": window.start, "end": window.end},
    ).fetchall()
    if len(rows) < 2:
        return {}
    values: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
                values.setdefault(key, []).append(float(value))
    return {key: median(found) for key, found in values.items() if len(found) >= 2}


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


def waiting(connection: db.Connection, tenant_id: UUID, window: Window, limit: int = 200) -> list[Waiting]:
    """Open waits at ``least(as_of, window_end)``: dearest first, then longest.

    The same rows that ``unanswered_now`` counts.
    """
    rows = connection.execute(
        "with edge as (select least(coalesce(as_of, window_end), window_end) as at from marts.period_summary"
        "   where tenant_id = %(tenant)s and window_start = %(start)s and window_end = %(end)s),"
        # who is shown is chosen first: names and last words are looked up for those alone
        " shown as (select w.*, edge.at, deal.deal_id, deal.name as deal_name, deal.price"
        "   from edge join marts.fct_waits w on w.tenant_id = %(tenant)s and w.opened_at < edge.at"
        "     and (w.closed_at is null or w.closed_at > edge.at)"
        "     and w.opened_at > edge.at - interval '7 days'"
        "   left join lateral (select f.deal_id, f.name, f.price from marts.fct_deals f"
        "     where f.tenant_id = w.tenant_id and f.client_id = w.client_id and f.stage_kind = 'open' and not f.is_deleted"
        "     order by f.price desc nulls last, f.deal_id limit 1) deal on true"
        "   order by deal.price desc nulls last, w.opened_at limit %(limit)s)"
        " select w.wait_id, w.client_id, coalesce(nullif(c.name, ''), d.contact_name, '') as client_name, c.phone,"
        "   w.dialog_id, coalesce(d.channel, '') as channel, w.opened_at,"
        "   extract(epoch from w.at - w.opened_at) / 60 as waiting_minutes,"
        "   w.sla_deadline_at is not null and w.at > w.sla_deadline_at as is_overdue,"
        "   w.responsible_at_open as manager_id, m.name as manager_name,"
        "   w.deal_id, w.deal_name, w.price, coalesce(said.body, '') as last_text"
        " from shown w"
        " left join marts.dim_clients c on c.tenant_id = w.tenant_id and c.client_id = w.client_id"
        " left join marts.dim_dialogs d on d.tenant_id = w.tenant_id and d.dialog_id = w.dialog_id"
        " left join marts.dim_managers m on m.tenant_id = w.tenant_id and m.manager_id = w.responsible_at_open"
        " left join lateral (select f.body from marts.fct_messages f where f.tenant_id = w.tenant_id"
        "   and f.dialog_id = w.dialog_id and f.kind = 'client' and f.sent_at < w.at and f.sent_at >= w.opened_at"
        "   and f.needs_reply and coalesce(f.body, '') <> ''"
        "   order by f.sent_at desc, f.message_id desc limit 1) said on true"
        " order by w.price desc nulls last, w.opened_at",
        {"tenant": tenant_id, "start": window.start, "end": window.end, "limit": limit},
    )
    return [
        Waiting(**{**row, "waiting_minutes": float(row["waiting_minutes"]), "price": plain(row["price"])})
        for row in rows
    ]
