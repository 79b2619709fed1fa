"""The rows numbers are counted from: one SELECT each, over the marts alone, for one window of one tenant.

Parameters: ``%(tenant)s``, ``%(start)s``, ``%(end)s`` and, for a manager's numbers, ``%(manager)s``, for a
channel's ``%(part)s``. Every SELECT may read
``edge`` (the window's two moments) and ``waits``. Under row level security each gives what its reader may see. The text
is also the documentation (docs/metrics.md), so it is laid out for people.
"""

from __future__ import annotations

#: the moments of the window: what is known, and what "now" means; no row where the window was never built
EDGE = """\
select p.as_of, p.now_at
from marts.period_summary p
where p.tenant_id = %(tenant)s and p.window_start = %(start)s and p.window_end = %(end)s"""

#: opened in the window, or open at its now; what ended is known up to as_of. The first bound is a subquery of its own: row
#: level security lets no index take a bound that is reckoned from a column of another row
WAITS = """\
select
  w.tenant_id, w.wait_id, w.client_id, w.dialog_id, w.opened_by_message_id, w.opened_at, w.closed_at, w.closed_by,
  w.replied_by, w.responsible_at_open, w.response_minutes, w.response_minutes_calendar, w.sla_deadline_at,
  w.is_off_hours, w.is_first_response, e.now_at,
  w.opened_at >= %(start)s as is_of_window,
  w.opened_at <= e.now_at and (w.closed_at is null or w.closed_at > e.now_at) as is_open_now,
  w.is_answered and w.closed_at <= e.as_of as is_answered,
  coalesce(least(w.closed_at, e.as_of) > w.sla_deadline_at, false) as is_breached,
  coalesce(e.now_at > w.sla_deadline_at, false) as is_past_deadline_now,
  trim_scale(round(extract(epoch from e.now_at - w.opened_at) / 60, 4)) as age_minutes
from edge e
cross join marts.fct_waits w
where w.tenant_id = %(tenant)s and w.opened_at < %(end)s
  and w.opened_at >= (select least(%(start)s, b.now_at - interval '7 days') from edge b)
  and (w.opened_at >= %(start)s
    or (w.opened_at > e.now_at - interval '7 days' and (w.closed_at is null or w.closed_at > e.now_at)))"""

_SAID = "m.tenant_id = %(tenant)s and m.sent_at >= %(start)s and m.sent_at < %(end)s"

ROW_SETS: dict[str, str] = {
    "windows": """\
select
  w.tenant_id, w.window_start, w.window_end, w.report_type, w.label_date, w.is_complete, w.missing,
  coalesce(w.as_of, w.window_end) as as_of, least(coalesce(w.as_of, w.window_end), w.window_end) as now_at
from synkro.report_windows w
where w.tenant_id = %(tenant)s and w.window_start = %(start)s and w.window_end = %(end)s""",
    "managers": """\
select m.tenant_id, m.manager_id, m.name, m.is_active
from marts.dim_managers m
where m.tenant_id = %(tenant)s and m.manager_id = %(manager)s""",
    "messages": f"""\
select
  m.tenant_id, m.message_id, m.dialog_id, m.client_id, m.session_id, m.sent_at, m.kind, m.author_id, m.author_source,
  m.body, m.has_media
from marts.fct_messages m
where {_SAID}""",
    "waits": "select * from waits",
    "sessions": f"""\
select
  s.tenant_id, s.session_id, s.client_id, s.started_at, s.ended_at, s.initiated_by, s.state, s.message_count,
  s.first_response_minutes
from marts.fct_sessions s
where s.tenant_id = %(tenant)s
  and s.session_id = any (array(
    select m.session_id from marts.fct_messages m
    where {_SAID}))""",
    "dialogs": """\
select p.tenant_id, p.dialog_id, p.client_id, p.deal_id, p.messages, p.waits, p.has_open_wait, c.match_status
from marts.period_dialogs p
join marts.dim_clients c on c.tenant_id = p.tenant_id and c.client_id = p.client_id
where p.tenant_id = %(tenant)s and p.window_start = %(start)s and p.window_end = %(end)s""",
    "excluded": """\
select x.tenant_id, x.dialog_id, x.channel, x.contact_name, x.reason, x.messages, x.last_message_at
from marts.period_excluded x
where x.tenant_id = %(tenant)s and x.window_start = %(start)s and x.window_end = %(end)s""",
    "clients": """\
select c.tenant_id, c.client_id, c.name, c.phone, c.first_message_at, c.match_status
from marts.dim_clients c
where c.tenant_id = %(tenant)s""",
    "deals": """\
select
  d.tenant_id, d.deal_id, d.client_id, d.name, d.pipeline, d.stage, d.stage_kind, d.price, d.responsible_id,
  d.loss_reason, d.created_at, d.closed_at, e.now_at
from edge e
cross join marts.fct_deals d
where d.tenant_id = %(tenant)s and not d.is_deleted and d.is_sales""",
    "deals_by_channel": """\
select
  d.tenant_id, d.deal_id, d.client_id, d.name, d.pipeline, d.stage, d.stage_kind, d.price, d.responsible_id,
  d.loss_reason, d.created_at, d.closed_at, e.now_at, coalesce(c.first_channel, '') as channel
from edge e
cross join marts.fct_deals d
left join marts.dim_clients c on c.tenant_id = d.tenant_id and c.client_id = d.client_id
where d.tenant_id = %(tenant)s and not d.is_deleted and d.is_sales""",
}

# --- conditions on a row ``r`` -----------------------------------------------------------------------------------

CREATED = "r.created_at >= %(start)s and r.created_at < %(end)s"
CLOSED = "r.closed_at >= %(start)s and r.closed_at < %(end)s"
OPEN_THEN = "r.created_at <= r.now_at and (r.closed_at is null or r.closed_at > r.now_at)"
NEW_CLIENT = "r.first_message_at >= %(start)s and r.first_message_at < %(end)s"
SPOKE = f"""\
r.client_id = any (array(
  select m.client_id from marts.fct_messages m
  where {_SAID}))"""
WROTE_IN = f"""\
r.dialog_id = any (array(
  select m.dialog_id from marts.fct_messages m
  where {_SAID}
    and m.kind = 'manager' and m.author_id = %(manager)s))"""
AT_RISK = f"""\
{OPEN_THEN}
and r.client_id = any (array(select w.client_id from waits w where w.is_open_now and w.is_past_deadline_now))"""
IN_PLAY = f"""\
((r.created_at < %(end)s and (r.closed_at is null or r.closed_at >= %(start)s)
    and r.client_id = any (array(
      select p.client_id from marts.period_dialogs p
      where p.tenant_id = %(tenant)s and p.window_start = %(start)s and p.window_end = %(end)s)))
  or ({CREATED})
  or ({CLOSED})
  or r.deal_id = any (array(
    select g.deal_id from marts.fct_deal_stage_changes g
    where g.tenant_id = %(tenant)s and g.changed_at >= %(start)s and g.changed_at < %(end)s)))"""

#: what the documentation calls by a name
NAMED = {
    "SPOKE": SPOKE,
    "WROTE_IN": WROTE_IN,
    "AT_RISK": AT_RISK,
    "IN_PLAY": IN_PLAY,
    "CREATED": CREATED,
    "CLOSED": CLOSED,
    "OPEN_THEN": OPEN_THEN,
}
