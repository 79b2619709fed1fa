{{ config(indexes=[{'columns': ['tenant_id', 'manager_id'], 'unique': true}]) }}
-- Users of amoCRM, and those who are only mentioned: a user removed before the first reading still owns deals.

with users as (

    select * from {{ ref('stg_amocrm__users') }}
    where {{ tenant_filter() }}

),

mentioned as (

    select tenant_id, responsible_id as manager_id from {{ ref('fct_deals') }}
    where responsible_id is not null and {{ tenant_filter() }}
    union
    select tenant_id, author_id from {{ ref('int_message_authors') }}
    where author_id is not null and {{ tenant_filter() }}
    union
    select tenant_id, author_id from {{ ref('int_calls') }}
    where author_id is not null and {{ tenant_filter() }}
    union
    select tenant_id, manager_id from {{ ref('int_deal_owners') }}
    where {{ tenant_filter() }}
    union
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
