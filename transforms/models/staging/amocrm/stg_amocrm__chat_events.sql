-- Who sent a chat message: the event names the author and the contact, never the text.
-- The entity is the deal, or the contact when the chat has no deal.
select
    tenant_id,
    id as event_id,
    created_at,
    payload ->> 'created_by' as created_by,
    coalesce(
        nullif(payload #>> '{_embedded,entity,linked_talk_contact_id}', '0'),
        case when coalesce(entity_type, payload ->> 'entity_type') in ('contact', 'contacts') then coalesce(entity_id::text, payload ->> 'entity_id') end
    ) as contact_id,
    case when coalesce(entity_type, payload ->> 'entity_type') in ('lead', 'leads') then coalesce(entity_id::text, payload ->> 'entity_id') end as deal_id
from {{ source('raw_amocrm', 'events') }}
where type = 'outgoing_chat_message'
