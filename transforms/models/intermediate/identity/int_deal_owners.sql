{{ config(indexes=[{'columns': ['tenant_id', 'client_id']}, {'columns': ['tenant_id', 'deal_id']}, {'columns': ['tenant_id', 'manager_id']}]) }}
-- Who was responsible for a deal, and when: the events give the past, the deal itself the present.
-- owned_from null: since ever; owned_until null: still.

with changes as (

    select
        *,
        lag(changed_at) over (partition by tenant_id, deal_id order by changed_at, event_id collate "C") as previous_at
    from {{ ref('stg_amocrm__responsible_changes') }}
    where {{ tenant_filter() }} and {{ affected_keys('deal', 'deal_id') }}

),

periods as (

    select tenant_id, deal_id, from_manager_id as manager_id, previous_at as owned_from, changed_at as owned_until
    from changes

    union all

    select d.tenant_id, d.deal_id, d.responsible_id, c.last_at as owned_from, null as owned_until
    from {{ ref('fct_deals') }} as d
    left join (
        select tenant_id, deal_id, max(changed_at) as last_at from changes group by tenant_id, deal_id
    ) as c on c.tenant_id = d.tenant_id and c.deal_id = d.deal_id
    where {{ tenant_filter('d.tenant_id') }} and {{ affected_keys('deal', 'd.deal_id') }}

)

select
    p.tenant_id,
    d.client_id,
    p.deal_id,
    p.manager_id,
    p.owned_from,
    p.owned_until,
    d.created_at as deal_created_at,
    d.closed_at as deal_closed_at
from periods as p
join {{ ref('fct_deals') }} as d on d.tenant_id = p.tenant_id and d.deal_id = p.deal_id
where {{ tenant_filter('d.tenant_id') }} and {{ affected_keys('deal', 'd.deal_id') }}
    and not d.is_deleted and d.client_id is not null and p.manager_id is not null
