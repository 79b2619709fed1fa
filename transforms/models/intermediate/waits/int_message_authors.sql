{{ config(indexes=[
    {'columns': ['tenant_id', 'dialog_id', 'message_id'], 'unique': true},
    {'columns': ['tenant_id', 'client_id']},
    {'columns': ['tenant_id', 'author_id']},
]) }}
-- Which amoCRM event an outgoing message belongs to. Radist names no author; the event does, but carries no text and
-- no id of ours: they meet by client and time, within 10 s, one to one. Each round takes the pairs that are each
-- other's nearest; what is left over tries again. That settles which messages and which events have a partner; they are
-- then paired in order of time, so a burst keeps its order (in one dimension the sorted pairing has the smallest
-- largest distance: nobody is moved beyond the 10 s).
{% set rounds = 6 %}

with dialogs as (

    select tenant_id, chat_id, client_id from {{ ref('int_dialogs') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }} and excluded_reason is null

),

messages as (

    select m.tenant_id, m.dialog_id, m.message_id, m.sent_at, d.client_id
    from {{ ref('stg_messages') }} as m
    join dialogs as d on d.tenant_id = m.tenant_id and d.chat_id = m.chat_id
    where {{ tenant_filter('m.tenant_id') }}{{ scope_filter('m.chat_id', 'select chat_id from dialogs') }}
        and m.direction = 'outbound' and not m.is_system

),

sent as (

    select * from {{ ref('stg_amocrm__chat_events') }}
    where {{ tenant_filter() }}
        {%- if is_partial() %} and (
            contact_id = any(array(
                select k.contact_id from {{ ref('int_contacts') }} as k
                where {{ tenant_filter('k.tenant_id') }} and {{ affected_keys('client', 'k.client_id') }}
            ))
            or deal_id = any(array(
                select d.deal_id from {{ ref('fct_deals') }} as d
                where {{ tenant_filter('d.tenant_id') }} and {{ affected_keys('client', 'd.client_id') }}
            ))
        )
    {%- endif %}

),

events as (

    select e.tenant_id, e.event_id, e.created_at, e.created_by, coalesce(c.client_id, f.client_id) as client_id
    from sent as e
    left join (
        select * from {{ ref('int_contacts') }}
        where {{ tenant_filter() }}{{ scope_filter('contact_id', 'select contact_id from sent') }}
    ) as c on c.tenant_id = e.tenant_id and c.contact_id = e.contact_id
    left join (
        select * from {{ ref('fct_deals') }}
        where {{ tenant_filter() }}{{ scope_filter('deal_id', 'select deal_id from sent') }}
    ) as f on f.tenant_id = e.tenant_id and f.deal_id = e.deal_id

),

pairs as materialized (

    select
        m.tenant_id, m.client_id, m.dialog_id, m.message_id, m.sent_at, e.event_id, e.created_at, e.created_by,
        abs(extract(epoch from e.created_at - m.sent_at)) as seconds_apart
    from messages as m
    join events as e
        on e.tenant_id = m.tenant_id and e.client_id = m.client_id
        and e.created_at between m.sent_at - interval '10 seconds' and m.sent_at + interval '10 seconds'

)

{%- for round in range(1, rounds + 1) %},

{#- window functions all the way: anti-joins of unmeasured sets become nested loops over hundreds of thousands of rows #}

ranked_{{ round }} as (

    select
        tenant_id, client_id, dialog_id, message_id, sent_at, event_id, created_at, created_by, seconds_apart,
        row_number() over (
            partition by tenant_id, dialog_id, message_id order by seconds_apart, event_id collate "C"
        ) = 1
        and row_number() over (
            partition by tenant_id, event_id order by seconds_apart, sent_at, message_id collate "C", dialog_id
        ) = 1 as is_match
    from {% if round == 1 %}pairs{% else %}left_{{ round - 1 }} where not is_gone{% endif %}

),

left_{{ round }} as (

    select
        *,
        bool_or(is_match) over (partition by tenant_id, dialog_id, message_id)
        or bool_or(is_match) over (partition by tenant_id, event_id) as is_gone
    from ranked_{{ round }}

)
{%- endfor %},

matched as (
    {% for round in range(1, rounds + 1) %}
    select tenant_id, client_id, dialog_id, message_id, sent_at, event_id, created_at, created_by
    from ranked_{{ round }}
    where is_match
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

message_order as (

    select
        tenant_id, client_id, dialog_id, message_id, sent_at,
        row_number() over (
            partition by tenant_id, client_id order by sent_at, message_id collate "C", dialog_id collate "C"
        ) as place
    from matched

),

event_order as (

    select
        tenant_id, client_id, event_id, created_at, created_by,
        row_number() over (partition by tenant_id, client_id order by created_at, event_id collate "C") as place
    from matched

)

select
    m.tenant_id,
    m.dialog_id,
    m.message_id,
    m.client_id,
    e.event_id,
    -- 0 mixes robots, broadcasts and answers typed in the phone app: it names nobody, and says nothing of a robot
    nullif(e.created_by, '0') as author_id,
    abs(round(extract(epoch from e.created_at - m.sent_at), 3)) as seconds_apart
from message_order as m
join event_order as e on e.tenant_id = m.tenant_id and e.client_id = m.client_id and e.place = m.place
