{{ config(indexes=[{'columns': ['tenant_id', 'window_start', 'window_end', 'weekday', 'hour'], 'unique': true}]) }}
-- When clients write, by the company's clock. Plain counts: those of several windows that do not overlap may be added.

with windows as (

    select n.*, s.timezone
    from {{ ref('int_windows') }} as n
    join {{ ref('stg_synkro__settings') }} as s on s.tenant_id = n.tenant_id and s.is_current
    where {{ window_filter('n') }} and n.has_dialogs is not false

),

moments as (

    select n.tenant_id, n.window_start, n.window_end, m.sent_at at time zone n.timezone as local_time, 1 as message, 0 as wait
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_messages'), 'sent_at') }} as m
    where m.kind = 'client'

    union all

    select n.tenant_id, n.window_start, n.window_end, w.opened_at at time zone n.timezone as local_time, 0 as message, 1 as wait
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_waits'), 'opened_at') }} as w

)

select
    tenant_id,
    window_start,
    window_end,
    extract(isodow from local_time)::integer as weekday,
    extract(hour from local_time)::integer as hour,
    sum(message)::integer as client_messages,
    sum(wait)::integer as waits
from moments
group by tenant_id, window_start, window_end, extract(isodow from local_time), extract(hour from local_time)
