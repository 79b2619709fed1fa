{{ config(indexes=[
    {'columns': ['tenant_id', 'dialog_id', 'message_id'], 'unique': true},
    {'columns': ['tenant_id', 'client_id', 'sent_at']},
    {'columns': ['tenant_id', 'text_hash', 'sent_at']},
]) }}
-- Every message that counts, with its client, its kind and whether it needs an answer.
-- A bot is: a flag of the source, a known sender, a template, the same text to 5 or more dialogs within 10 minutes,
-- or an answer within 3 s of the client's message by nobody amoCRM can name.

with settings as (

    select * from {{ ref('stg_synkro__settings') }}
    where is_current and {{ tenant_filter() }}

),

dialogs as (

    select * from {{ ref('int_dialogs') }}
    where {{ tenant_filter() }} and {{ touched('client', 'client_id') }} and excluded_reason is null

),

messages as (

    select
        m.tenant_id, m.dialog_id, m.message_id, d.client_id, d.channel, m.sent_at, m.direction, m.message_type, m.body,
        m.has_media, m.is_system, m.is_flagged_bot, m.sender, {{ text_hash('m') }} as text_hash, a.author_id, a.event_id as author_event_id,
        {{ business_date('m.sent_at', 's.timezone', 's.business_day_start') }} as business_date,
        (
            m.sender is not null and s.bot_senders_lower ? m.sender
            or a.author_id is not null and s.bot_senders_lower ? a.author_id
            or u.name is not null and s.bot_senders_lower ? lower(u.name)
            or u.email is not null and s.bot_senders_lower ? lower(u.email)
        ) as is_known_bot
    from {{ ref('stg_radist__messages') }} as m
    join dialogs as d on d.tenant_id = m.tenant_id and d.chat_id = m.chat_id
    join (select *, lower(bot_senders::text)::jsonb as bot_senders_lower from settings) as s on s.tenant_id = m.tenant_id
    left join (
        select * from {{ ref('int_message_authors') }} where {{ tenant_filter() }} and {{ touched('client', 'client_id') }}
    ) as a
        on a.tenant_id = m.tenant_id and a.dialog_id = m.dialog_id and a.message_id = m.message_id
    left join {{ ref('stg_amocrm__users') }} as u on u.tenant_id = a.tenant_id and u.manager_id = a.author_id
    where {{ tenant_filter('m.tenant_id') }}{{ among('m.chat_id', 'select chat_id from dialogs') }}

),

lines as (

    select tenant_id, dialog_id, message_id, sent_at, text_hash
    from messages
    where text_hash is not null
    {%- if is_partial() %}

    union all

    -- the same text to the clients who stay as they are
    select distinct '{{ var("tenant_id") }}'::uuid, o.dialog_id, o.message_id, o.sent_at, l.text_hash
    from (select distinct text_hash, sent_at from messages where text_hash is not null) as l
    cross join lateral (
        select m.dialog_id, m.message_id, m.sent_at, m.client_id from {{ this }} as m
        where {{ tenant_filter('m.tenant_id') }} and m.text_hash = l.text_hash
          and m.sent_at between l.sent_at - interval '10 minutes' and l.sent_at + interval '10 minutes'
        offset 0  -- noqa: AM09
    ) as o
    where o.client_id not in (select client_id from {{ ref('int_touched') }} where {{ tenant_filter() }} and not is_idle)
    {%- endif %}

),

-- The same text often enough within ten minutes to be worth counting the dialogs.
suspects as (

    select *
    from (
        select
            tenant_id, dialog_id, message_id, sent_at, text_hash,
            count(*) over (
                partition by tenant_id, text_hash order by sent_at
                range between interval '10 minutes' preceding and interval '10 minutes' following
            ) as copies
        from lines
    ) as counted
    where copies >= 5

),

bursts as (

    select a.tenant_id, a.text_hash, a.sent_at as begins_at
    from suspects as a
    join suspects as b
        on b.tenant_id = a.tenant_id and b.text_hash = a.text_hash
        and b.sent_at between a.sent_at and a.sent_at + interval '10 minutes'
    group by a.tenant_id, a.text_hash, a.sent_at
    having count(distinct b.dialog_id) >= 5

),

broadcasts as (

    select distinct s.tenant_id, s.dialog_id, s.message_id
    from suspects as s
    join bursts as b
        on b.tenant_id = s.tenant_id and b.text_hash = s.text_hash
        and s.sent_at between b.begins_at and b.begins_at + interval '10 minutes'

),

signed as (

    select
        m.*,
        case
            when m.is_system or m.direction <> 'outbound' then null
            when m.is_flagged_bot then 'flag'
            when m.is_known_bot then 'sender'
            when m.message_type = 'waba_template' then 'template'
            when b.message_id is not null then 'broadcast'
            when m.author_id is null and m.sent_at - max(m.sent_at) filter (where m.direction = 'inbound' and not m.is_system) over (
                partition by m.tenant_id, m.dialog_id
                order by m.sent_at, m.message_id collate "C"
                rows between unbounded preceding and 1 preceding
            ) <= interval '3 seconds' then 'instant'
        end as bot_sign
    from messages as m
    left join broadcasts as b
        on b.tenant_id = m.tenant_id and b.dialog_id = m.dialog_id and b.message_id = m.message_id

),

kinds as (

    select
        s.*,
        case
            when s.is_system then 'system'
            when s.direction = 'inbound' then 'client'
            when s.bot_sign is not null then 'bot'
            else 'manager'
        end as kind
    from signed as s

),

heard as (

    select
        k.*,
        coalesce(bool_or(k.direction = 'outbound' and not k.is_system) over (
            partition by k.tenant_id, k.client_id
            order by k.sent_at, k.message_id collate "C", k.dialog_id collate "C"
            rows between unbounded preceding and 1 preceding
        ), false) as is_after_answer
    from kinds as k

)

select
    tenant_id,
    dialog_id,
    message_id,
    client_id,
    channel,
    direction,
    kind,
    bot_sign,
    case when kind = 'manager' then author_id end as event_author_id,
    author_event_id,
    sent_at,
    business_date,
    message_type,
    body,
    has_media,
    text_hash,
    kind = 'client' and not (
        message_type = 'reaction'
        or is_after_answer and (
            message_type = 'sticker'
            or body is not null and not has_media and position('?' in body) = 0 and (
                {{ says_nothing('body') }}
                or {{ is_closing_phrase('body') }}
            )
        )
    ) as needs_reply
from heard
