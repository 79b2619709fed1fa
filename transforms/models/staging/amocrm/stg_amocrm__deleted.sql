-- Tombstones. Events name the entity in the singular, lists in the plural.
select
    tenant_id,
    id as raw_id,
    case when entity_type in ('lead', 'leads') then 'deal' when entity_type in ('contact', 'contacts') then 'contact' else entity_type end as entity,
    id::text as entity_id,
    coalesce(deleted_at, seen_at) as deleted_at
from {{ source('raw_amocrm', 'deleted') }}
