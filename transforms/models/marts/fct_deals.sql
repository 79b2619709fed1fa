{{ config(indexes=[
    {'columns': ['tenant_id', 'deal_id'], 'unique': true},
    {'columns': ['tenant_id', 'client_id']},
    {'columns': ['tenant_id', 'closed_at']},
    {'columns': ['tenant_id', 'created_at']},
    {'columns': ['tenant_id', 'contact_id']},
    {'columns': ['tenant_id', 'responsible_id']},
]) }}

with deals as (

    select * from {{ ref('stg_amocrm__leads') }}
    where {{ tenant_filter() }} and {{ affected_keys('raw_deal', 'raw_id') }}

),

account as (

    select tenant_id, max(currency) as currency
    from {{ ref('stg_amocrm__account') }}
    where {{ tenant_filter() }}
    group by tenant_id

),

pipelines as (

    select tenant_id, pipeline_id, max(pipeline) as pipeline, bool_or(is_archived) as is_archived
    from {{ ref('stg_amocrm__stages') }}
    where {{ tenant_filter() }}
    group by tenant_id, pipeline_id

),

-- An alive row read after the tombstone was restored from the bin.
deleted as (

    select tenant_id, entity_id as deal_id, max(deleted_at) as deleted_at
    from {{ ref('stg_amocrm__deleted') }}
    where entity = 'deal' and {{ tenant_filter() }} and {{ affected_keys('raw_deal', 'raw_id') }}
    group by tenant_id, entity_id

)

select
    d.tenant_id,
    d.deal_id,
    c.client_id,
    d.main_contact_id as contact_id,
    d.name,
    d.pipeline_id,
    p.pipeline,
    d.status_id,
    -- a stage that was removed from the account keeps its number
    coalesce(s.stage, '№ ' || d.status_id) as stage,
    case d.status_id when 142 then 'won' when 143 then 'lost' else 'open' end as stage_kind,
    s.stage_sort,
    d.price,
    a.currency,
    d.responsible_id,
    case when d.status_id = 143 then coalesce(d.loss_reason, r.name) end as loss_reason,
    d.created_at,
    d.updated_at,
    case when d.status_id in (142, 143) then coalesce(d.closed_at, d.updated_at) end as closed_at,
    d.is_deleted or coalesce(x.deleted_at >= d.updated_at, false) as is_deleted,
    -- the pipelines the company chose, else all that are not in the archive
    case
        when jsonb_array_length(t.sales_pipelines) > 0 then coalesce(t.sales_pipelines @> to_jsonb(d.pipeline_id::text), false)
        else not coalesce(p.is_archived, false)
    end as is_sales
from deals as d
left join {{ ref('stg_amocrm__stages') }} as s
    on s.tenant_id = d.tenant_id and s.pipeline_id = d.pipeline_id and s.status_id = d.status_id
-- a pipeline keeps its name when the stage is gone
left join pipelines as p on p.tenant_id = d.tenant_id and p.pipeline_id = d.pipeline_id
left join {{ ref('stg_amocrm__loss_reasons') }} as r
    on r.tenant_id = d.tenant_id and r.loss_reason_id = d.loss_reason_id
left join (
    select * from {{ ref('int_contacts') }}
    where {{ tenant_filter() }}{{ scope_filter('contact_id', 'select main_contact_id from deals') }}
) as c
    on c.tenant_id = d.tenant_id and c.contact_id = d.main_contact_id
left join account as a on a.tenant_id = d.tenant_id
left join {{ ref('stg_synkro__settings') }} as t on t.tenant_id = d.tenant_id and t.is_current
left join deleted as x on x.tenant_id = d.tenant_id and x.deal_id = d.deal_id
