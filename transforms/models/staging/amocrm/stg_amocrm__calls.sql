-- Calls are notes, mostly on contacts. created_by 0 is the telephony itself: then the note's responsible spoke.
select
    tenant_id,
    id::text as note_id,
    note_type,
    case when entity_type in ('lead', 'leads') then 'deal' when entity_type in ('contact', 'contacts') then 'contact' else entity_type end as entity,
    coalesce(entity_id::text, payload ->> 'entity_id') as entity_id,
    coalesce(created_at, {{ unix_time("payload ->> 'created_at'") }}) as called_at,
    case when payload #>> '{params,duration}' ~ '^[0-9]+(\.[0-9]+)?$' then (payload #>> '{params,duration}')::numeric else 0 end as duration_seconds,
    coalesce(nullif(payload ->> 'created_by', '0'), nullif(payload ->> 'responsible_user_id', '0')) as author_id
from {{ source('raw_amocrm', 'notes') }}
where note_type in ('call_in', 'call_out')
