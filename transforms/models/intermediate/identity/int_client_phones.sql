{{ config(indexes=[{'columns': ['tenant_id', 'phone'], 'unique': true}, {'columns': ['tenant_id', 'client_id']}]) }}
-- phone → client. One phone is one client; the phones of one amoCRM contact are one client too, through any chain of
-- contacts. The client's id is the smallest of its phones, so it does not depend on the order of loading.
-- A phone of many contacts is a shop's or a switchboard's, a contact of many phones a list: neither connects people.

with recursive excluded as (

    select s.tenant_id, p.phone
    from {{ ref('stg_synkro__settings') }} as s
    cross join lateral jsonb_array_elements_text(s.excluded_phones) as p (phone)
    where s.is_current and {{ tenant_filter('s.tenant_id') }}

),

contact_phones as (

    -- all phones of each contact that has one of ours
    select tenant_id, contact_id, phone
    from {{ ref('int_contact_phones') }}
    where {{ tenant_filter() }}
    {{- scope_filter(
        'contact_id', 'select contact_id from ' ~ ref('int_contact_phones') ~ ' where ' ~ tenant_filter() ~ ' and ' ~ affected_keys('phone', 'phone')
    ) }}

),

all_phones as (

    select tenant_id, phone from contact_phones where {{ affected_keys('phone', 'phone') }}
    union
    select tenant_id, phone from {{ ref('stg_chats') }}
    where phone is not null and {{ tenant_filter() }} and {{ affected_keys('phone', 'phone') }}

),

contacts_of_phone as (

    select tenant_id, phone, count(*) as contacts
    from {{ ref('int_contact_phones') }}
    where {{ tenant_filter() }}
    {{- scope_filter('phone', 'select phone from contact_phones') }}
    group by tenant_id, phone

),

bridges as (

    select c.tenant_id, c.contact_id, c.phone
    from (
        select *, count(*) over (partition by tenant_id, contact_id) as phones_of_contact from contact_phones
    ) as c
    join contacts_of_phone as n on n.tenant_id = c.tenant_id and n.phone = c.phone
    where c.phones_of_contact between 2 and {{ bridge_limit() }} and n.contacts <= {{ bridge_limit() }}

),

reachable as (

    select a.tenant_id, a.phone, b.phone as peer
    from bridges as a
    join bridges as b on b.tenant_id = a.tenant_id and b.contact_id = a.contact_id

    union

    select r.tenant_id, r.phone, b.phone as peer
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
    coalesce(s.client_id, p.phone) collate "default" as client_id,
    -- whose contacts it does not tell apart
    coalesce(n.contacts > {{ bridge_limit() }}, false) as is_shared,
    e.phone is not null as is_excluded
from all_phones as p
left join smallest as s on s.tenant_id = p.tenant_id and s.phone = p.phone
left join contacts_of_phone as n on n.tenant_id = p.tenant_id and n.phone = p.phone
left join excluded as e on e.tenant_id = p.tenant_id and e.phone = p.phone
