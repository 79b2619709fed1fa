{{ config(indexes=[
    {'columns': ['tenant_id', 'session_id'], 'unique': true},
    {'columns': ['tenant_id', 'started_at']},
    {'columns': ['tenant_id', 'ended_at']},
    {'columns': ['tenant_id', 'client_id']},
]) }}

with settings as (

    select * from {{ ref('stg_synkro__settings') }}
    where is_current and {{ tenant_filter() }}

),

spoken as (

    select
        tenant_id,
        session_id,
        client_id,
        min(sent_at) as started_at,
        max(sent_at) as ended_at,
        (array_agg(kind order by sent_at, message_id collate "C", dialog_id collate "C") filter (where kind <> 'system'))[1] as initiated_by,
        count(*) as message_count,
        string_agg(distinct author_id, ',' order by author_id) filter (where kind = 'manager') as manager_ids
    from {{ ref('fct_messages') }}
    where {{ tenant_filter() }} and {{ affected_keys('session', 'client_id') }}
    group by tenant_id, session_id, client_id

),

waited as (

    select
        tenant_id,
        session_id,
        count(*) as wait_count,
        bool_or(is_open) as is_waiting,
        max(response_minutes) filter (where is_first_response) as first_response_minutes
    from {{ ref('fct_waits') }}
    where {{ tenant_filter() }} and {{ affected_keys('session', 'client_id') }}
    group by tenant_id, session_id

),

watermark as (

    select m.tenant_id, coalesce(max(greatest(w.as_of, w.looked_at)), m.last_at) as as_of
    from (select tenant_id, max(ended_at) as last_at from spoken group by tenant_id) as m
    left join {{ source('synkro', 'report_windows') }} as w on w.tenant_id = m.tenant_id
    group by m.tenant_id, m.last_at

)

select
    s.tenant_id,
    s.session_id,
    s.client_id,
    s.started_at,
    s.ended_at,
    s.initiated_by,
    case
        when coalesce(w.is_waiting, false) then 'waiting'
        when m.as_of - s.ended_at > make_interval(hours => c.session_gap_hours) then 'ended'
        else 'active'
    end as state,
    s.message_count::integer as message_count,
    coalesce(w.wait_count, 0)::integer as wait_count,
    w.first_response_minutes,
    s.manager_ids
from spoken as s
join settings as c on c.tenant_id = s.tenant_id
join watermark as m on m.tenant_id = s.tenant_id
left join waited as w on w.tenant_id = s.tenant_id and w.session_id = s.session_id
