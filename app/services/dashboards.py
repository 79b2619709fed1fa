"""Charts over days, read from the marts as they are: speed, hours, managers, the funnel, who waits now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.services import access
from app.services.access import Viewer
from synkro import db, numbers, reports, runtime
from synkro.numbers import Waiting
from synkro.tenants import Tenant
from synkro.windows import Window

RANGES = (14, 30, 90)


@dataclass(frozen=True)
class Dashboard:
    tenant: Tenant
    timezone: str
    days: int
    currency: str | None
    #: one row of period_summary a business day, oldest first
    history: list[dict[str, Any]]
    #: weekday 0..6 → 24 counts of client messages in the tenant's zone
    heatmap: list[list[int]]
    managers: list[dict[str, Any]]
    funnel: list[dict[str, Any]]
    waiting: list[Waiting]
    as_of: datetime | None
    #: the report whose rows hold all who wait
    report_id: UUID | None


def load(who: Viewer, slug: str, days: int = 30) -> Dashboard:
    tenant = access.tenant(who, slug)
    days = days if days in RANGES else 30
    tenant_id = tenant.tenant_id
    with db.as_user(who.user_id) as connection:
        config = runtime.current(connection, tenant_id)
        latest = connection.execute(
            "select p.window_start, p.window_end, p.as_of from marts.period_summary p join synkro.report_windows w"
            " using (tenant_id, window_start, window_end) where p.tenant_id = %s and w.report_type = 'daily'"
            " order by p.window_end desc limit 1",
            (tenant_id,),
        ).fetchone()
        window = Window(latest["window_start"], latest["window_end"]) if latest else None
        since = (window.end if window else datetime.now(UTC)) - timedelta(days=days)
        currency = connection.execute(
            "select currency as code from marts.fct_deals where tenant_id = %s and currency is not null limit 1",
            (tenant_id,),
        ).fetchone()
        report = reports.current(connection, tenant_id, window) if window else None
        return Dashboard(
            tenant=tenant,
            timezone=config.timezone,
            days=days,
            currency=currency["code"] if currency else None,
            history=numbers.history(connection, tenant_id, window, days) if window else [],
            heatmap=_heatmap(connection, tenant_id, config.timezone, since),
            managers=_managers(connection, tenant_id, since),
            funnel=_funnel(connection, tenant_id),
            waiting=numbers.waiting(connection, tenant_id, window, 50) if window else [],
            as_of=latest["as_of"] if latest else None,
            report_id=report.report_id if report else None,
        )


def _heatmap(connection: db.Connection, tenant_id: Any, timezone: str, since: datetime) -> list[list[int]]:
    grid = [[0] * 24 for _ in range(7)]
    rows = connection.execute(
        "select extract(isodow from sent_at at time zone %(tz)s)::int - 1 as weekday,"
        " extract(hour from sent_at at time zone %(tz)s)::int as hour, count(*) as n from marts.fct_messages"
        " where tenant_id = %(tenant)s and kind = 'client' and sent_at >= %(since)s group by 1, 2",
        {"tz": timezone, "tenant": tenant_id, "since": since},
    )
    for row in rows:
        grid[row["weekday"]][row["hour"]] = row["n"]
    return grid


def _managers(connection: db.Connection, tenant_id: Any, since: datetime) -> list[dict[str, Any]]:
    """Sums of the daily rows; a median of medians would be a number of our own, so speed is the latest day's."""
    rows = connection.execute(
        "select p.manager_id, coalesce(max(m.name), 'Сотрудник ' || p.manager_id) as name, sum(p.waits_answered) as waits_answered,"
        " sum(p.messages_sent) as messages_sent, sum(p.breached) as breached,"
        " (array_agg(p.response_p50 order by p.window_end desc))[1] as response_p50,"
        " (array_agg(p.open_overdue order by p.window_end desc))[1] as open_overdue"
        " from marts.period_managers p join synkro.report_windows w using (tenant_id, window_start, window_end)"
        " left join marts.dim_managers m on m.tenant_id = p.tenant_id and m.manager_id = p.manager_id"
        " where p.tenant_id = %s and w.report_type = 'daily' and p.window_end > %s"
        " group by p.manager_id order by 3 desc nulls last, p.manager_id limit 50",
        (tenant_id, since),
    )
    return [{key: numbers.plain(value) for key, value in row.items()} for row in rows]


def _funnel(connection: db.Connection, tenant_id: Any) -> list[dict[str, Any]]:
    """Open deals by stage, in the order of the pipeline's stages; the busiest pipeline first."""
    rows = connection.execute(
        "select pipeline, stage, count(*) as deals, sum(price) as amount, count(*) filter (where price is null or price = 0) as unpriced"
        " from marts.fct_deals where tenant_id = %s and stage_kind = 'open' and not is_deleted"
        " group by pipeline_id, pipeline, status_id, stage, stage_sort"
        " order by sum(count(*)) over (partition by pipeline_id) desc, pipeline_id, stage_sort, status_id limit 40",
        (tenant_id,),
    )
    return [{key: numbers.plain(value) for key, value in row.items()} for row in rows]
