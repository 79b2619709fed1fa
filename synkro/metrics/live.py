"""Who waits now: the open waits of the data as it was read last, apart from every window.

A window's numbers stay at its end, for replays and comparison (``queries.py``). What a person is told to do comes from here:
``marts.waits_open``, with the moment the data was read. Definitions: docs/metrics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from synkro.connectors.connector import Capability
from synkro.connectors.registry import able
from synkro.database import db
from synkro.metrics.queries import Waiting, plain
from synkro.tenancy import runtime_config


@dataclass(frozen=True)
class Live:
    """The open waits as of ``as_of``, the moment up to which the data was read."""

    as_of: datetime
    unanswered: int
    overdue: int
    #: sum of the open deals of those who wait beyond the target
    money_at_risk: int | float


_LIVE = """
select r.as_of, w.unanswered, w.overdue, w.money_at_risk
from synkro.mart_watermarks r
cross join lateral (
  select count(*) as unanswered, count(*) filter (where o.is_overdue) as overdue, coalesce(sum(o.money), 0) as money_at_risk
  from marts.waits_open o where o.tenant_id = r.tenant_id
) w
where r.tenant_id = %s
"""


def now(connection: db.Connection, tenant_id: UUID) -> Live | None:
    """Who waits in the data as it was read last; None when no chats are read, and before the first build."""
    config = runtime_config.current(connection, tenant_id)
    if not {*config.sources} & {*able(Capability.DIALOGS)} or not _stands(connection):
        return None
    row = connection.execute(_LIVE, (tenant_id,)).fetchone()
    return Live(**{**row, "money_at_risk": plain(row["money_at_risk"])}) if row else None


def _stands(connection: db.Connection) -> bool:
    """A full refresh makes the view anew after the tables below it: for that while there is no answer."""
    row = connection.execute("select to_regclass('marts.waits_open') is not null as stands").fetchone()
    return bool(row and row["stands"])


def waiting(connection: db.Connection, tenant_id: UUID, limit: int = 200) -> list[Waiting]:
    """The open waits: the dearest first, then the longest. ``price`` is the money at risk, so the rows add up to the sum."""
    if not _stands(connection):
        return []
    rows = connection.execute(
        "select w.wait_id, w.client_id, coalesce(nullif(c.name, ''), d.contact_name, '') as client_name, c.phone,"
        "   w.dialog_id, coalesce(d.channel, '') as channel, w.opened_at, w.age_minutes as waiting_minutes, w.is_overdue,"
        "   w.responsible_id as manager_id, m.name as manager_name, w.deal_id, f.name as deal_name, w.money as price,"
        "   coalesce(said.body, '') as last_text"
        # who is shown is chosen first: names and last words are looked up for those alone
        " from (select * from marts.waits_open where tenant_id = %(tenant)s"
        "   order by money desc nulls last, opened_at, wait_id limit %(limit)s) w"
        " left join marts.dim_clients c on c.tenant_id = w.tenant_id and c.client_id = w.client_id"
        " left join marts.dim_dialogs d on d.tenant_id = w.tenant_id and d.dialog_id = w.dialog_id"
        " left join marts.dim_managers m on m.tenant_id = w.tenant_id and m.manager_id = w.responsible_id"
        " left join marts.fct_deals f on f.tenant_id = w.tenant_id and f.deal_id = w.deal_id"
        " left join lateral (select s.body from marts.fct_messages s where s.tenant_id = w.tenant_id"
        "   and s.dialog_id = w.dialog_id and s.kind = 'client' and s.sent_at >= w.opened_at"
        "   and s.needs_reply and coalesce(s.body, '') <> ''"
        "   order by s.sent_at desc, s.message_id desc limit 1) said on true"
        " order by w.money desc nulls last, w.opened_at, w.wait_id",
        {"tenant": tenant_id, "limit": limit},
    )
    return [
        Waiting(**{**row, "waiting_minutes": float(row["waiting_minutes"]), "price": plain(row["price"])})
        for row in rows
    ]


def unanswered(connection: db.Connection, tenant_id: UUID, wait_ids: list[str]) -> set[str]:
    """Those of the waits that nobody has answered in the data as it was read last; one given up after seven days is no answer."""
    if not wait_ids:
        return set()
    rows = connection.execute(
        "select wait_id from marts.fct_waits where tenant_id = %s and wait_id = any (%s)"
        " and (is_open or closed_by = 'abandoned')",
        (tenant_id, wait_ids),
    )
    return {row["wait_id"] for row in rows}


def to_json(live: Live | None) -> dict[str, Any]:
    """``"live"`` of the public contract; without an answer each value is null."""
    return {name: plain(getattr(live, name, None)) for name in ("as_of", "unanswered", "overdue", "money_at_risk")}
