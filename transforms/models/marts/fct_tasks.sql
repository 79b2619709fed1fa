{{ config(indexes=[
    {'columns': ['tenant_id', 'task_id'], 'unique': true},
    {'columns': ['tenant_id', 'deal_id']},
    {'columns': ['tenant_id', 'client_id']},
    {'columns': ['tenant_id', 'due_at']},
]) }}

with tasks as (

    select * from {{ ref('stg_amocrm__tasks') }}
    where {{ tenant_filter() }} and {{ affected_keys('raw_deal', 'raw_deal_id') }}

),

-- A task read after its tombstone was restored.
deleted as (

    select tenant_id, entity_id as task_id, max(deleted_at) as deleted_at
    from {{ ref('stg_amocrm__deleted') }}
    where entity = 'task' and {{ tenant_filter() }}{{ scope_filter('raw_id', 'select raw_id from tasks') }}
    group by tenant_id, entity_id

)

select
    t.tenant_id,
    t.task_id,
    t.deal_id,
    d.client_id,
    t.responsible_id,
    t.task_type_id,
    t.text,
    t.due_at,
    t.created_at,
    t.updated_at,
    t.completed_at,
    t.is_completed,
    t.result
from tasks as t
left join (
    select tenant_id, deal_id, client_id from {{ ref('fct_deals') }}
    where {{ tenant_filter() }}{{ scope_filter('deal_id', 'select deal_id from tasks') }}
) as d
    on d.tenant_id = t.tenant_id and d.deal_id = t.deal_id
left join deleted as x on x.tenant_id = t.tenant_id and x.task_id = t.task_id
where x.deleted_at is null or x.deleted_at < t.updated_at
