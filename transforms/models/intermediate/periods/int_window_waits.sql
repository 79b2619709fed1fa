{{ config(indexes=[{'columns': ['tenant_id', 'window_start', 'window_end', 'wait_id'], 'unique': true}]) }}
-- Every wait a window has to do with: opened in it (counted once, on its own day), or open at its now.
-- Answers are those known at as_of: the night's questions get their morning answer when the day is looked at again.

select
    n.tenant_id,
    n.window_start,
    n.window_end,
    w.wait_id,
    w.client_id,
    w.dialog_id,
    w.replied_by,
    w.responsible_at_open,
    w.opened_at,
    w.opened_at >= n.window_start and w.opened_at < n.window_end as is_of_window,
    w.opened_at <= n.now_at and (w.closed_at is null or w.closed_at > n.now_at) as is_open_now,
    w.is_answered and w.closed_at <= n.as_of as is_answered,
    w.is_first_response,
    w.is_off_hours,
    w.response_minutes,
    -- no deadline: the calendar ends before the target runs out
    coalesce(least(w.closed_at, n.as_of) > w.sla_deadline_at, false) as is_breached,
    coalesce(n.now_at > w.sla_deadline_at, false) as is_past_deadline_now,
    {{ minutes_between('w.opened_at', 'n.now_at') }} as age_minutes
from {{ ref('int_windows') }} as n
cross join lateral (
    select * from {{ ref('fct_waits') }} as x
    where x.tenant_id = n.tenant_id
      and x.opened_at < n.window_end and x.opened_at >= least(n.window_start, n.now_at - interval '7 days')
      and (x.opened_at >= n.window_start or x.opened_at > n.now_at - interval '7 days')
      and (x.opened_at >= n.window_start or x.closed_at is null or x.closed_at > n.now_at)
    -- see rows_of_window
    offset 0  -- noqa: AM09
) as w
where {{ window_filter('n') }}
