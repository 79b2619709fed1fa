-- 142 and 143 repeat in every pipeline: the key of a stage is (pipeline_id, status_id).
select
    p.tenant_id,
    p.id as pipeline_id,
    {{ as_integer("s.status ->> 'id'") }} as status_id,
    p.payload ->> 'name' as pipeline,
    {{ as_flag("p.payload ->> 'is_archive'", 'false') }} as is_archived,
    s.status ->> 'name' as stage,
    ({{ as_integer("p.payload ->> 'sort'", 9) }})::integer as pipeline_sort,
    ({{ as_integer("s.status ->> 'sort'", 9) }})::integer as stage_sort
from {{ source('raw_amocrm', 'pipelines') }} as p
cross join lateral jsonb_array_elements(
    case jsonb_typeof(p.payload #> '{_embedded,statuses}') when 'array' then p.payload #> '{_embedded,statuses}' end
) as s (status)
where {{ as_integer("s.status ->> 'id'") }} is not null
