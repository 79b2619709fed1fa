{{ config(indexes=[{'columns': ['tenant_id', 'kind']}]) }}
-- Chats, contacts, deals and events that changed, or whose phone or contact did, with the client they belonged to; a move between
-- stages is a change of its deal too. Of the deals, the ended stays in stages as the last build left them.
-- depends_on: {{ ref('stg_amocrm__stage_changes') }}
-- depends_on: {{ ref('int_client_phones') }} {{ ref('int_touched_phones') }} {{ ref('int_contact_phones') }}
-- depends_on: {{ ref('stg_chats') }} {{ source('private', 'raw_changes') }}
{% if not is_partial() %}
select
    null::uuid as tenant_id, null::text as kind, null::text as id, null::text as client_id,
    null::boolean as was_counted, null::timestamptz as since, null::timestamptz as until
where false
{% else %}
with claimed as (

    select kind, id, min(since) as since, max(until) as until
    from {{ source('private', 'raw_changes') }}
    where {{ tenant_filter() }} and is_claimed
    group by kind, id

),

-- phones that are another client's now, or tell their contacts apart no more
moved as (

    select p.phone
    from {{ ref('int_touched_phones') }} as p
    left join (
        select phone, client_id, is_shared from {{ ref('int_client_phones') }}
        where {{ tenant_filter() }} and {{ affected_keys('phone', 'phone') }}
    ) as i on i.phone = p.phone
    where {{ tenant_filter('p.tenant_id') }} and (p.client_id, p.is_shared) is distinct from (i.client_id, i.is_shared)

),

chats as (

    select id::bigint as id from claimed where kind = 'chat'
    union
    select chat_id from {{ ref('stg_chats') }}
    where {{ tenant_filter() }} and phone = any(array(select phone from moved))
    union
    select chat_id from {{ ref('stg_chats') }}
    where {{ tenant_filter() }} and connection_id = any(array(select id::bigint from claimed where kind = 'connection'))

),

contacts as (

    select id from claimed where kind = 'contact'
    union
    select contact_id from {{ ref('int_contact_phones') }}
    where {{ tenant_filter() }} and phone = any(array(select phone from moved))

),

-- of the moves that came, changed or went
moves as (

    select deal_id from {{ ref('stg_amocrm__stage_changes') }}
    where {{ tenant_filter() }} and event_id = any(array(select id from claimed where kind = 'event'))
    union
    select deal_id from {{ prior_state('fct_deal_stage_changes') }}
    where {{ tenant_filter() }} and event_id = any(array(select id from claimed where kind = 'event'))

),

deals as (

    select id from claimed where kind = 'deal'
    union
    select deal_id from moves where deal_id is not null
    union
    select deal_id from {{ prior_state('fct_deals') }}
    where {{ tenant_filter() }} and contact_id = any(array(select id from contacts))

)

select
    '{{ var("tenant_id") }}'::uuid as tenant_id, 'chat' as kind, c.id::text as id, d.client_id,
    coalesce(d.excluded_reason is null and d.chat_id is not null, false) as was_counted, k.since, k.until
from chats as c
left join (
    select chat_id, client_id, excluded_reason from {{ prior_state('int_dialogs') }}
    where {{ tenant_filter() }} and chat_id = any(array(select id from chats))
) as d on d.chat_id = c.id
left join claimed as k on k.kind = 'chat' and k.id = c.id::text

union all

select
    '{{ var("tenant_id") }}'::uuid as tenant_id, 'contact' as kind, c.id, b.client_id,
    null as was_counted, null as since, null as until
from contacts as c
left join (
    select contact_id, client_id from {{ prior_state('int_contacts') }}
    where {{ tenant_filter() }} and contact_id = any(array(select id from contacts))
) as b on b.contact_id = c.id

union all

select
    '{{ var("tenant_id") }}'::uuid as tenant_id, 'deal' as kind, d.id, b.client_id,
    null as was_counted, null as since, null as until
from deals as d
left join (
    select deal_id, client_id from {{ prior_state('fct_deals') }}
    where {{ tenant_filter() }} and deal_id = any(array(select id from deals))
) as b on b.deal_id = d.id

union all

select
    '{{ var("tenant_id") }}'::uuid as tenant_id, 'event' as kind, id, null as client_id,
    null as was_counted, null as since, null as until
from claimed
where kind = 'event'

union all

select
    '{{ var("tenant_id") }}'::uuid as tenant_id, 'stay' as kind, s.pipeline_id || ':' || s.status_id as id, null as client_id,
    null as was_counted, s.entered_at as since, s.left_at as until
from {{ prior_state('int_stage_stays') }} as s
where {{ tenant_filter('s.tenant_id') }} and s.left_at is not null and s.deal_id = any(array(select id from deals))
{% endif %}
