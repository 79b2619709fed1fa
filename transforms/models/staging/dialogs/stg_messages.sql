-- Messages of every connector that brings dialogs.
{% for source in dialog_sources() %}
select
    tenant_id, chat_id, dialog_id, message_id, sent_at, direction, message_type, body, has_media, file_name, is_flagged_bot, sender,
    is_system, seen_at
from {{ ref('stg_' ~ source ~ '__messages') }}
{{ 'union all' if not loop.last }}
{%- endfor %}
