{# amoCRM writes moments as Unix seconds; 0 and null both mean "never". #}
{% macro unix_time(value) -%}
    to_timestamp(nullif(({{ value }})::numeric, 0)::double precision)
{%- endmacro %}

{# Radist's open vocabulary of sources, mapped to the channels we show. The vendor's word is kept beside it. #}
{% macro channel_of(source_type) -%}
    case
        when lower({{ source_type }}) like 'whatsapp%' or lower({{ source_type }}) in ('waba', 'wa') then 'whatsapp'
        when lower({{ source_type }}) like 'telegram%' or lower({{ source_type }}) = 'tg' then 'telegram'
        when lower({{ source_type }}) like 'instagram%' then 'instagram'
        when lower({{ source_type }}) like 'avito%' then 'avito'
        when lower({{ source_type }}) like 'vk%' then 'vk'
        when lower({{ source_type }}) like 'viber%' then 'viber'
        when lower({{ source_type }}) in ('max', 'max_bot', 'max_personal') then 'max'
        else 'other'
    end
{%- endmacro %}

{# Kinds of rows that no person wrote: they stand in the dialog, but say nothing and answer nothing. #}
{% macro is_system_type(message_type) -%}
    lower({{ message_type }}) in (
        'system', 'service', 'service_message', 'notification', 'event', 'status', 'call_log', 'revoked', 'protocol'
    )
{%- endmacro %}
