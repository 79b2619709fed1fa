"""What is known of a company and until when: each stream of its sources, and the marts made of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services import access
from services.access import Viewer
from synkro.connectors.registry import CONNECTORS
from synkro.core import clock
from synkro.database import db
from synkro.reporting.delivery import missing_reports
from synkro.runs import watermarks
from synkro.runs.watermarks import Backfill, StreamLoad
from synkro.tenancy import runtime_config
from synkro.tenancy.tenants import Tenant


@dataclass(frozen=True)
class Stream:
    """``complete_until``: None before the first whole read. ``last``: the newest attempt, whatever came of it."""

    source: str
    name: str
    is_required: bool
    is_asked: bool
    complete_until: datetime | None
    last: StreamLoad | None
    unfinished: Backfill | None

    @property
    def is_late(self) -> bool:
        """As long behind as a report that is missed; a file that people upload is never late."""
        return self.is_asked and (
            self.complete_until is None or clock.now() - self.complete_until > missing_reports.LIMIT
        )


@dataclass(frozen=True)
class Freshness:
    tenant: Tenant
    timezone: str
    streams: list[Stream]
    #: the newest window the marts have, and until when its data was read
    built_to: datetime | None
    as_of: datetime | None


def load(who: Viewer, slug: str) -> Freshness:
    """The streams of the company's mode, the required ones first. For members; reads only."""
    tenant = access.tenant(who, slug)
    tenant_id = tenant.tenant_id
    with db.as_user(who.user_id) as connection:
        config = runtime_config.current(connection, tenant_id)
        until = {(mark.source, mark.stream): mark.complete_until for mark in watermarks.all_of(connection, tenant_id)}
        unfinished = {(one.source, one.stream): one for one in watermarks.backfills_of(connection, tenant_id)}
        last = {(one.source, one.stream): one for one in watermarks.latest_loads(connection, tenant_id)}
        built = connection.execute(
            "select window_end, as_of from marts.period_summary where tenant_id = %s order by window_end desc limit 1",
            (tenant_id,),
        ).fetchone()
    streams = [
        Stream(
            source,
            stream.name,
            stream.is_required,
            CONNECTORS[source].api is not None,
            until.get((source, stream.name)),
            last.get((source, stream.name)),
            unfinished.get((source, stream.name)),
        )
        for source in config.sources
        for stream in sorted(CONNECTORS[source].streams, key=lambda one: not one.is_required)
    ]
    return Freshness(
        tenant,
        config.timezone,
        streams,
        built["window_end"] if built else None,
        built["as_of"] if built else None,
    )
