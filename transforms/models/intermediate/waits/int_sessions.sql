{{ config(indexes=[
    {'columns': ['tenant_id', 'dialog_id', 'message_id'], 'unique': true},
    {'columns': ['tenant_id', 'client_id', 'session_no'], 'unique': true},
]) }}
-- Where each session (обращение) begins: at a client's first message, or after a silence longer than the gap while no
-- wait is open. An open wait never splits: Friday's question and Monday's answer are one session.

with settings as (

    select * from {{ ref('stg_synkro__settings') }}
    where is_current and {{ tenant_filter() }}

),

ordered as (

    select
        tenant_id, client_id, dialog_id, message_id, sent_at,
        lag(sent_at) over (
            partition by tenant_id, client_id order by sent_at, message_id collate "C", dialog_id collate "C"
        ) as previous_at
    from {{ ref('int_messages') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}

),

starts as (

    select o.*
    from ordered as o
    join settings as s on s.tenant_id = o.tenant_id
    where o.previous_at is null
        -- in this order: the look-up is for the few messages after a silence, and the planner would do it for each
        or case
            when o.sent_at - o.previous_at > make_interval(hours => s.session_gap_hours) then not exists (
                select from {{ ref('int_waits') }} as w
                where w.tenant_id = o.tenant_id and w.client_id = o.client_id
                    and w.opened_at < o.sent_at
                    -- an answer at exactly 7 days is one: the wait was open until then
                    and w.opened_at + interval '7 days' >= o.sent_at
                    -- closed by this very message: open until it came
                    and (w.closed_at is null or w.closed_at >= o.sent_at)
            )
        end

)

select
    tenant_id,
    dialog_id || ':' || message_id as session_id,
    client_id,
    dialog_id,
    message_id,
    sent_at as started_at,
    row_number() over (
        partition by tenant_id, client_id order by sent_at, message_id collate "C", dialog_id collate "C"
    ) as session_no
from starts
