select
    c.tenant_id,
    c.id as chat_id,
    c.id::text as dialog_id,
    c.connection_id,
    coalesce(lower(s.type), 'unknown') as source_type,
    case
        -- the connection was removed: the messenger's own id still tells
        when s.type is null and c.payload ->> 'source_chat_id' ~ '@(c\.us|s\.whatsapp\.net)$' then 'whatsapp'
        else {{ channel_of('s.type') }}
    end as channel,
    nullif(c.payload ->> 'source_chat_id', '') as source_chat_id,
    nullif(c.payload #>> '{_synkro,phone}', '') as phone,
    nullif(btrim(c.payload ->> 'username'), '') as username,
    coalesce(nullif(btrim(c.payload ->> 'contact_name'), ''), nullif(btrim(c.payload ->> 'name'), '')) as contact_name,
    coalesce(c.payload ->> 'is_group', '') = 'true' or coalesce(c.payload ->> 'source_chat_id', '') like '%@g.us' as is_group
from {{ source('raw_radist', 'chats') }} as c
left join {{ source('raw_radist', 'sources') }} as s
    on s.tenant_id = c.tenant_id and s.id = c.connection_id
