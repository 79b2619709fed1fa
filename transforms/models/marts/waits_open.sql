{{ config(materialized='view') }}
-- Who waits for an answer in the data as it was read last: a view, for «now» is not a window. Its reader's policies hold.
-- A client waits once, a deal belongs to one client: the sum of money is the money at risk.

select
    w.tenant_id,
    w.wait_id,
    w.client_id,
    w.dialog_id,
    d.deal_id,
    w.opened_at,
    r.as_of,
    -- what came after the watermark is younger than it
    greatest({{ minutes_between('w.opened_at', 'r.as_of') }}, 0)::numeric(14, 4) as age_minutes,
    coalesce(r.as_of > w.sla_deadline_at, false) as is_overdue,
    case when r.as_of > w.sla_deadline_at then d.money end::numeric(18, 2) as money,
    w.responsible_at_open as responsible_id
from {{ source('synkro', 'mart_watermarks') }} as r
join {{ ref('fct_waits') }} as w
    on
        w.tenant_id = r.tenant_id and w.is_open
        -- after seven days a wait is abandoned; said for the index
        and w.opened_at >= r.as_of - interval '7 days'
left join lateral (
    select
        (array_agg(f.deal_id order by f.price desc nulls last, f.deal_id collate "C"))[1] as deal_id,
        coalesce(sum(f.price) filter (where f.price > 0), 0) as money
    from {{ ref('fct_deals') }} as f
    where f.tenant_id = w.tenant_id and f.client_id = w.client_id and f.stage_kind = 'open' and not f.is_deleted and f.is_sales
    having count(*) > 0
) as d on true
