{{ config(indexes=[{'columns': ['tenant_id', 'chat_id'], 'unique': true}, {'columns': ['tenant_id', 'client_id']}]) }}
-- Every dialog with its client. Groups and internal numbers stay here with the reason, and nowhere further down.

with excluded as (

    select s.tenant_id, p.phone
    from {{ ref('stg_synkro__settings') }} as s
    cross join lateral jsonb_array_elements_text(s.excluded_phones) as p (phone)
    where s.is_current and {{ tenant_filter('s.tenant_id') }}

)

select
    c.tenant_id,
    c.chat_id,
    c.dialog_id,
    coalesce(i.client_id, c.channel || ':' || coalesce(c.source_chat_id, c.dialog_id)) as client_id,
    c.channel,
    c.source_type,
    c.connection_id,
    c.phone,
    c.username,
    c.contact_name,
    case
        when c.is_group then 'group'
        when e.phone is not null then 'internal'
    end as excluded_reason
from {{ ref('stg_chats') }} as c
left join (
    select * from {{ ref('int_client_phones') }}
    where {{ tenant_filter() }}
      {{- scope_filter('phone', 'select phone from ' ~ ref('stg_chats') ~ ' where ' ~ tenant_filter() ~ ' and ' ~ affected_keys('chat', 'chat_id')) }}
) as i on i.tenant_id = c.tenant_id and i.phone = c.phone
left join excluded as e on e.tenant_id = c.tenant_id and e.phone = c.phone
where {{ tenant_filter('c.tenant_id') }} and {{ affected_keys('chat', 'c.chat_id') }}
