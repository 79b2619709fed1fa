-- The export names who wrote: the author of a line of ours is the sender.
select
    tenant_id,
    chat_id,
    chat_id::text as dialog_id,
    id as message_id,
    sent_at,
    lower(direction) as direction,
    lower(message_type) as message_type,
    nullif(btrim(payload ->> 'text'), '') as body,
    coalesce(payload ->> 'has_media', '') = 'true' as has_media,
    -- an export with files and one without them are the same rows: the name is not kept
    null::text as file_name,
    false as is_flagged_bot,
    lower(payload ->> 'author') as sender,
    {{ is_system_type('message_type') }} as is_system,
    seen_at
from {{ source('raw_whatsapp', 'messages') }}
