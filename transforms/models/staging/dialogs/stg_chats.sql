-- Dialogs of every connector that brings some. Each takes the same columns; a tenant's keys lead into the tables of both.
{% for source in dialog_sources() %}
select
    tenant_id, chat_id, dialog_id, connection_id, source_type, channel, source_chat_id, phone, username, contact_name, is_group
from {{ ref('stg_' ~ source ~ '__chats') }}
{{ 'union all' if not loop.last }}
{%- endfor %}
