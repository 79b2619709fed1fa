{{ config(indexes=[{'columns': ['tenant_id', 'phone'], 'unique': true}, {'columns': ['tenant_id', 'client_id']}]) }}
-- phone → client. One phone is one client; the phones of one amoCRM contact are one client too, through any chain of
-- contacts. The client's id is the smallest of its phones, so it does not depend on the order of loading.
-- A phone of many contacts is a shop's or a switchboard's, a contact of many phones a list: neither connects people.
{% set bridge_limit = 10 %}

with recursive excluded as (

    select s.tenant_id, p.phone
    from {{ ref('stg_synkro__settings') }} as s
    cross join lateral jsonb_array_elements_text(s.excluded_phones) as p (phone)
    where s.is_current and {{ tenant_filter('s.tenant_id') }}

),

contact_phones as (

    select c.tenant_id, c.contact_id, c.phone
    from {{ ref('stg_amocrm__contact_phones') }} as c
    where {{ tenant_filter('c.tenant_id') }}
      and not exists (
          select from excluded as e where e.tenant_id = c.tenant_id and e.phone = c.phone
      )

),

all_phones as (

    select tenant_id, phone from contact_phones
    union
    select tenant_id, phone from {{ ref('stg_radist__chats') }}
    where phone is not null and {{ tenant_filter() }}

),

counted as (

    select
        *,
        count(*) over (partition by tenant_id, contact_id) as phones_of_contact,
        count(*) over (partition by tenant_id, phone) as contacts_of_phone
    from contact_phones

),

bridges as (

    select tenant_id, contact_id, phone
    from counted
    where phones_of_contact between 2 and {{ bridge_limit }} and contacts_of_phone <= {{ bridge_limit }}

),

reachable as (

    select a.tenant_id, a.phone, b.phone as peer
    from bridges as a
    join bridges as b on b.tenant_id = a.tenant_id and b.contact_id = a.contact_id

    union

    select r.tenant_id, r.phone, b.phone
    from reachable as r
    join bridges as a on a.tenant_id = r.tenant_id and a.phone = r.peer
    join bridges as b on b.tenant_id = a.tenant_id and b.contact_id = a.contact_id

),

smallest as (

    select tenant_id, phone, min(peer collate "C") as client_id
    from reachable
    group by tenant_id, phone

)

select
    p.tenant_id,
    p.phone,
    -- the order above is by code point, the column is not: an index of another collation serves no join
    coalesce(s.client_id, p.phone) collate "default" as client_id
from all_phones as p
left join smallest as s on s.tenant_id = p.tenant_id and s.phone = p.phone
