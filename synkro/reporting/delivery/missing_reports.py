"""The dead man's switch: companies whose reports have stopped coming, whatever the reason.

Nothing that makes reports takes part: the sender asks every minute, ``doctor`` and ``/api/health`` whenever they are called.
A company counts while it is active and its schedule is on; a report that is incomplete is a report.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from synkro.core import clock
from synkro.database import db
from synkro.tenancy import runtime_config

#: the report of a day comes every 24 h; two more are for a slow vendor and the tries after a failure
LIMIT = timedelta(hours=26)


@dataclass(frozen=True)
class Silent:
    """A company without a report since ``since`` (aware UTC): the last one's moment, or that of its schedule."""

    tenant_id: UUID
    slug: str
    since: datetime
    #: why the last run failed, as people read it; ``None`` when it did not, or there was none
    error: str | None


def found(connection: db.Connection, limit: timedelta = LIMIT) -> list[Silent]:
    """Companies that have been silent for longer than the limit, by slug."""
    rows = connection.execute(
        "select t.tenant_id, t.slug, s.since,"
        " (select case when r.status = 'failed' then r.error end from synkro.job_runs as r"
        "  where r.tenant_id = t.tenant_id and r.created_at + %(offset)s >= s.since order by r.created_at desc limit 1) as error"
        " from synkro.tenants as t"
        " join synkro.tenant_runtime_configs as c on c.tenant_id = t.tenant_id and c.is_current"
        " cross join lateral (select greatest("
        f"  {runtime_config.SCHEDULE_SINCE},"
        "   (select max(p.created_at) + %(offset)s from synkro.reports as p where p.tenant_id = t.tenant_id)) as since) as s"
        " where t.status = 'active' and c.is_schedule_enabled and s.since < now() + %(offset)s - %(limit)s order by t.slug",
        {"limit": limit, "offset": clock.offset()},
    )
    return [Silent(**row) for row in rows]
