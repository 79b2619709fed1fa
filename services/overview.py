"""The first page: every tenant of the person with what needs attention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from services.access import Viewer
from services.reports.view import currency_of
from synkro.connectors import integrations
from synkro.core import clock
from synkro.database import db
from synkro.metrics import live
from synkro.metrics.live import Live
from synkro.reporting.reconciliation import whole_until
from synkro.runs import history, queue, watermarks
from synkro.runs.queue import Run
from synkro.tenancy import runtime_config
from synkro.tenancy.tenants import Tenant

#: data older than this is called stale: a business day and a half
STALE = timedelta(hours=36)


@dataclass(frozen=True)
class Card:
    tenant: Tenant
    role: str
    #: {source: complete until}, as reports have it, of each connector of the tenant's mode
    freshness: dict[str, datetime | None]
    #: {source: the local day it is whole from}
    since: dict[str, date | None]
    report: dict[str, Any] | None
    #: who waits in the data as it was read last
    live: Live | None
    currency: str | None
    active: Run | None
    #: the last run when it failed
    failed: Run | None
    #: kind → what its last check said
    broken: dict[str, str]
    is_connected: bool

    @property
    def is_stale(self) -> bool:
        known = [moment for moment in self.freshness.values() if moment is not None]
        return bool(known) and clock.now() - min(known) > STALE


def cards(who: Viewer) -> list[Card]:
    """A card of each company the person sees, by name; those with a failure first."""
    with db.as_user(who.user_id) as connection:
        made = [_card(connection, who, tenant) for tenant in who.tenants]
    return sorted(made, key=lambda card: (card.failed is None and not card.broken, card.tenant.name.lower()))


def _card(connection: db.Connection, who: Viewer, tenant: Tenant) -> Card:
    tenant_id = tenant.tenant_id
    config = runtime_config.current(connection, tenant_id)
    sources = config.sources
    marks = watermarks.all_of(connection, tenant_id)
    depths = history.depths(connection, tenant_id)
    report = connection.execute(
        "select report_id, report_type, period_start, period_end, status, is_complete, as_of, numbers, coverage, created_at"
        " from synkro.reports where tenant_id = %s and is_current order by window_end desc, created_at desc limit 1",
        (tenant_id,),
    ).fetchone()
    latest = queue.recent(connection, tenant_id, limit=1)
    active = queue.active(connection, tenant_id)
    connected = integrations.all_of(connection, tenant_id)
    return Card(
        tenant=tenant,
        role=who.role_in(tenant_id),
        freshness={source: whole_until(marks, source) for source in sources},
        since={source: history.since(depths, source, config) for source in sources},
        report=report,
        live=live.now(connection, tenant_id),
        currency=currency_of(connection, tenant_id),
        active=active[0] if active else None,
        failed=latest[0] if latest and latest[0].status == "failed" else None,
        broken={kind: item.last_error or "" for kind, item in connected.items() if item.status == "error"},
        is_connected=any(source in connected for source in sources),
    )
