{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'stg_messages'}}}) }}
-- A warning: such rows are counted by the reconciliation, and the report says that it is incomplete.
-- A message whose chat was never read would vanish from every number.
select m.tenant_id, m.chat_id, count(*) as messages
from {{ ref('stg_messages') }} as m
where {{ tenant_filter('m.tenant_id') }} and {{ affected_keys('chat', 'm.chat_id') }}
    and not exists (
        select from {{ ref('int_dialogs') }} as d where d.tenant_id = m.tenant_id and d.chat_id = m.chat_id
    )
group by m.tenant_id, m.chat_id
