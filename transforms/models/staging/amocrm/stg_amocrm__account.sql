select
    tenant_id,
    id::text as account_id,
    payload ->> 'name' as name,
    payload ->> 'currency' as currency
from {{ source('raw_amocrm', 'account') }}
