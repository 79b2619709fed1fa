{{ config(indexes=[{'columns': ['tenant_id', 'manager_id'], 'unique': true}]) }}
-- Users of amoCRM, and those who are only mentioned: a user removed before the first reading still owns deals.

with users as (

    select * from {{ ref('stg_amocrm__users') }}
    where {{ tenant_filter() }}

),

tenants as (

    select tenant_id from {{ ref('stg_synkro__settings') }}
    where is_current and {{ tenant_filter() }}

),

-- A few names among millions of rows: each look-up of the index gives the next one.
mentioned as (
    {% for table, column in [
        ('fct_deals', 'responsible_id'), ('int_message_authors', 'author_id'), ('int_calls', 'author_id'), ('int_deal_owners', 'manager_id')
    ] %}
    select n.tenant_id, v.manager_id
    from tenants as n
    cross join lateral (
        with recursive found (manager_id) as (
            (
                select m.{{ column }} from {{ ref(table) }} as m
                where m.tenant_id = n.tenant_id and m.{{ column }} is not null
                order by m.{{ column }}
                limit 1
            )
            union all
            select (
                select m.{{ column }} from {{ ref(table) }} as m
                where m.tenant_id = n.tenant_id and m.{{ column }} > f.manager_id
                order by m.{{ column }}
                limit 1
            )
            from found as f
            where f.manager_id is not null
        )

        select manager_id from found where manager_id is not null
    ) as v
    union
    {%- endfor %}
    select tenant_id, manager_id from users

)

select
    m.tenant_id,
    m.manager_id,
    coalesce(u.name, '№ ' || m.manager_id) as name,
    u.email,
    coalesce(u.is_active, false) as is_active
from mentioned as m
left join users as u on u.tenant_id = m.tenant_id and u.manager_id = m.manager_id
