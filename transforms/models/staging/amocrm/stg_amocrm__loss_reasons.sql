select
    tenant_id,
    id as loss_reason_id,
    payload ->> 'name' as name
from {{ source('raw_amocrm', 'loss_reasons') }}
