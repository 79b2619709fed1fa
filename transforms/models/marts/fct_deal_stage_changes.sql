{{ config(indexes=[
    {'columns': ['tenant_id', 'event_id'], 'unique': true},
    {'columns': ['tenant_id', 'changed_at']},
    {'columns': ['tenant_id', 'deal_id']},
]) }}

select
    c.tenant_id,
    c.event_id,
    c.deal_id,
    c.from_pipeline_id,
    c.from_status_id,
    c.to_pipeline_id,
    c.to_status_id,
    c.changed_by,
    c.changed_at,
    {{ business_date('c.changed_at', 's.timezone', 's.business_day_start') }} as business_date
from {{ ref('stg_amocrm__stage_changes') }} as c
join {{ ref('stg_synkro__settings') }} as s on s.tenant_id = c.tenant_id and s.is_current
where {{ tenant_filter('c.tenant_id') }} and {{ affected_keys('event', 'c.event_id') }} and c.deal_id is not null
