{{ config(indexes=[{'columns': ['tenant_id', 'window_start', 'window_end', 'channel'], 'unique': true}]) }}
-- What each channel brought. A deal belongs to the channel of its client's first dialog, so that it is counted once.

select
    tenant_id,
    window_start,
    window_end,
    channel,
    sum(deals_new)::integer as deals_new,
    sum(deals_new_amount) as deals_new_amount,
    sum(deals_won)::integer as deals_won,
    sum(deals_won_amount) as deals_won_amount,
    sum(deals_won_priced)::integer as deals_won_priced,
    round(sum(deals_won_amount) / nullif(sum(deals_won_priced), 0), 2) as deals_won_average,
    sum(deals_lost)::integer as deals_lost,
    sum(deals_lost_amount) as deals_lost_amount,
    sum(deals_open)::integer as deals_open,
    sum(deals_open_amount) as deals_open_amount
from {{ ref('int_window_sales') }}
where {{ window_filter() }}
group by tenant_id, window_start, window_end, channel
