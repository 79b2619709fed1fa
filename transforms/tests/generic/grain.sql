{# The generic tests of this project look at one tenant at a time, as every other statement of a run does, and at the
   rows the run rebuilt: the others were looked at when they were. #}

{# A unique index stands beside each of these: the server refuses a second row, so a run does not ask again. #}
{% test unique_per_tenant(model, columns) %}
{{ config(tags=['index_guarded']) }}
select tenant_id, {{ columns | join(', ') }}, count(*) as copies
from {{ model }}
where {{ rows_in_scope(model) }}
group by tenant_id, {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}

{% test refers_to(model, column_name, to, field) %}
select c.tenant_id, c.{{ column_name }}
from (select distinct tenant_id, {{ column_name }} from {{ model }} where {{ column_name }} is not null and {{ rows_in_scope(model) }}) as c
where not exists (
    select from {{ to }} as p where p.tenant_id = c.tenant_id and p.{{ field }} = c.{{ column_name }}
    -- a look-up a row, not a reading of the whole table
    offset 0
)
{% endtest %}

{% test one_of(model, column_name, values) %}
select tenant_id, {{ column_name }}
from {{ model }}
where {{ rows_in_scope(model) }} and {{ column_name }} not in ('{{ values | join("', '") }}')
{% endtest %}

{% test share(model, column_name) %}
select tenant_id, {{ column_name }}
from {{ model }}
where {{ rows_in_scope(model) }} and {{ column_name }} not between 0 and 1
{% endtest %}
