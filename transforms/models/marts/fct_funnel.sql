{{ config(indexes=[{'columns': ['tenant_id', 'pipeline_id', 'status_id'], 'unique': true}]) }}
-- The funnel of sales as the last run read it. A stage is known by its pipeline: numbers of stages repeat in every one.

select
    tenant_id,
    pipeline_id,
    status_id,
    max(pipeline) as pipeline,
    max(stage) as stage,
    min(stage_sort) as stage_sort,
    count(*)::integer as deals,
    coalesce(sum(price), 0) as amount,
    count(*) filter (where coalesce(price, 0) <= 0)::integer as unpriced
from {{ ref('fct_deals') }}
where stage_kind = 'open' and not is_deleted and is_sales and {{ tenant_filter() }}
group by tenant_id, pipeline_id, status_id
