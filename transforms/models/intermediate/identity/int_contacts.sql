{{ config(indexes=[{'columns': ['tenant_id', 'contact_id'], 'unique': true}, {'columns': ['tenant_id', 'client_id']}]) }}
-- Contacts of amoCRM that still exist, and whose client they are (null: no phone we can read). Their own phone tells
-- that; a switchboard's only where there is no other, an internal number never: their deals are not its deals.

with phones as (

    select
        c.tenant_id,
        c.contact_id,
        coalesce(
            min(i.client_id collate "C") filter (where not i.is_shared), min(i.client_id collate "C")
        ) collate "default" as client_id
    from {{ ref('stg_amocrm__contact_phones') }} as c
    join {{ ref('int_client_phones') }} as i on i.tenant_id = c.tenant_id and i.phone = c.phone
    where not i.is_excluded and {{ tenant_filter('c.tenant_id') }} and {{ affected_keys('raw_contact', 'c.raw_id') }}
    {{- scope_filter(
        'i.phone',
        'select phone from ' ~ ref('stg_amocrm__contact_phones') ~ ' where ' ~ tenant_filter() ~ ' and ' ~ affected_keys('raw_contact', 'raw_id')
    ) }}
    group by c.tenant_id, c.contact_id

)

select
    c.tenant_id,
    c.contact_id,
    p.client_id,
    c.name,
    c.responsible_id,
    c.updated_at
from {{ ref('stg_amocrm__contacts') }} as c
left join phones as p on p.tenant_id = c.tenant_id and p.contact_id = c.contact_id
left join (
    select * from {{ ref('stg_amocrm__deleted') }} where {{ tenant_filter() }} and {{ affected_keys('raw_contact', 'raw_id') }}
) as d
    on d.tenant_id = c.tenant_id and d.entity = 'contact' and d.entity_id = c.contact_id
    and (c.updated_at is null or d.deleted_at >= c.updated_at)
where {{ tenant_filter('c.tenant_id') }} and {{ affected_keys('raw_contact', 'c.raw_id') }} and not c.is_deleted and d.entity_id is null
