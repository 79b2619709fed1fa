"""Reports as other programs read them: the shape of the public contract, for the REST API and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services import access
from services.access import Actor
from synkro.core import windows
from synkro.core.errors import NotFoundError
from synkro.database import db
from synkro.metrics import live
from synkro.metrics.live import Live
from synkro.reporting import public_json, reconciliation, reports, restatements
from synkro.reporting.reconciliation import Line
from synkro.reporting.reports import Report
from synkro.reporting.restatements import Correction
from synkro.tenancy import runtime_config
from synkro.tenancy.tenants import Tenant


@dataclass(frozen=True)
class Published:
    """A report with what changed since it was published."""

    tenant: Tenant
    report: Report
    correction: Correction | None
    #: what the run that read the window saw and stored; None in lists
    lines: Sequence[Line] | None
    #: what the AI cost is for those who pay for it
    shows_cost: bool
    #: who waits in the data as it was read last
    now: Live | None

    def to_json(self) -> dict[str, Any]:
        shape = public_json.report_json(self.report, self.correction, self.lines, self.now)
        if not self.shows_cost:
            del shape["cost_usd"]
        return shape


def recent(who: Actor, slug: str, *, limit: int, offset: int = 0) -> list[Published]:
    """Current reports of a company, newest first. For members."""
    tenant = access.tenant(who, slug)
    shows_cost = access.is_admin(who, tenant.tenant_id)
    with access.transaction(who) as connection:
        found = reports.recent(connection, tenant.tenant_id, limit=limit, offset=offset)
        changed = restatements.of(connection, found)
        now = live.now(connection, tenant.tenant_id)
    return [Published(tenant, one, changed.get(one.report_id), None, shows_cost, now) for one in found]


def by_id(who: Actor, report_id: UUID | str, slug: str | None = None) -> Published:
    """Any version of a report. For members.

    Raises the same :class:`NotFoundError` for a foreign, an absent and another company's report.
    """
    seen = access.tenant(who, slug) if slug is not None else None
    with access.transaction(who) as connection:
        report = reports.get(connection, report_id)
        if seen is not None and seen.tenant_id != report.tenant_id:
            raise NotFoundError("Отчёт не найден.")
        changed = _changed(connection, report)
        now = live.now(connection, report.tenant_id)
    tenant = seen or access.tenant_of(who, report.tenant_id)
    return Published(tenant, report, *changed, access.is_admin(who, tenant.tenant_id), now)


def current(who: Actor, slug: str, from_iso: str | None = None, to_iso: str | None = None) -> Published | None:
    """The report in force of a window or, without one, the latest; None when there is none yet. For members."""
    tenant = access.tenant(who, slug)
    with access.transaction(who) as connection:
        zone = runtime_config.current(connection, tenant.tenant_id).timezone
        window = windows.parse_window(from_iso, to_iso, zone) if from_iso and to_iso else None
        report = reports.current(connection, tenant.tenant_id, window)
        if report is None:
            return None
        now = live.now(connection, tenant.tenant_id)
        return Published(tenant, report, *_changed(connection, report), access.is_admin(who, tenant.tenant_id), now)


def _changed(connection: db.Connection, report: Report) -> tuple[Correction | None, list[Line]]:
    return restatements.of_report(connection, report), reconciliation.of_report(connection, report)
