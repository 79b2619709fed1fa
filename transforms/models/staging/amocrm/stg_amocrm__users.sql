-- A user removed from the account leaves the vendor's list; raw keeps the row, so names stay.
select
    tenant_id,
    id::text as manager_id,
    coalesce(nullif(btrim(payload ->> 'name'), ''), payload ->> 'email', id::text) as name,
    payload ->> 'email' as email,
    {{ as_flag("payload -> 'rights' ->> 'is_active'", 'true') }} as is_active
from {{ source('raw_amocrm', 'users') }}
