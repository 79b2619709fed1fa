"""Charts over days, read from the marts as they are (counts of days are added, nothing is computed): speed, hours, managers, the funnel, who waits now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services import access
from services.access import Viewer
from services.reports import view
from synkro.connectors import deal_pages
from synkro.core.windows import Window
from synkro.database import db
from synkro.metrics import live, queries
from synkro.metrics.live import Live
from synkro.metrics.queries import Waiting
from synkro.tenancy import runtime_config
from synkro.tenancy.tenants import Tenant

RANGES = (14, 30, 90)
#: rows of those who wait now; the sums above them are of all
MOST_WAITING = 200


@dataclass(frozen=True)
class Dashboard:
    tenant: Tenant
    timezone: str
    days: int
    currency: str | None
    deal_page: str
    #: one row of period_summary a business day, oldest first
    history: list[dict[str, Any]]
    #: weekday 0..6 → 24 counts of client messages in the tenant's zone
    heatmap: list[list[int]]
    managers: list[dict[str, Any]]
    funnel: list[dict[str, Any]]
    #: who waits in the data as it was read last; None: no chats are read
    waiting: list[Waiting]
    live: Live | None


def load(who: Viewer, slug: str, days: int = 30) -> Dashboard:
    """The charts of a company over its last days. For members."""
    tenant = access.tenant(who, slug)
    days = days if days in RANGES else 30
    tenant_id = tenant.tenant_id
    with db.as_user(who.user_id) as connection:
        config = runtime_config.current(connection, tenant_id)
        latest = connection.execute(
            "select p.window_start, p.window_end from marts.period_summary p join synkro.report_windows w"
            " using (tenant_id, window_start, window_end) where p.tenant_id = %s and w.report_type = 'daily'"
            " order by p.window_end desc limit 1",
            (tenant_id,),
        ).fetchone()
        window = Window(latest["window_start"], latest["window_end"]) if latest else None
        return Dashboard(
            tenant=tenant,
            timezone=config.timezone,
            days=days,
            currency=view.currency_of(connection, tenant_id),
            deal_page=deal_pages.prefix(connection, tenant_id),
            history=queries.history(connection, tenant_id, window, days) if window else [],
            heatmap=_grid(queries.hours(connection, tenant_id, window, days) if window else []),
            managers=queries.managers_over(connection, tenant_id, window, days) if window else [],
            funnel=queries.funnel(connection, tenant_id),
            waiting=live.waiting(connection, tenant_id, MOST_WAITING),
            live=live.now(connection, tenant_id),
        )


def _grid(hours: list[dict[str, Any]]) -> list[list[int]]:
    grid = [[0] * 24 for _ in range(7)]
    for row in hours:
        grid[row["weekday"] - 1][row["hour"]] = row["client_messages"]
    return grid
