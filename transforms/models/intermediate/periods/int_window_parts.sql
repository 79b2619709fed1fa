{{ config(indexes=[{'columns': ['tenant_id', 'window_start', 'window_end', 'dimension', 'part'], 'unique': true}]) }}
-- What the numbers of a window are made of: by manager, channel, hours, kind of client, stage. In a dimension each counted thing
-- belongs to one part, so the parts of a dimension add up to the number. Kept: later windows are compared with these.

{%- set key = 'tenant_id, window_start, window_end' %}
{%- set n_key = 'n.tenant_id, n.window_start, n.window_end' %}

with windows as (

    select n.tenant_id, n.window_start, n.window_end, n.now_at, s.timezone
    from {{ ref('int_windows') }} as n
    join {{ ref('stg_synkro__settings') }} as s on s.tenant_id = n.tenant_id and s.is_current
    where {{ window_filter('n') }}

),

waits as (

    select * from {{ ref('int_window_waits') }}
    where {{ window_filter() }}

),

dialogs as (

    select * from {{ ref('period_dialogs') }}
    where {{ window_filter() }}

),

late as (

    select distinct {{ key }}, client_id from waits
    where is_open_now and is_past_deadline_now

),

-- Deals of the window with the moment their stage is asked for: a closed one is asked what it was before.
deals as (

    select {{ n_key }}, 'created' as kind, d.deal_id, d.client_id, d.responsible_id, coalesce(d.price, 0) as amount, null as stage
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_deals'), 'created_at') }} as d
    where not d.is_deleted and d.is_sales

    union all

    select
        {{ n_key }}, d.stage_kind as kind, d.deal_id, d.client_id, d.responsible_id, coalesce(d.price, 0) as amount,
        coalesce((
            select c.from_pipeline_id || ':' || c.from_status_id
            from {{ ref('fct_deal_stage_changes') }} as c
            where c.tenant_id = d.tenant_id and c.deal_id = d.deal_id and c.to_status_id in (142, 143)
            order by c.changed_at desc, c.event_id collate "C" desc
            limit 1
        ), '') as stage
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_deals'), 'closed_at') }} as d
    where not d.is_deleted and d.is_sales and d.stage_kind in ('won', 'lost')

    union all

    select
        {{ n_key }}, 'at_risk' as kind, d.deal_id, d.client_id, d.responsible_id, greatest(coalesce(d.price, 0), 0) as amount,
        coalesce(
            (
                select c.to_pipeline_id || ':' || c.to_status_id
                from {{ ref('fct_deal_stage_changes') }} as c
                where c.tenant_id = d.tenant_id and c.deal_id = d.deal_id and c.changed_at <= n.now_at
                order by c.changed_at desc, c.event_id collate "C" desc
                limit 1
            ),
            (
                select c.from_pipeline_id || ':' || c.from_status_id
                from {{ ref('fct_deal_stage_changes') }} as c
                where c.tenant_id = d.tenant_id and c.deal_id = d.deal_id and c.changed_at > n.now_at
                order by c.changed_at asc, c.event_id collate "C" asc
                limit 1
            ),
            d.pipeline_id || ':' || d.status_id,
            ''
        ) as stage
    from windows as n
    join late as w using ({{ key }})
    join {{ ref('fct_deals') }} as d on d.tenant_id = w.tenant_id and d.client_id = w.client_id
    where not d.is_deleted and d.is_sales
        and d.created_at <= n.now_at and (d.closed_at is null or d.closed_at > n.now_at)
        and {{ tenant_filter('d.tenant_id') }} and d.client_id = any(array(select l.client_id from late as l))

),

people as (

    select client_id from waits
    union
    select client_id from dialogs
    union
    select client_id from deals
    where client_id is not null

),

clients as (

    select tenant_id, client_id, first_message_at
    from {{ ref('dim_clients') }}
    where {{ tenant_filter() }} and client_id = any(array(select p.client_id from people as p))

),

channels as (

    select tenant_id, dialog_id, client_id, channel, first_message_at
    from {{ ref('dim_dialogs') }}
    where {{ tenant_filter() }} and client_id = any(array(select c.client_id from clients as c))

),

-- A client, and a deal, came by the channel of the client's first dialog.
first_channels as (

    select distinct on (tenant_id, client_id) tenant_id, client_id, channel
    from channels
    order by tenant_id asc, client_id asc, first_message_at asc nulls last, dialog_id collate "C" asc

),

-- Everything counted, once each. An answer is its author's; a question nobody answered that of the one responsible when it was
-- asked. Null: the dimension says nothing of such a thing; empty: nobody knows.
counted as (

    select
        {{ n_key }}, 'asked' as kind,
        coalesce(case when w.is_answered then w.replied_by else w.responsible_at_open end, '') as manager,
        coalesce(d.channel, '') as channel,
        {{ hour_block('w.opened_at', 'n.timezone') }} as hours,
        {{ client_kind('c.first_message_at') }} as clients,
        null as stage,
        w.is_answered, w.is_breached as is_late,
        w.is_answered and not w.is_off_hours as is_timed, w.is_first_response, w.response_minutes as amount
    from windows as n
    join waits as w using ({{ key }})
    left join channels as d on d.tenant_id = w.tenant_id and d.dialog_id = w.dialog_id
    left join clients as c on c.tenant_id = w.tenant_id and c.client_id = w.client_id
    where w.is_of_window

    union all

    select
        {{ n_key }}, 'waiting' as kind,
        coalesce(w.responsible_at_open, '') as manager,
        coalesce(d.channel, '') as channel,
        {{ hour_block('w.opened_at', 'n.timezone') }} as hours,
        {{ client_kind('c.first_message_at') }} as clients,
        null as stage,
        false as is_answered, w.is_past_deadline_now as is_late, false as is_timed, false as is_first_response, null as amount
    from windows as n
    join waits as w using ({{ key }})
    left join channels as d on d.tenant_id = w.tenant_id and d.dialog_id = w.dialog_id
    left join clients as c on c.tenant_id = w.tenant_id and c.client_id = w.client_id
    where w.is_open_now

    union all

    select
        {{ n_key }}, 'dialog' as kind,
        coalesce(p.manager_id, '') as manager,
        coalesce(d.channel, '') as channel,
        {{ hour_block('p.first_message_at', 'n.timezone') }} as hours,
        {{ client_kind('c.first_message_at') }} as clients,
        null as stage,
        false as is_answered, false as is_late, false as is_timed, false as is_first_response, null as amount
    from windows as n
    join dialogs as p using ({{ key }})
    left join channels as d on d.tenant_id = p.tenant_id and d.dialog_id = p.dialog_id
    left join clients as c on c.tenant_id = p.tenant_id and c.client_id = p.client_id

    union all

    select
        {{ n_key }}, 'new_client' as kind,
        coalesce(p.manager_id, '') as manager,
        coalesce(f.channel, '') as channel,
        {{ hour_block('c.first_message_at', 'n.timezone') }} as hours,
        null as clients, null as stage,
        false as is_answered, false as is_late, false as is_timed, false as is_first_response, null as amount
    from windows as n
    join (select {{ key }}, client_id, max(manager_id) as manager_id from dialogs group by {{ key }}, client_id) as p using ({{ key }})
    join clients as c on c.tenant_id = p.tenant_id and c.client_id = p.client_id
    left join first_channels as f on f.tenant_id = p.tenant_id and f.client_id = p.client_id
    where c.first_message_at >= n.window_start and c.first_message_at < n.window_end

    union all

    select
        {{ n_key }}, d.kind,
        coalesce(d.responsible_id, '') as manager,
        coalesce(f.channel, '') as channel,
        null as hours,
        {{ client_kind('c.first_message_at') }} as clients,
        d.stage,
        false as is_answered, false as is_late, false as is_timed, false as is_first_response, d.amount
    from windows as n
    join deals as d using ({{ key }})
    left join first_channels as f on f.tenant_id = d.tenant_id and f.client_id = d.client_id
    left join clients as c on c.tenant_id = d.tenant_id and c.client_id = d.client_id

)

select
    n.tenant_id,
    n.window_start,
    n.window_end,
    p.dimension,
    p.part,
    count(*) filter (where n.kind = 'asked') as waits,
    count(*) filter (where n.kind = 'asked' and n.is_late) as breached,
    count(*) filter (where n.kind = 'asked' and n.is_answered and not n.is_late) as in_time,
    count(*) filter (where n.kind = 'asked' and n.is_answered and n.amount <= 5) as in_5,
    count(*) filter (where n.kind = 'asked' and (n.is_answered or n.is_late)) as judged,
    array_agg(n.amount order by n.amount) filter (where n.kind = 'asked' and n.is_timed) as response_minutes,
    array_agg(n.amount order by n.amount) filter (where n.kind = 'asked' and n.is_timed and n.is_first_response) as first_response_minutes,
    count(*) filter (where n.kind = 'waiting') as unanswered,
    count(*) filter (where n.kind = 'waiting' and n.is_late) as overdue,
    count(*) filter (where n.kind = 'dialog') as dialogs,
    count(*) filter (where n.kind = 'new_client') as new_clients,
    count(*) filter (where n.kind = 'at_risk') as deals_at_risk,
    coalesce(sum(n.amount) filter (where n.kind = 'at_risk'), 0) as risk_amount,
    count(*) filter (where n.kind = 'created') as deals_new,
    count(*) filter (where n.kind = 'won') as deals_won,
    coalesce(sum(n.amount) filter (where n.kind = 'won'), 0) as deals_won_amount,
    count(*) filter (where n.kind = 'lost') as deals_lost,
    coalesce(sum(n.amount) filter (where n.kind = 'lost'), 0) as deals_lost_amount
from counted as n
cross join lateral (
    values
    ('manager', n.manager), ('channel', n.channel), ('hours', n.hours), ('clients', n.clients), ('stage', n.stage),
    ('manager_hours', case when n.kind = 'asked' then n.manager || '/' || n.hours end)
) as p (dimension, part)
where p.part is not null
group by n.tenant_id, n.window_start, n.window_end, p.dimension, p.part
