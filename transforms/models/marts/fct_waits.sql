{{ config(indexes=[
    {'columns': ['tenant_id', 'wait_id'], 'unique': true},
    {'columns': ['tenant_id', 'opened_at']},
    {'columns': ['tenant_id', 'client_id']},
    {'columns': ['tenant_id', 'dialog_id']},
]) }}

with messages as (

    select tenant_id, dialog_id, message_id, session_id, kind, author_id, author_source, sent_at
    from {{ ref('fct_messages') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}

),

-- the owners are looked up once, and used twice
credited as materialized (

    select
        w.*,
        m.session_id,
        -- the answer belongs to its author; a call to the one who spoke
        case when w.closed_by = 'call' then w.answer_author_id else a.author_id end as author_id,
        case when w.is_answered and w.closed_by <> 'call' then a.author_source
             when w.closed_by = 'call' and w.answer_author_id is not null then 'event'
             else 'none'
        end as author_source,
        -- telephony that names nobody: as with a message, the deal's responsible
        case when w.closed_by = 'call' and w.answer_author_id is null
            then {{ responsible_at('w.tenant_id', 'w.client_id', 'w.closed_at') }}
        end as call_owner_id,
        {{ responsible_at('w.tenant_id', 'w.client_id', 'w.opened_at') }} as responsible_at_open
    from {{ ref('int_waits') }} as w
    join messages as m
        on m.tenant_id = w.tenant_id and m.dialog_id = w.dialog_id and m.message_id = w.opened_by_message_id
    left join messages as a
        on a.tenant_id = w.tenant_id and a.dialog_id = w.answered_in_dialog_id and a.message_id = w.answered_by_ref
    where {{ tenant_filter('w.tenant_id') }} and {{ affected_keys('client', 'w.client_id') }}

),

-- kind of the session's first message that is not the system's
initiators as (

    select distinct on (tenant_id, session_id) tenant_id, session_id, kind
    from messages
    where kind <> 'system'
    order by tenant_id, session_id, sent_at, message_id collate "C", dialog_id collate "C"

)

select
    c.tenant_id,
    c.wait_id,
    c.client_id,
    c.dialog_id,
    c.session_id,
    c.opened_by_message_id,
    c.opened_at,
    c.last_client_at,
    c.closed_at,
    c.closed_by,
    coalesce(c.author_id, c.call_owner_id) as replied_by,
    case when c.call_owner_id is not null then 'deal' else c.author_source end as replied_by_source,
    c.responsible_at_open,
    c.response_minutes,
    c.response_minutes_calendar,
    c.response_minutes_from_last,
    i.kind = 'client' and row_number() over (
        partition by c.tenant_id, c.session_id order by c.opened_at, c.wait_id collate "C"
    ) = 1 as is_first_response,
    c.is_off_hours,
    c.sla_target_minutes,
    c.sla_deadline_at,
    c.is_breached,
    c.is_answered,
    c.is_open,
    c.business_date,
    c.dismissed_by,
    c.dismissed_at
from credited as c
join initiators as i on i.tenant_id = c.tenant_id and i.session_id = c.session_id
