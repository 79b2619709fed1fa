{{ config(indexes=[
    {'columns': ['tenant_id', 'dialog_id', 'message_id'], 'unique': true},
    {'columns': ['tenant_id', 'sent_at']},
    {'columns': ['tenant_id', 'client_id', 'sent_at']},
]) }}

with starts as (

    select * from {{ ref('int_sessions') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}

),

numbered as (

    select
        m.*,
        count(s.session_id) over (
            partition by m.tenant_id, m.client_id order by m.sent_at, m.message_id collate "C", m.dialog_id collate "C"
        ) as session_no
    from {{ ref('int_messages') }} as m
    left join starts as s
        on s.tenant_id = m.tenant_id and s.dialog_id = m.dialog_id and s.message_id = m.message_id
    where {{ tenant_filter('m.tenant_id') }} and {{ affected_keys('client', 'm.client_id') }}

),

-- the owner is looked up once, and used twice
credited as materialized (

    select
        n.*,
        case when n.kind = 'manager' and n.event_author_id is null
            then {{ responsible_at('n.tenant_id', 'n.client_id', 'n.sent_at') }}
        end as deal_author_id
    from numbered as n

)

select
    c.tenant_id,
    c.message_id,
    c.dialog_id,
    c.client_id,
    s.session_id,
    c.channel,
    c.direction,
    c.kind,
    c.bot_sign,
    coalesce(c.event_author_id, c.deal_author_id) as author_id,
    case
        when c.event_author_id is not null then 'event'
        when c.deal_author_id is not null then 'deal'
        else 'none'
    end as author_source,
    c.sent_at,
    c.business_date,
    c.message_type,
    c.body,
    c.has_media,
    c.needs_reply,
    c.needs_reply_reason,
    c.needs_reply_confidence
from credited as c
join starts as s
    on s.tenant_id = c.tenant_id and s.client_id = c.client_id and s.session_no = c.session_no
