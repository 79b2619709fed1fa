{{ config(indexes=[
    {'columns': ['tenant_id', 'contact_id', 'phone'], 'unique': true},
    {'columns': ['tenant_id', 'phone']},
]) }}
-- contact → phones, both ways by index; excluded phones belong to nobody.

with excluded as (

    select s.tenant_id, p.phone
    from {{ ref('stg_synkro__settings') }} as s
    cross join lateral jsonb_array_elements_text(s.excluded_phones) as p (phone)
    where s.is_current and {{ tenant_filter('s.tenant_id') }}

)

select c.tenant_id, c.contact_id, c.phone
from {{ ref('stg_amocrm__contact_phones') }} as c
where {{ tenant_filter('c.tenant_id') }} and {{ affected_keys('changed_raw_contact', 'c.raw_id') }}
    and not exists (
        select from excluded as e where e.tenant_id = c.tenant_id and e.phone = c.phone
    )
