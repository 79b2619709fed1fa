{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_messages'}}}) }}
-- A warning: such rows are counted by the reconciliation, and the report says that it is incomplete.
-- Raw messages = messages of the mart + messages of dialogs left out by rule, in every dialog this run rebuilt.
with dialogs as (
    select tenant_id, chat_id, dialog_id, excluded_reason
    from {{ ref('int_dialogs') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}
),

raw as (
    select m.tenant_id, d.excluded_reason is not null as is_left_out, count(*) as messages
    from {{ ref('stg_messages') }} as m
    join dialogs as d on d.tenant_id = m.tenant_id and d.chat_id = m.chat_id
    where {{ tenant_filter('m.tenant_id') }}{{ scope_filter('m.chat_id', 'select chat_id from dialogs') }}
    group by m.tenant_id, d.excluded_reason is not null
),

mart as (
    select tenant_id, count(*) as messages
    from {{ ref('fct_messages') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}
    group by tenant_id
)

select r.tenant_id, r.messages, coalesce(m.messages, 0) as in_mart
from raw as r
left join mart as m using (tenant_id)
where not r.is_left_out and r.messages <> coalesce(m.messages, 0)
union all
select m.tenant_id, 0 as messages, m.messages as in_mart
from mart as m
where not exists (select from raw as r where r.tenant_id = m.tenant_id and not r.is_left_out)
