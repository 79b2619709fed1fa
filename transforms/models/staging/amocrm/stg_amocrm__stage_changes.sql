select
    tenant_id,
    id as event_id,
    coalesce(entity_id::text, payload ->> 'entity_id') as deal_id,
    (payload #>> '{value_before,0,lead_status,pipeline_id}')::bigint as from_pipeline_id,
    (payload #>> '{value_before,0,lead_status,id}')::bigint as from_status_id,
    (payload #>> '{value_after,0,lead_status,pipeline_id}')::bigint as to_pipeline_id,
    (payload #>> '{value_after,0,lead_status,id}')::bigint as to_status_id,
    nullif(payload ->> 'created_by', '0') as changed_by,
    created_at as changed_at
from {{ source('raw_amocrm', 'events') }}
where type = 'lead_status_changed'
