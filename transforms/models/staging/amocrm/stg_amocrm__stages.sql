-- 142 and 143 repeat in every pipeline: the key of a stage is (pipeline_id, status_id).
select
    p.tenant_id,
    p.id as pipeline_id,
    (s.status ->> 'id')::bigint as status_id,
    p.payload ->> 'name' as pipeline,
    s.status ->> 'name' as stage,
    (p.payload ->> 'sort')::integer as pipeline_sort,
    (s.status ->> 'sort')::integer as stage_sort
from {{ source('raw_amocrm', 'pipelines') }} as p
cross join lateral jsonb_array_elements(p.payload -> '_embedded' -> 'statuses') as s (status)
