{# The generic tests of this project look at one tenant at a time, as every other statement of a run does. #}

{% test unique_per_tenant(model, columns) %}
select tenant_id, {{ columns | join(', ') }}, count(*) as copies
from {{ model }}
where {{ tenant_filter() }}
group by tenant_id, {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}

{% test refers_to(model, column_name, to, field) %}
select c.tenant_id, c.{{ column_name }}
from {{ model }} as c
where c.{{ column_name }} is not null and {{ tenant_filter('c.tenant_id') }}
  and not exists (
      select from {{ to }} as p where p.tenant_id = c.tenant_id and p.{{ field }} = c.{{ column_name }}
  )
{% endtest %}

{% test one_of(model, column_name, values) %}
select tenant_id, {{ column_name }}
from {{ model }}
where {{ tenant_filter() }} and {{ column_name }} not in ('{{ values | join("', '") }}')
{% endtest %}

{% test share(model, column_name) %}
select tenant_id, {{ column_name }}
from {{ model }}
where {{ tenant_filter() }} and {{ column_name }} not between 0 and 1
{% endtest %}
