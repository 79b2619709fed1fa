"""Exports of a report: its numbers and its waits, as values; the app makes the file of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services import access
from services.access import Viewer
from services.reports import view
from synkro.connectors import deal_pages
from synkro.database import db
from synkro.metrics import queries
from synkro.metrics.queries import Waiting


@dataclass(frozen=True)
class Exported:
    """``what``: ``numbers`` or ``waits``; ``name``: of the file, without its ending."""

    what: str
    name: str
    numbers: dict[str, Any] = field(default_factory=dict)
    usual: dict[str, Any] = field(default_factory=dict)
    #: of how many windows the usual is told
    usual_n: int = 0
    #: everyone who waited at the window's now
    waits: list[Waiting] = field(default_factory=list)
    #: of the moments
    timezone: str = "UTC"
    #: what a deal's number is added to
    deal_page: str = ""


def report(who: Viewer, slug: str, report_id: UUID | str, what: str) -> Exported:
    """The report's ``waits``, or its ``numbers`` for any other word. For members; audited as ``report.exported``."""
    what = "waits" if what == "waits" else "numbers"
    with db.as_user(who.user_id) as connection:
        tenant, found = view.find(connection, who, slug, report_id)
        name = f"synkro-{tenant.slug}-{found.period_end.isoformat()}-{what}"
        if what == "waits":
            exported = Exported(
                what,
                name,
                waits=queries.waiting(connection, found.tenant_id, found.window, limit=None),
                timezone=tenant.timezone,
                deal_page=deal_pages.prefix(connection, found.tenant_id),
            )
        else:
            usual = queries.baseline(connection, found.tenant_id, found.window)
            exported = Exported(what, name, numbers=found.numbers, usual=dict(usual.values), usual_n=usual.windows)
        access.note(
            connection,
            who,
            "report.exported",
            tenant_id=tenant.tenant_id,
            metadata={"report_id": str(found.report_id), "what": what},
        )
    return exported
