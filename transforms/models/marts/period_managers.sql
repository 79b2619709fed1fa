{{ config(indexes=[
    {'columns': ['tenant_id', 'window_start', 'window_end', 'manager_id'], 'unique': true},
]) }}
-- An answer counts for its author, a question nobody answered for the manager responsible when it was asked.
-- Answers nobody is known to have written are in period_summary (waits_unattributed), not here.

with windows as (

    select * from {{ ref('int_windows') }}
    where {{ window_filter() }}

),

answered as (

    select
        tenant_id, window_start, window_end, replied_by as manager_id,
        count(*) as waits_answered,
        count(*) filter (where not is_breached) as answered_in_time,
        count(*) filter (where is_breached) as breached,
        count(*) filter (where is_off_hours) as off_hours_answers,
        count(*) filter (where not is_off_hours) as response_n,
        percentile_cont(0.5) within group (order by response_minutes) filter (where not is_off_hours) as response_p50,
        percentile_cont(0.9) within group (order by response_minutes) filter (where not is_off_hours) as response_p90,
        count(*) filter (where is_first_response and not is_off_hours) as first_response_n,
        percentile_cont(0.5) within group (order by response_minutes)
        filter (where is_first_response and not is_off_hours) as first_response_p50
    from {{ ref('int_window_waits') }}
    where is_of_window and is_answered and replied_by is not null and {{ window_filter() }}
    group by tenant_id, window_start, window_end, replied_by

),

unanswered as (

    select
        tenant_id, window_start, window_end, responsible_at_open as manager_id,
        count(*) filter (where is_of_window and not is_answered and is_breached) as late,
        count(*) filter (where is_open_now) as open_waits,
        count(*) filter (where is_open_now and is_past_deadline_now) as open_overdue
    from {{ ref('int_window_waits') }}
    where responsible_at_open is not null and {{ window_filter() }}
    group by tenant_id, window_start, window_end, responsible_at_open

),

sent as (

    select
        n.tenant_id, n.window_start, n.window_end, m.author_id as manager_id,
        count(*) as messages_sent,
        count(distinct m.dialog_id) as dialogs
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_messages'), 'sent_at') }} as m
    where m.kind = 'manager' and m.author_id is not null
    group by n.tenant_id, n.window_start, n.window_end, m.author_id

),

won as (

    select
        tenant_id, window_start, window_end, responsible_id as manager_id,
        sum(deals_won) as deals_won,
        sum(deals_won_amount) as deals_won_amount,
        sum(deals_won_priced) as deals_won_priced,
        sum(deals_lost) as deals_lost,
        sum(deals_lost_amount) as deals_lost_amount,
        sum(deals_open) as deals_open,
        sum(deals_open_amount) as deals_open_amount
    from {{ ref('int_window_sales') }}
    where responsible_id <> '' and {{ window_filter() }}
    group by tenant_id, window_start, window_end, responsible_id

),

active as (

    select tenant_id, window_start, window_end, manager_id from answered
    union
    select tenant_id, window_start, window_end, manager_id from unanswered where late > 0 or open_waits > 0
    union
    select tenant_id, window_start, window_end, manager_id from sent
    union
    select tenant_id, window_start, window_end, manager_id from won where deals_won > 0 or deals_lost > 0 or deals_open > 0

)

select
    m.tenant_id,
    m.window_start,
    m.window_end,
    m.manager_id,
    coalesce(a.waits_answered, 0)::integer as waits_answered,
    coalesce(a.response_n, 0)::integer as response_n,
    {{ shown_minutes('a.response_p50') }} as response_p50,
    {{ shown_minutes('a.response_p90') }} as response_p90,
    coalesce(a.first_response_n, 0)::integer as first_response_n,
    {{ shown_minutes('a.first_response_p50') }} as first_response_p50,
    round(coalesce(a.answered_in_time, 0)::numeric / nullif(coalesce(a.waits_answered, 0) + coalesce(u.late, 0), 0), 4) as within_target,
    (coalesce(a.waits_answered, 0) + coalesce(u.late, 0))::integer as within_target_n,
    (coalesce(a.breached, 0) + coalesce(u.late, 0))::integer as breached,
    coalesce(u.open_waits, 0)::integer as open_waits,
    coalesce(u.open_overdue, 0)::integer as open_overdue,
    coalesce(a.off_hours_answers, 0)::integer as off_hours_answers,
    coalesce(s.messages_sent, 0)::integer as messages_sent,
    coalesce(s.dialogs, 0)::integer as dialogs,
    coalesce(w.deals_won, 0)::integer as deals_won,
    coalesce(w.deals_won_amount, 0) as deals_won_amount,
    coalesce(w.deals_lost, 0)::integer as deals_lost,
    coalesce(w.deals_lost_amount, 0) as deals_lost_amount,
    coalesce(w.deals_won_priced, 0)::integer as deals_won_priced,
    round(w.deals_won_amount / nullif(w.deals_won_priced, 0), 2) as deals_won_average,
    coalesce(w.deals_open, 0)::integer as deals_open,
    coalesce(w.deals_open_amount, 0) as deals_open_amount
from active as m
left join answered as a using (tenant_id, window_start, window_end, manager_id)
left join unanswered as u using (tenant_id, window_start, window_end, manager_id)
left join sent as s using (tenant_id, window_start, window_end, manager_id)
left join won as w using (tenant_id, window_start, window_end, manager_id)
