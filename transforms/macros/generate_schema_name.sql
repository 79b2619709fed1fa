{# The schemas are made by the migrations and named there: staging, intermediate, marts. No prefix. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
