{{ config(indexes=[
    {'columns': ['tenant_id', 'window_start', 'window_end', 'compared_with', 'base_start', 'base_end'], 'unique': true},
]) }}
-- Which built and complete windows each window is compared with, and how many of a comparison there are. What is offered the
-- control plane says; the newest four are taken. One weekday or week alone is not usual; the working days before a month are.

with offered as (

    select
        n.tenant_id, n.window_start, n.window_end,
        b.value ->> 'compared_with' as compared_with,
        (b.value ->> 'start')::timestamptz as base_start,
        (b.value ->> 'end')::timestamptz as base_end,
        b.value ->> 'unit' as unit,
        (b.value ->> 'working_days')::integer as working_days
    from {{ source('synkro', 'report_windows') }} as n
    cross join lateral jsonb_array_elements(n.baselines) as b (value)
    where {{ window_filter('n') }}

),

standing as (

    select
        o.*,
        row_number() over (partition by o.tenant_id, o.window_start, o.window_end, o.compared_with order by o.base_start desc, o.base_end desc) as place,
        count(*) over (partition by o.tenant_id, o.window_start, o.window_end, o.compared_with) as found
    from offered as o
    join (select * from {{ ref('period_summary') }} where {{ tenant_filter() }}) as s
        on s.tenant_id = o.tenant_id and s.window_start = o.base_start and s.window_end = o.base_end
    where s.is_complete

)

select
    tenant_id,
    window_start,
    window_end,
    compared_with,
    base_start,
    base_end,
    unit,
    working_days,
    least(found, 4)::integer as windows
from standing
where place <= 4 and (found > 1 or compared_with = 'previous' or unit = 'working_days')
