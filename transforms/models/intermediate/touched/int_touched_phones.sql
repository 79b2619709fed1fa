{{ config(indexes=[{'columns': ['tenant_id', 'phone']}]) }}
-- Phones whose client may have changed, and whose they were (null: nobody's): the phones that came or went in a contact or a chat, those
-- of the contacts that have them (a phone may begin or cease to connect people), and the people both stood in.
-- depends_on: {{ ref('int_contact_phones') }} {{ source('private', 'raw_changes') }}
{% if not is_partial() %}
select null::uuid as tenant_id, null::text as phone, null::text as client_id, null::boolean as is_shared
where false
{% else %}
with changed as (

    select distinct id as phone
    from {{ source('private', 'raw_changes') }}
    where {{ tenant_filter() }} and is_claimed and kind = 'phone'

),

-- A switchboard connects nobody before and after, unless the contacts that changed make the difference.
connecting as (

    select phone
    from {{ ref('int_contact_phones') }}
    where {{ tenant_filter() }} and phone = any(array(select phone from changed))
    group by phone
    having count(*) <= {{ bridge_limit() }} + (
            select count(distinct id) from {{ source('private', 'raw_changes') }}
            where {{ tenant_filter() }} and is_claimed and kind = 'contact'
        )

),

neighbours as (

    select phone from changed
    union
    select phone
    from {{ ref('int_contact_phones') }}
    where {{ tenant_filter() }} and contact_id = any(array(
            select contact_id from {{ ref('int_contact_phones') }}
            where {{ tenant_filter() }} and phone = any(array(select phone from connecting))
        ))

),

people as (

    select phone, client_id, is_shared
    from {{ prior_state('int_client_phones') }}
    where {{ tenant_filter() }} and client_id = any(array(
            select client_id from {{ prior_state('int_client_phones') }}
            where {{ tenant_filter() }} and phone = any(array(select phone from neighbours))
        ))

)

select '{{ var("tenant_id") }}'::uuid as tenant_id, coalesce(p.phone, n.phone) as phone, p.client_id, p.is_shared
from neighbours as n
full join people as p on p.phone = n.phone
{% endif %}
