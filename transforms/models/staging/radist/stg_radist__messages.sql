-- The text is the first non-empty of the places where the vendor puts text; a file without a caption has none.
select
    tenant_id,
    chat_id,
    chat_id::text as dialog_id,
    id as message_id,
    sent_at,
    lower(direction) as direction,
    lower(message_type) as message_type,
    coalesce(
        nullif(btrim(payload #>> '{text,text}'), ''),
        nullif(btrim(payload #>> '{waba_interactive,body,text}'), ''),
        nullif(btrim(payload #>> '{waba_template,text}'), ''),
        nullif(btrim(payload #>> '{image,caption}'), ''),
        nullif(btrim(payload #>> '{video,caption}'), ''),
        nullif(btrim(payload #>> '{file,caption}'), ''),
        nullif(btrim(payload #>> '{audio,caption}'), ''),
        nullif(btrim(payload #>> '{voice,caption}'), '')
    ) as body,
    lower(message_type) in ('image', 'file', 'audio', 'video', 'voice', 'document', 'video_note', 'photo')
    or 'object' in (
        coalesce(jsonb_typeof(payload -> 'image'), ''), coalesce(jsonb_typeof(payload -> 'file'), ''),
        coalesce(jsonb_typeof(payload -> 'video'), ''), coalesce(jsonb_typeof(payload -> 'audio'), ''),
        coalesce(jsonb_typeof(payload -> 'voice'), '')
    ) as has_media,
    nullif(btrim(coalesce(payload #>> '{file,name}', payload #>> '{document,name}')), '') as file_name,
    -- a flag of the vendor's own, should it send one: nothing seen so far names a sender
    coalesce(payload ->> 'is_bot', '') = 'true'
    or coalesce(payload #>> '{author,type}', payload ->> 'author_type', payload ->> 'sender_type', '') in ('bot', 'robot', 'api') as is_flagged_bot,
    lower(coalesce(payload #>> '{author,name}', payload ->> 'author', payload ->> 'sender', payload #>> '{user,name}')) as sender,
    {{ is_system_type('message_type') }} or lower(direction) not in ('inbound', 'outbound') as is_system,
    seen_at
from {{ source('raw_radist', 'messages') }}
