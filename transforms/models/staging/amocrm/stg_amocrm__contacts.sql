select
    tenant_id,
    id::text as contact_id,
    nullif(btrim(payload ->> 'name'), '') as name,
    nullif(payload ->> 'responsible_user_id', '0') as responsible_id,
    updated_at,
    coalesce((payload ->> 'is_deleted')::boolean, false) as is_deleted
from {{ source('raw_amocrm', 'contacts') }}
