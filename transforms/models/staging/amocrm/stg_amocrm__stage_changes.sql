select
    tenant_id,
    id as event_id,
    coalesce(entity_id::text, payload ->> 'entity_id') as deal_id,
    {{ as_integer("payload #>> '{value_before,0,lead_status,pipeline_id}'") }} as from_pipeline_id,
    {{ as_integer("payload #>> '{value_before,0,lead_status,id}'") }} as from_status_id,
    {{ as_integer("payload #>> '{value_after,0,lead_status,pipeline_id}'") }} as to_pipeline_id,
    {{ as_integer("payload #>> '{value_after,0,lead_status,id}'") }} as to_status_id,
    nullif(payload ->> 'created_by', '0') as changed_by,
    created_at as changed_at
from {{ source('raw_amocrm', 'events') }}
where type = 'lead_status_changed'
