"""Dialogs of a window by channel and by hour: what a company without a CRM can compare, whose managers are unknown."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from synkro.core.windows import Window
from synkro.database import db


@dataclass(frozen=True)
class Channel:
    channel: str
    dialogs: int
    client_messages: int
    open_waits: int


@dataclass(frozen=True)
class Hour:
    hour: int
    client_messages: int
    waits: int


def of_window(connection: db.Connection, tenant_id: UUID, window: Window) -> list[Channel]:
    """The channels clients used, the busiest first."""
    rows = connection.execute(
        "select coalesce(d.channel, 'other') as channel, count(*) as dialogs, sum(p.client_messages)::integer as client_messages,"
        " count(*) filter (where p.has_open_wait) as open_waits from marts.period_dialogs p"
        " left join marts.dim_dialogs d on d.tenant_id = p.tenant_id and d.dialog_id = p.dialog_id"
        " where p.tenant_id = %s and p.window_start = %s and p.window_end = %s group by 1 order by 2 desc, 1",
        (tenant_id, window.start, window.end),
    )
    return [Channel(**row) for row in rows]


def hours_of_window(connection: db.Connection, tenant_id: UUID, window: Window) -> list[Hour]:
    """By hour of the company's clock, in their order; hours in which nobody wrote are left out."""
    rows = connection.execute(
        "select hour, sum(client_messages)::integer as client_messages, sum(waits)::integer as waits from marts.period_hours"
        " where tenant_id = %s and window_start = %s and window_end = %s group by hour order by hour",
        (tenant_id, window.start, window.end),
    )
    return [Hour(**row) for row in rows]
