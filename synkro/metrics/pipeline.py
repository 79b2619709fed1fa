"""What the open deals did in a window: a sales report for a company whose dialogs are not read.

Read from the marts, as of the window's now: the same window gives the same numbers, however late it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from synkro.connectors import registry
from synkro.connectors.connector import Capability
from synkro.core.windows import Window
from synkro.database import db
from synkro.metrics.queries import plain

#: a deal open and unmoved for longer is stuck
STUCK_DAYS = 14

_SQL = """
with edge as (
  select p.now_at from marts.period_summary p
  where p.tenant_id = %(tenant)s and p.window_start = %(start)s and p.window_end = %(end)s
),
open_deals as (
  select d.deal_id, d.price, e.now_at, coalesce(
    (select max(c.changed_at) from marts.fct_deal_stage_changes c
     where c.tenant_id = d.tenant_id and c.deal_id = d.deal_id and c.changed_at <= e.now_at), d.created_at) as moved_at
  from marts.fct_deals d cross join edge e
  where d.tenant_id = %(tenant)s and not d.is_deleted and d.created_at <= e.now_at
    and (d.closed_at is null or d.closed_at > e.now_at)
),
-- a source of deals whose tasks were never read says nothing of them
tasks as (
  select exists (select from synkro.watermarks w where w.tenant_id = %(tenant)s and w.source = any (%(sources)s)
    and w.stream = 'tasks' and w.complete_until is not null) as are_known
),
judged as (
  select o.*, o.moved_at < o.now_at - make_interval(days => %(days)s) as is_stuck,
    (select are_known from tasks) and not exists (
      select from marts.fct_tasks t where t.tenant_id = %(tenant)s and t.deal_id = o.deal_id and t.created_at <= o.now_at
        and (not t.is_completed or t.completed_at > o.now_at)) as is_untasked
  from open_deals o
)
select
  (select count(distinct c.deal_id) from marts.fct_deal_stage_changes c
   join marts.fct_deals d on d.tenant_id = c.tenant_id and d.deal_id = c.deal_id and not d.is_deleted
   where c.tenant_id = %(tenant)s and c.changed_at >= %(start)s and c.changed_at < %(end)s) as moved,
  count(*) as open, coalesce(sum(price), 0) as open_amount,
  count(*) filter (where is_stuck) as stuck, coalesce(sum(price) filter (where is_stuck), 0) as stuck_amount,
  case when (select are_known from tasks) then count(*) filter (where is_untasked) end as untasked,
  coalesce(sum(price) filter (where is_untasked), 0) as untasked_amount
from judged
"""


@dataclass(frozen=True)
class Pipeline:
    """Deals that moved to another stage in the window; of those open at its now, the stuck ones and those without a task.

    ``untasked``: None where the tasks were never read.
    """

    moved: int = 0
    open: int = 0
    open_amount: float = 0
    stuck: int = 0
    stuck_amount: float = 0
    untasked: int | None = None
    untasked_amount: float = 0


def of_window(connection: db.Connection, tenant_id: UUID, window: Window) -> Pipeline:
    row = connection.execute(
        _SQL,
        {
            "tenant": tenant_id,
            "start": window.start,
            "end": window.end,
            "days": STUCK_DAYS,
            "sources": list(registry.able(Capability.DEALS)),
        },
    ).fetchone()
    assert row is not None
    return Pipeline(**{name: plain(value) for name, value in row.items()})
