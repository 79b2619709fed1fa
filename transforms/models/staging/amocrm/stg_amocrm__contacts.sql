select
    tenant_id,
    id as raw_id,
    id::text as contact_id,
    nullif(btrim(payload ->> 'name'), '') as name,
    nullif(payload ->> 'responsible_user_id', '0') as responsible_id,
    updated_at,
    {{ as_flag("payload ->> 'is_deleted'", 'false') }} as is_deleted
from {{ source('raw_amocrm', 'contacts') }}
