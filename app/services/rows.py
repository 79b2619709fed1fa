"""The rows behind a number: every number of a report opens the list it was counted from (metrics.md).

Which rows those are is the marts' definition; here they are only listed, 50 a page, for the report's window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.services import report_view
from app.services.access import Viewer
from synkro import db
from synkro.errors import NotFoundError
from synkro.numbers import plain
from synkro.reports import Report
from synkro.tenants import Tenant

PAGE_SIZE = 50

#: what is known at as_of, and what "now" means in the window: the two moments of period_summary
_EDGE = (
    "with edge as (select p.as_of, p.now_at from marts.period_summary p"
    " where p.tenant_id = %(tenant)s and p.window_start = %(start)s and p.window_end = %(end)s) "
)
_OPENED = "w.opened_at >= %(start)s and w.opened_at < %(end)s"
_ANSWERED = f"{_OPENED} and w.is_answered and w.closed_at <= e.as_of"
_BREACHED = "least(w.closed_at, e.as_of) > w.sla_deadline_at"
_OPEN_NOW = (
    "w.opened_at <= e.now_at and w.opened_at < %(end)s and (w.closed_at is null or w.closed_at > e.now_at)"
    " and (w.opened_at >= %(start)s or w.opened_at > e.now_at - interval '7 days')"
)
_OVERDUE_NOW = f"{_OPEN_NOW} and e.now_at > w.sla_deadline_at"
_FIRST = f"{_ANSWERED} and w.is_first_response and not w.is_off_hours"
_TIMED = f"{_ANSWERED} and not w.is_off_hours"
_CLOSED = "f.closed_at >= %(start)s and f.closed_at < %(end)s and not f.is_deleted"
_NEW = "f.created_at >= %(start)s and f.created_at < %(end)s and not f.is_deleted"
_AT_RISK = (
    "not f.is_deleted and f.created_at <= e.now_at and (f.closed_at is null or f.closed_at > e.now_at) and exists ("
    f"select from marts.fct_waits w where w.tenant_id = %(tenant)s and w.client_id = f.client_id and {_OVERDUE_NOW})"
)
_TOUCHED = (
    "not f.is_deleted and ((f.created_at < %(end)s and (f.closed_at is null or f.closed_at >= %(start)s) and exists ("
    "select from marts.period_dialogs p where p.tenant_id = %(tenant)s and p.window_start = %(start)s"
    " and p.window_end = %(end)s and p.client_id = f.client_id))"
    " or (f.created_at >= %(start)s and f.created_at < %(end)s) or (f.closed_at >= %(start)s and f.closed_at < %(end)s)"
    " or exists (select from marts.fct_deal_stage_changes g where g.tenant_id = %(tenant)s and g.deal_id = f.deal_id"
    " and g.changed_at >= %(start)s and g.changed_at < %(end)s))"
)
#: metric → kind of rows and the condition that picks them, word for word that of transforms/models
METRICS: dict[str, tuple[str, str]] = {
    "messages": ("messages", "true"),
    "client_messages": ("messages", "m.kind = 'client'"),
    "manager_messages": ("messages", "m.kind = 'manager'"),
    "bot_messages": ("messages", "m.kind = 'bot'"),
    "waits": ("waits", _OPENED),
    "waits_answered": ("waits", _ANSWERED),
    "sessions": ("sessions", "true"),
    "dialogs": ("dialogs", "true"),
    "match_rate": ("dialogs", "true"),
    "clients": (
        "clients",
        "exists (select from marts.fct_messages m where m.tenant_id = %(tenant)s"
        " and m.client_id = c.client_id and m.sent_at >= %(start)s and m.sent_at < %(end)s)",
    ),
    "new_clients": ("clients", "c.first_message_at >= %(start)s and c.first_message_at < %(end)s"),
    "first_response_p50": ("waits", _FIRST),
    "first_response_p90": ("waits", _FIRST),
    "first_response_n": ("waits", _FIRST),
    "response_p50": ("waits", _TIMED),
    "response_p90": ("waits", _TIMED),
    "response_n": ("waits", _TIMED),
    "answered_within_target": (
        "waits",
        f"{_OPENED} and ((w.is_answered and w.closed_at <= e.as_of) or {_BREACHED})",
    ),
    "breached": ("waits", f"{_OPENED} and {_BREACHED}"),
    "off_hours_answers": ("waits", f"{_ANSWERED} and w.is_off_hours"),
    "unanswered_now": ("waits", _OPEN_NOW),
    "unanswered_overdue": ("waits", _OVERDUE_NOW),
    "money_at_risk": ("deals", _AT_RISK),
    "deals_at_risk": ("deals", _AT_RISK),
    "money_at_risk_unpriced": ("deals", f"{_AT_RISK} and coalesce(f.price, 0) <= 0"),
    "deals": ("deals", _TOUCHED),
    "deals_new": ("deals", _NEW),
    "deals_new_amount": ("deals", _NEW),
    "deals_won": ("deals", f"f.stage_kind = 'won' and {_CLOSED}"),
    "deals_won_amount": ("deals", f"f.stage_kind = 'won' and {_CLOSED}"),
    "deals_lost": ("deals", f"f.stage_kind = 'lost' and {_CLOSED}"),
    "deals_lost_amount": ("deals", f"f.stage_kind = 'lost' and {_CLOSED}"),
}

_NAME = "coalesce(nullif(c.name, ''), d.contact_name, '') as client_name, c.phone"
_JOIN_CLIENT = (
    " left join marts.dim_dialogs d on d.tenant_id = {0}.tenant_id and d.dialog_id = {0}.dialog_id"
    " left join marts.dim_clients c on c.tenant_id = {0}.tenant_id and c.client_id = {0}.client_id"
)
_LAST_DIALOG = (
    "(select x.dialog_id from marts.dim_dialogs x where x.tenant_id = {0}.tenant_id and x.client_id = {0}.client_id"
    " order by x.last_message_at desc nulls last limit 1)"
)
_IN_WINDOW = "{0}.sent_at >= %(start)s and {0}.sent_at < %(end)s"

_QUERIES = {
    "waits": (
        f"select w.wait_id, w.dialog_id, {_NAME}, w.opened_at, w.closed_at, w.closed_by, w.response_minutes,"
        " w.response_minutes_calendar, w.sla_deadline_at, w.is_off_hours, w.is_first_response,"
        " w.opened_by_message_id as message_id, coalesce(a.name, r.name) as manager_name, e.now_at as edge, count(*) over () as total"
        " from marts.fct_waits w cross join edge e"
        + _JOIN_CLIENT.format("w")
        + " left join marts.dim_managers a on a.tenant_id = w.tenant_id and a.manager_id = w.replied_by"
        " left join marts.dim_managers r on r.tenant_id = w.tenant_id and r.manager_id = w.responsible_at_open"
        " where w.tenant_id = %(tenant)s and {condition} order by w.is_open desc, w.opened_at, w.wait_id"
    ),
    "messages": (
        f"select m.message_id, m.dialog_id, {_NAME}, m.sent_at, m.kind, m.body, m.has_media, a.name as manager_name,"
        " count(*) over () as total from marts.fct_messages m"
        + _JOIN_CLIENT.format("m")
        + " left join marts.dim_managers a on a.tenant_id = m.tenant_id and a.manager_id = m.author_id"
        f" where m.tenant_id = %(tenant)s and {_IN_WINDOW.format('m')} and {{condition}}"
        " order by m.sent_at desc, m.message_id"
    ),
    "sessions": (
        "select s.session_id, "
        + _LAST_DIALOG.format("s")
        + " as dialog_id, coalesce(c.name, '') as client_name, c.phone, s.started_at, s.ended_at, s.initiated_by, s.state,"
        " s.message_count, s.first_response_minutes, count(*) over () as total from marts.fct_sessions s"
        " left join marts.dim_clients c on c.tenant_id = s.tenant_id and c.client_id = s.client_id"
        " where s.tenant_id = %(tenant)s and {condition} and exists (select from marts.fct_messages m"
        " where m.tenant_id = %(tenant)s and m.session_id = s.session_id and m.sent_at >= %(start)s and m.sent_at < %(end)s)"
        " order by s.started_at desc, s.session_id"
    ),
    "dialogs": (
        f"select p.dialog_id, {_NAME}, d.channel, p.messages, p.waits, p.has_open_wait, c.match_status, f.name as deal_name,"
        " f.price, count(*) over () as total from marts.period_dialogs p"
        + _JOIN_CLIENT.format("p")
        + " left join marts.fct_deals f on f.tenant_id = p.tenant_id and f.deal_id = p.deal_id"
        " where p.tenant_id = %(tenant)s and p.window_start = %(start)s and p.window_end = %(end)s and {condition}"
        " order by p.messages desc, p.dialog_id"
    ),
    "clients": (
        "select c.client_id, "
        + _LAST_DIALOG.format("c")
        + " as dialog_id, coalesce(c.name, '') as client_name, c.phone, c.first_message_at, c.match_status,"
        " n.messages, count(*) over () as total from marts.dim_clients c left join (select m.client_id, count(*) as messages"
        f" from marts.fct_messages m where m.tenant_id = %(tenant)s and {_IN_WINDOW.format('m')} group by m.client_id) n"
        " on n.client_id = c.client_id where c.tenant_id = %(tenant)s and {condition}"
        " order by n.messages desc nulls last, c.client_id"
    ),
    "deals": (
        "select f.deal_id, "
        + _LAST_DIALOG.format("f")
        + " as dialog_id, f.name as deal_name, coalesce(c.name, '') as client_name, c.phone, f.pipeline, f.stage,"
        " f.stage_kind, f.price, f.loss_reason, f.closed_at, m.name as manager_name, count(*) over () as total"
        " from marts.fct_deals f cross join edge e"
        " left join marts.dim_clients c on c.tenant_id = f.tenant_id and c.client_id = f.client_id"
        " left join marts.dim_managers m on m.tenant_id = f.tenant_id and m.manager_id = f.responsible_id"
        " where f.tenant_id = %(tenant)s and {condition} order by f.price desc nulls last, f.deal_id"
    ),
}


@dataclass(frozen=True)
class Rows:
    tenant: Tenant
    report: Report
    metric: str
    #: waits, messages, sessions, dialogs, clients, deals
    kind: str
    rows: list[dict[str, Any]]
    total: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))


def behind(
    who: Viewer, slug: str, report_id: UUID | str, metric: str, page: int = 1, *, limit: int = PAGE_SIZE
) -> Rows:
    """Raises :class:`NotFoundError` for an unknown metric, like for an unknown report."""
    with db.as_user(who.user_id) as connection:
        tenant, report = report_view.find(connection, who, slug, report_id)
        if metric not in METRICS:
            raise NotFoundError("Такого показателя нет.")
        kind, condition = METRICS[metric]
        page = max(1, min(page, 10_000))
        query = _EDGE + _QUERIES[kind].replace("{condition}", condition) + " limit %(limit)s offset %(offset)s"
        found = connection.execute(
            query.encode(),
            {
                "tenant": tenant.tenant_id,
                "start": report.window_start,
                "end": report.window_end,
                "limit": limit,
                "offset": (page - 1) * limit,
            },
        ).fetchall()
    total = found[0]["total"] if found else 0
    rows = [{key: plain(value) if key == "price" else value for key, value in row.items()} for row in found]
    return Rows(tenant, report, metric, kind, rows, total, page)
