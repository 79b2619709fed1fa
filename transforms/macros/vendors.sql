{# amoCRM writes moments as Unix seconds; 0 and null both mean "never". #}
{% macro unix_time(value) -%}
    case when ({{ value }}) ~ '^[0-9]{1,11}(\.[0-9]+)?$' then to_timestamp(nullif(({{ value }})::numeric, 0)::double precision) end
{%- endmacro %}

{#
  A vendor's field may come as another type tomorrow. A cast would then fail the view, and with it every tenant's run:
  what cannot be read is null here, stands in raw as it came, and ingestion notes it (`changed_type`).
#}
{% macro as_number(value) -%}
    case when ({{ value }}) ~ '^-?[0-9]{1,15}(\.[0-9]{1,9})?$' then ({{ value }})::numeric end
{%- endmacro %}

{% macro as_integer(value, digits=18) -%}
    case when ({{ value }}) ~ '^-?[0-9]{1,{{ digits }}}$' then ({{ value }})::bigint end
{%- endmacro %}

{% macro as_flag(value, otherwise) -%}
    case when lower({{ value }}) in ('true', '1') then true when lower({{ value }}) in ('false', '0') then false else {{ otherwise }} end
{%- endmacro %}

{# The connectors that bring dialogs: each has stg_<connector>__chats and stg_<connector>__messages of one shape. #}
{% macro dialog_sources() -%}
    {{ return(['radist', 'whatsapp']) }}
{%- endmacro %}

{# The connectors that bring deals, their events and the names of managers. #}
{% macro deal_sources() -%}
    {{ return(['amocrm']) }}
{%- endmacro %}

{# What a mode reads: it is named after its connectors. #}
{% macro reads_one_of(mode, sources) -%}
    string_to_array({{ mode }}, '_') && array['{{ sources | join("', '") }}']
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
