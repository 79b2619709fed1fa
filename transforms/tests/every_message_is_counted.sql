-- Raw messages = messages of the mart + messages of dialogs left out by rule.
with raw as (
    select tenant_id, count(*) as messages
    from {{ ref('stg_radist__messages') }}
    where {{ tenant_filter() }}
    group by tenant_id
),
left_out as (
    select m.tenant_id, count(*) as messages
    from {{ ref('stg_radist__messages') }} as m
    join {{ ref('int_dialogs') }} as d on d.tenant_id = m.tenant_id and d.chat_id = m.chat_id
    where d.excluded_reason is not null and {{ tenant_filter('m.tenant_id') }}
    group by m.tenant_id
),
mart as (
    select tenant_id, count(*) as messages
    from {{ ref('fct_messages') }}
    where {{ tenant_filter() }}
    group by tenant_id
)
select r.tenant_id, r.messages, coalesce(m.messages, 0) as in_mart, coalesce(l.messages, 0) as left_out
from raw as r
left join mart as m using (tenant_id)
left join left_out as l using (tenant_id)
where r.messages <> coalesce(m.messages, 0) + coalesce(l.messages, 0)
