select
    tenant_id,
    id as chat_id,
    id::text as dialog_id,
    connection_id,
    'whatsapp_export' as source_type,
    'whatsapp' as channel,
    null::text as source_chat_id,
    nullif(payload #>> '{_synkro,phone}', '') as phone,
    null::text as username,
    nullif(btrim(payload ->> 'name'), '') as contact_name,
    false as is_group
from {{ source('raw_whatsapp', 'chats') }}
