{# The text of a line of ours, as sixteen bytes: what broadcasts are recognised by. Null for what is no line of ours. #}
{% macro text_hash(alias) -%}
    case when {{ alias }}.direction = 'outbound' and not {{ alias }}.is_system then md5({{ alias }}.body)::uuid end
{%- endmacro %}
