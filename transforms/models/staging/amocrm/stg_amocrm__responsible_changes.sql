select
    tenant_id,
    id as event_id,
    coalesce(entity_id::text, payload ->> 'entity_id') as deal_id,
    nullif(payload #>> '{value_before,0,responsible_user,id}', '0') as from_manager_id,
    nullif(payload #>> '{value_after,0,responsible_user,id}', '0') as to_manager_id,
    created_at as changed_at
from {{ source('raw_amocrm', 'events') }}
where type = 'entity_responsible_changed' and coalesce(entity_type, payload ->> 'entity_type') in ('lead', 'leads')
