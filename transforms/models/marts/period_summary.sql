{{ config(indexes=[{'columns': ['tenant_id', 'window_start', 'window_end'], 'unique': true}]) }}

{%- set key = 'tenant_id, window_start, window_end' %}
{%- set n_key = 'n.tenant_id, n.window_start, n.window_end' %}

with windows as (

    select * from {{ ref('int_windows') }}
    where {{ window_filter() }}

),

spoken as (

    select
        {{ n_key }},
        count(*) as messages,
        count(*) filter (where m.kind = 'client') as client_messages,
        count(*) filter (where m.kind = 'manager') as manager_messages,
        count(*) filter (where m.kind = 'bot') as bot_messages,
        count(*) filter (where m.kind = 'manager' and m.author_source = 'event') as authors_by_event,
        count(*) filter (where m.kind = 'manager' and m.author_source = 'deal') as authors_by_deal,
        count(*) filter (where m.kind = 'manager' and m.author_source = 'none') as authors_unknown,
        count(distinct m.session_id) as sessions,
        count(distinct m.client_id) as clients
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_messages'), 'sent_at') }} as m
    group by {{ n_key }}

),

dialogs as (

    select
        {{ key }},
        count(*) as dialogs,
        count(*) filter (where c.match_status = 'matched') as dialogs_matched,
        count(*) filter (where c.match_status = 'no_phone') as dialogs_no_phone,
        count(*) filter (where c.match_status = 'no_contact') as dialogs_no_contact,
        count(*) filter (where c.match_status = 'contact_without_deal') as dialogs_contact_without_deal
    from (select * from {{ ref('period_dialogs') }} where {{ window_filter() }}) as d
    join (
        select tenant_id, client_id, match_status from {{ ref('dim_clients') }}
        where {{ tenant_filter() }}
          and client_id = any(array(select p.client_id from {{ ref('period_dialogs') }} as p where {{ window_filter('p') }}))
    ) as c using (tenant_id, client_id)
    group by {{ key }}

),

excluded as (

    select {{ key }}, count(*) as excluded_dialogs
    from {{ ref('period_excluded') }}
    where {{ window_filter() }}
    group by {{ key }}

),

newcomers as (

    select {{ n_key }}, count(*) as new_clients
    from windows as n
    cross join lateral {{ rows_of_window(ref('dim_clients'), 'first_message_at') }} as c
    group by {{ n_key }}

),

waited as (

    select
        {{ key }},
        count(*) filter (where is_of_window) as waits,
        count(*) filter (where is_of_window and is_answered) as waits_answered,
        count(*) filter (where is_of_window and is_answered and replied_by is null) as waits_unattributed,
        count(*) filter (where is_of_window and is_answered and is_off_hours) as off_hours_answers,
        count(*) filter (where is_of_window and is_breached) as breached,
        count(*) filter (where is_of_window and is_answered and not is_breached) as answered_in_time,
        count(*) filter (where is_of_window and is_answered and response_minutes <= 5) as answered_in_5,
        -- an abandoned wait is one that nobody answered
        count(*) filter (where is_of_window and (is_answered or is_breached)) as target_n,
        count(*) filter (where is_of_window and is_answered and not is_off_hours) as response_n,
        percentile_cont(0.5) within group (order by response_minutes)
        filter (where is_of_window and is_answered and not is_off_hours) as response_p50,
        percentile_cont(0.9) within group (order by response_minutes)
        filter (where is_of_window and is_answered and not is_off_hours) as response_p90,
        count(*) filter (where is_of_window and is_answered and not is_off_hours and is_first_response) as first_response_n,
        percentile_cont(0.5) within group (order by response_minutes)
        filter (where is_of_window and is_answered and not is_off_hours and is_first_response) as first_response_p50,
        percentile_cont(0.9) within group (order by response_minutes)
        filter (where is_of_window and is_answered and not is_off_hours and is_first_response) as first_response_p90,
        count(*) filter (where is_open_now) as unanswered_now,
        count(*) filter (where is_open_now and is_past_deadline_now) as unanswered_overdue,
        count(*) filter (where is_open_now and responsible_at_open is null) as open_unassigned,
        count(*) filter (where is_open_now and is_past_deadline_now and responsible_at_open is null) as overdue_unassigned,
        count(*) filter (where is_open_now and age_minutes < 15) as unanswered_lt15,
        count(*) filter (where is_open_now and age_minutes >= 15 and age_minutes < 60) as unanswered_15_60,
        count(*) filter (where is_open_now and age_minutes >= 60 and age_minutes <= 240) as unanswered_1_4h,
        count(*) filter (where is_open_now and age_minutes > 240 and age_minutes <= 1440) as unanswered_gt4h,
        count(*) filter (where is_open_now and age_minutes > 1440) as unanswered_gt1d,
        max(age_minutes) filter (where is_open_now) as oldest_wait_minutes
    from {{ ref('int_window_waits') }}
    where {{ window_filter() }}
    group by {{ key }}

),

-- Open deals, at the window's now, of clients who wait longer than promised. A client waits once, a deal is counted once.
late as (

    select distinct {{ key }}, client_id
    from {{ ref('int_window_waits') }}
    where is_open_now and is_past_deadline_now and {{ window_filter() }}

),

at_risk as (

    select
        {{ n_key }},
        coalesce(sum(d.price) filter (where d.price > 0), 0) as money_at_risk,
        count(*) as deals_at_risk,
        count(*) filter (where coalesce(d.price, 0) <= 0) as money_at_risk_unpriced
    from windows as n
    join late as w using ({{ key }})
    join {{ ref('fct_deals') }} as d on d.tenant_id = w.tenant_id and d.client_id = w.client_id
    where not d.is_deleted and d.is_sales
        and d.created_at <= n.now_at and (d.closed_at is null or d.closed_at > n.now_at)
        and {{ tenant_filter('d.tenant_id') }} and d.client_id = any(array(select l.client_id from late as l))
    group by {{ n_key }}

),

-- Deals in play: open in the window with a client who wrote or was written to, or created, moved or closed in it.
touched as (

    select n.tenant_id, n.window_start, n.window_end, d.deal_id
    from windows as n
    join (select * from {{ ref('period_dialogs') }} where {{ window_filter() }}) as p using ({{ key }})
    join {{ ref('fct_deals') }} as d on d.tenant_id = p.tenant_id and d.client_id = p.client_id
    where d.created_at < n.window_end and (d.closed_at is null or d.closed_at >= n.window_start)
        and {{ tenant_filter('d.tenant_id') }}
        and d.client_id = any(array(select w.client_id from {{ ref('period_dialogs') }} as w where {{ window_filter('w') }}))

    union

    select {{ n_key }}, d.deal_id
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_deals'), 'created_at') }} as d

    union

    select {{ n_key }}, d.deal_id
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_deals'), 'closed_at') }} as d

    union

    select {{ n_key }}, c.deal_id
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_deal_stage_changes'), 'changed_at') }} as c

),

deals as (

    select
        {{ n_key }},
        count(*) as deals
    from touched as n
    join {{ ref('fct_deals') }} as d on d.tenant_id = n.tenant_id and d.deal_id = n.deal_id
    where not d.is_deleted and d.is_sales and {{ tenant_filter('d.tenant_id') }}
        and d.deal_id = any(array(select t.deal_id from touched as t))
    group by {{ n_key }}

),

sold as (

    select
        {{ key }},
        sum(deals_new) as deals_new,
        sum(deals_new_amount) as deals_new_amount,
        sum(deals_won) as deals_won,
        sum(deals_won_amount) as deals_won_amount,
        sum(deals_won_priced) as deals_won_priced,
        sum(deals_lost) as deals_lost,
        sum(deals_lost_amount) as deals_lost_amount,
        sum(deals_open) as deals_open,
        sum(deals_open_amount) as deals_open_amount,
        sum(deals_won) filter (where responsible_id = '') as deals_won_unassigned,
        sum(deals_won_amount) filter (where responsible_id = '') as deals_won_amount_unassigned,
        sum(deals_lost) filter (where responsible_id = '') as deals_lost_unassigned
    from {{ ref('int_window_sales') }}
    where {{ window_filter() }}
    group by {{ key }}

)

select
    n.tenant_id,
    n.window_start,
    n.window_end,
    n.report_type,
    n.label_date,
    n.as_of,
    n.now_at,
    coalesce(s.messages, 0)::integer as messages,
    coalesce(s.client_messages, 0)::integer as client_messages,
    coalesce(s.manager_messages, 0)::integer as manager_messages,
    coalesce(s.bot_messages, 0)::integer as bot_messages,
    coalesce(w.waits, 0)::integer as waits,
    coalesce(s.sessions, 0)::integer as sessions,
    coalesce(d.dialogs, 0)::integer as dialogs,
    coalesce(x.excluded_dialogs, 0)::integer as excluded_dialogs,
    coalesce(s.clients, 0)::integer as clients,
    coalesce(f.deals, 0)::integer as deals,
    coalesce(c.new_clients, 0)::integer as new_clients,
    {{ shown_minutes('w.first_response_p50') }} as first_response_p50,
    {{ shown_minutes('w.first_response_p90') }} as first_response_p90,
    coalesce(w.first_response_n, 0)::integer as first_response_n,
    {{ shown_minutes('w.response_p50') }} as response_p50,
    {{ shown_minutes('w.response_p90') }} as response_p90,
    coalesce(w.response_n, 0)::integer as response_n,
    coalesce(w.waits_answered, 0)::integer as waits_answered,
    coalesce(w.waits_unattributed, 0)::integer as waits_unattributed,
    round(w.answered_in_time::numeric / nullif(w.target_n, 0), 4) as answered_within_target,
    round(w.answered_in_5::numeric / nullif(w.target_n, 0), 4) as answered_within_5,
    coalesce(w.target_n, 0)::integer as answered_within_target_n,
    coalesce(w.breached, 0)::integer as breached,
    coalesce(w.off_hours_answers, 0)::integer as off_hours_answers,
    coalesce(w.unanswered_now, 0)::integer as unanswered_now,
    coalesce(w.unanswered_overdue, 0)::integer as unanswered_overdue,
    coalesce(w.open_unassigned, 0)::integer as open_unassigned,
    coalesce(w.overdue_unassigned, 0)::integer as overdue_unassigned,
    coalesce(w.unanswered_lt15, 0)::integer as unanswered_lt15,
    coalesce(w.unanswered_15_60, 0)::integer as unanswered_15_60,
    coalesce(w.unanswered_1_4h, 0)::integer as unanswered_1_4h,
    coalesce(w.unanswered_gt4h, 0)::integer as unanswered_gt4h,
    coalesce(w.unanswered_gt1d, 0)::integer as unanswered_gt1d,
    w.oldest_wait_minutes,
    case when right(n.mode, 5) <> '_only' then round(d.dialogs_matched::numeric / nullif(d.dialogs, 0), 4) end as match_rate,
    coalesce(d.dialogs_matched, 0)::integer as dialogs_matched,
    coalesce(d.dialogs_no_phone, 0)::integer as dialogs_no_phone,
    coalesce(d.dialogs_no_contact, 0)::integer as dialogs_no_contact,
    coalesce(d.dialogs_contact_without_deal, 0)::integer as dialogs_contact_without_deal,
    coalesce(s.authors_by_event, 0)::integer as authors_by_event,
    coalesce(s.authors_by_deal, 0)::integer as authors_by_deal,
    coalesce(s.authors_unknown, 0)::integer as authors_unknown,
    coalesce(r.money_at_risk, 0) as money_at_risk,
    coalesce(r.deals_at_risk, 0)::integer as deals_at_risk,
    coalesce(r.money_at_risk_unpriced, 0)::integer as money_at_risk_unpriced,
    coalesce(o.deals_new, 0)::integer as deals_new,
    coalesce(o.deals_new_amount, 0) as deals_new_amount,
    coalesce(o.deals_won, 0)::integer as deals_won,
    coalesce(o.deals_won_amount, 0) as deals_won_amount,
    coalesce(o.deals_lost, 0)::integer as deals_lost,
    coalesce(o.deals_lost_amount, 0) as deals_lost_amount,
    coalesce(o.deals_won_priced, 0)::integer as deals_won_priced,
    round(o.deals_won_amount / nullif(o.deals_won_priced, 0), 2) as deals_won_average,
    coalesce(o.deals_open, 0)::integer as deals_open,
    coalesce(o.deals_open_amount, 0) as deals_open_amount,
    coalesce(o.deals_won_unassigned, 0)::integer as deals_won_unassigned,
    coalesce(o.deals_won_amount_unassigned, 0) as deals_won_amount_unassigned,
    coalesce(o.deals_lost_unassigned, 0)::integer as deals_lost_unassigned,
    n.is_complete
from windows as n
left join spoken as s using ({{ key }})
left join dialogs as d using ({{ key }})
left join excluded as x using ({{ key }})
left join newcomers as c using ({{ key }})
left join waited as w using ({{ key }})
left join at_risk as r using ({{ key }})
left join deals as f using ({{ key }})
left join sold as o using ({{ key }})
