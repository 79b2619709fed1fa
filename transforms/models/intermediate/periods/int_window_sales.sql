{{ config(indexes=[
    {'columns': ['tenant_id', 'window_start', 'window_end', 'responsible_id', 'channel'], 'unique': true},
]) }}
-- Deals of sales that a window opened, closed or left open, by the manager responsible and by the channel their client came by.
-- Sums and counts alone: the period marts add them up.

with windows as (

    select * from {{ ref('int_windows') }}
    where {{ window_filter() }}

),

deals as (

    select
        n.tenant_id, n.window_start, n.window_end, d.deal_id, d.client_id, d.responsible_id, d.price, d.stage_kind,
        d.created_at >= n.window_start and d.created_at < n.window_end as is_new,
        coalesce(d.closed_at >= n.window_start and d.closed_at < n.window_end, false) as is_closed,
        d.created_at <= n.now_at and (d.closed_at is null or d.closed_at > n.now_at) as is_open_now
    from windows as n
    -- closed in the window or later, or not at all: one range of the index
    join {{ ref('fct_deals') }} as d
        on
            d.tenant_id = n.tenant_id and (d.closed_at >= n.window_start or d.closed_at is null)
            and d.created_at < n.window_end and not d.is_deleted and d.is_sales

)

select
    d.tenant_id,
    d.window_start,
    d.window_end,
    coalesce(d.responsible_id, '') as responsible_id,
    coalesce(c.first_channel, '') as channel,
    count(*) filter (where d.is_new)::integer as deals_new,
    coalesce(sum(d.price) filter (where d.is_new), 0) as deals_new_amount,
    count(*) filter (where d.is_closed and d.stage_kind = 'won')::integer as deals_won,
    coalesce(sum(d.price) filter (where d.is_closed and d.stage_kind = 'won'), 0) as deals_won_amount,
    count(*) filter (where d.is_closed and d.stage_kind = 'won' and d.price > 0)::integer as deals_won_priced,
    count(*) filter (where d.is_closed and d.stage_kind = 'lost')::integer as deals_lost,
    coalesce(sum(d.price) filter (where d.is_closed and d.stage_kind = 'lost'), 0) as deals_lost_amount,
    count(*) filter (where d.is_open_now)::integer as deals_open,
    coalesce(sum(d.price) filter (where d.is_open_now), 0) as deals_open_amount
from deals as d
left join {{ ref('dim_clients') }} as c on c.tenant_id = d.tenant_id and c.client_id = d.client_id
where d.is_new or d.is_closed or d.is_open_now
group by d.tenant_id, d.window_start, d.window_end, coalesce(d.responsible_id, ''), coalesce(c.first_channel, '')
