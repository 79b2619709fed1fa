{{ config(indexes=[
    {'columns': ['tenant_id', 'window_start', 'window_end', 'dialog_id'], 'unique': true},
    {'columns': ['tenant_id', 'dialog_id']},
]) }}
-- Dialogs with messages in the window: what the AI is to read, and the hash that says whether it has read it already.
-- The hash covers what is read: the messages of the window and the 30 before them.
{% set context_messages = 30 %}

with windows as (

    select * from {{ ref('int_windows') }}
    where {{ window_filter() }} and has_dialogs is not false

),

spoken as (

    select
        n.tenant_id, n.window_start, n.window_end, n.now_at, n.has_deals, m.dialog_id, m.client_id,
        count(*) as messages,
        count(*) filter (where m.kind = 'client') as client_messages,
        count(*) filter (where m.kind = 'manager') as manager_messages,
        min(m.sent_at) as first_message_at,
        max(m.sent_at) as last_message_at
    from windows as n
    cross join lateral {{ rows_of_window(ref('fct_messages'), 'sent_at') }} as m
    group by n.tenant_id, n.window_start, n.window_end, n.now_at, n.has_deals, m.dialog_id, m.client_id

),

transcripts as (

    select
        s.tenant_id, s.window_start, s.window_end, s.dialog_id,
        md5(string_agg(
            t.message_id || '|' || to_char(t.sent_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '|' || t.kind || '|' || coalesce(t.body, ''),
            e'\n' order by t.sent_at, t.message_id collate "C"
        )) as transcript_hash
    from spoken as s
    cross join lateral (
        select m.message_id, m.sent_at, m.kind, m.body
        from (
            -- the dialog first: by the order alone the planner would walk the tenant's messages back in time
            select * from {{ ref('fct_messages') }} as x
            where x.tenant_id = s.tenant_id and x.dialog_id = s.dialog_id and x.sent_at < s.window_end
            offset 0  -- noqa: AM09
        ) as m
        order by m.sent_at desc, m.message_id collate "C" desc
        limit s.messages + {{ context_messages }}
    ) as t
    group by s.tenant_id, s.window_start, s.window_end, s.dialog_id

),

waited as (

    select
        tenant_id, window_start, window_end, dialog_id,
        count(*) filter (where is_of_window) as waits,
        bool_or(is_open_now) as has_open_wait,
        max(age_minutes) filter (where is_open_now) as waiting_minutes
    from {{ ref('int_window_waits') }}
    where {{ window_filter() }}
    group by tenant_id, window_start, window_end, dialog_id

),

-- One deal a client, as dim_clients.deal_id has it.
deals as (

    select distinct on (tenant_id, client_id) tenant_id, client_id, deal_id, responsible_id, price
    from {{ ref('fct_deals') }}
    where client_id is not null and not is_deleted and {{ tenant_filter() }}
        and client_id = any(array(select s.client_id from spoken as s))
    order by tenant_id asc, client_id asc, {{ shown_deal_first() }}

)

select
    s.tenant_id,
    s.window_start,
    s.window_end,
    s.dialog_id,
    s.client_id,
    d.deal_id,
    d.responsible_id as manager_id,
    s.messages::integer as messages,
    s.client_messages::integer as client_messages,
    s.manager_messages::integer as manager_messages,
    coalesce(w.waits, 0)::integer as waits,
    coalesce(w.has_open_wait, false) as has_open_wait,
    w.waiting_minutes,
    s.last_message_at,
    t.transcript_hash,
    s.first_message_at
from spoken as s
join transcripts as t
    on t.tenant_id = s.tenant_id and t.window_start = s.window_start and t.window_end = s.window_end and t.dialog_id = s.dialog_id
left join waited as w
    on w.tenant_id = s.tenant_id and w.window_start = s.window_start and w.window_end = s.window_end and w.dialog_id = s.dialog_id
left join deals as d on d.tenant_id = s.tenant_id and d.client_id = s.client_id and s.has_deals is not false
