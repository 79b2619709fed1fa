{{ config(indexes=[
    {'columns': ['tenant_id', 'client_id'], 'unique': true},
    {'columns': ['tenant_id', 'first_message_at']},
]) }}
-- Everyone who has a dialog or a deal, and how well dialogs and CRM meet in them.

with people as (

    select tenant_id, client_id from {{ ref('dim_dialogs') }} where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}
    union
    select tenant_id, client_id from {{ ref('fct_deals') }}
    where client_id is not null and not is_deleted and {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}

),

spoken as (

    select
        tenant_id,
        client_id,
        min(sent_at) filter (where kind = 'client') as first_message_at,
        max(sent_at) as last_message_at
    from {{ ref('fct_messages') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}
    group by tenant_id, client_id

),

dialogs as (

    select
        tenant_id,
        client_id,
        count(*) as dialog_count,
        (array_agg(contact_name order by last_message_at desc nulls last, dialog_id collate "C") filter (where contact_name is not null))[1] as name,
        (array_agg(channel order by first_message_at nulls last, dialog_id collate "C"))[1] as first_channel
    from {{ ref('dim_dialogs') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}
    group by tenant_id, client_id

),

contacts as (

    select
        tenant_id,
        client_id,
        (array_agg(contact_id order by updated_at desc nulls last, contact_id collate "C"))[1] as contact_id,
        (array_agg(name order by updated_at desc nulls last, contact_id collate "C") filter (where name is not null))[1] as name
    from {{ ref('int_contacts') }}
    where client_id is not null and {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}
    group by tenant_id, client_id

),

deals as (

    select tenant_id, client_id, count(*) as deal_count
    from {{ ref('fct_deals') }}
    where client_id is not null and not is_deleted and {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}
    group by tenant_id, client_id

)

select
    p.tenant_id,
    p.client_id,
    case when p.client_id like '+%' then p.client_id end as phone,
    coalesce(c.name, d.name) as name,
    c.contact_id,
    s.first_message_at,
    s.last_message_at,
    d.first_channel,
    coalesce(d.dialog_count, 0)::integer as dialog_count,
    coalesce(f.deal_count, 0)::integer as deal_count,
    case
        when f.client_id is not null then 'matched'
        when p.client_id not like '+%' then 'no_phone'
        when c.client_id is null then 'no_contact'
        else 'contact_without_deal'
    end as match_status
from people as p
left join spoken as s on s.tenant_id = p.tenant_id and s.client_id = p.client_id
left join dialogs as d on d.tenant_id = p.tenant_id and d.client_id = p.client_id
left join contacts as c on c.tenant_id = p.tenant_id and c.client_id = p.client_id
left join deals as f on f.tenant_id = p.tenant_id and f.client_id = p.client_id
