{{ config(indexes=[{'columns': ['tenant_id', 'window_start', 'window_end', 'pipeline_id', 'status_id'], 'unique': true}]) }}
-- How deals of sales moved through the stages of a window. A created deal enters the stage its first move begins in, else the one
-- it stands in: amoCRM logs no event for that. A move that ends where it began is none.

with windows as (

    select * from {{ ref('int_windows') }}
    where {{ window_filter() }}

),

moved as (

    select n.tenant_id, n.window_start, n.window_end, n.as_of, c.deal_id, c.from_pipeline_id, c.from_status_id, c.to_pipeline_id, c.to_status_id
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_deal_stage_changes'), 'changed_at') }} as c
    where (c.from_pipeline_id, c.from_status_id) is distinct from (c.to_pipeline_id, c.to_status_id)

),

created as (

    select
        n.tenant_id, n.window_start, n.window_end, n.as_of, d.deal_id,
        case when f.deal_id is null then d.pipeline_id else f.from_pipeline_id end as pipeline_id,
        case when f.deal_id is null then d.status_id else f.from_status_id end as status_id
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_deals'), 'created_at') }} as d
    left join lateral (
        select c.deal_id, c.from_pipeline_id, c.from_status_id from {{ ref('fct_deal_stage_changes') }} as c
        where c.tenant_id = d.tenant_id and c.deal_id = d.deal_id
            and (c.from_pipeline_id, c.from_status_id) is distinct from (c.to_pipeline_id, c.to_status_id)
        order by c.changed_at, c.event_id
        limit 1
    ) as f on true

),

steps as (

    select tenant_id, window_start, window_end, as_of, deal_id, to_pipeline_id as pipeline_id, to_status_id as status_id, 1 as came, 0 as went
    from moved
    union all
    select tenant_id, window_start, window_end, as_of, deal_id, from_pipeline_id as pipeline_id, from_status_id as status_id, 0 as came, 1 as went
    from moved
    union all
    select tenant_id, window_start, window_end, as_of, deal_id, pipeline_id, status_id, 1 as came, 0 as went
    from created

),

-- one row a deal and stage: a deal that came twice is one deal of the cohort
counted as (

    select tenant_id, window_start, window_end, as_of, deal_id, pipeline_id, status_id, sum(came) as came, sum(went) as went
    from steps
    where pipeline_id is not null and status_id is not null
    group by tenant_id, window_start, window_end, as_of, deal_id, pipeline_id, status_id

)

select
    n.tenant_id,
    n.window_start,
    n.window_end,
    n.pipeline_id,
    n.status_id,
    max(s.pipeline) as pipeline,
    coalesce(max(s.stage), '№ ' || n.status_id) as stage,
    max(s.pipeline_sort) as pipeline_sort,
    max(s.stage_sort) as stage_sort,
    sum(n.came)::integer as entered,
    sum(n.went)::integer as left_stage,
    count(*) filter (where n.came > 0)::integer as cohort,
    count(*) filter (where n.came > 0 and d.stage_kind = 'won' and d.closed_at <= n.as_of)::integer as cohort_won,
    count(*) filter (where n.came > 0 and d.stage_kind = 'lost' and d.closed_at <= n.as_of)::integer as cohort_lost
from counted as n
join {{ ref('fct_deals') }} as d on d.tenant_id = n.tenant_id and d.deal_id = n.deal_id
left join {{ ref('stg_amocrm__stages') }} as s
    on s.tenant_id = n.tenant_id and s.pipeline_id = n.pipeline_id and s.status_id = n.status_id
where not d.is_deleted and d.is_sales and {{ tenant_filter('d.tenant_id') }}
    and d.deal_id = any(array(select c.deal_id from counted as c))
group by n.tenant_id, n.window_start, n.window_end, n.pipeline_id, n.status_id
