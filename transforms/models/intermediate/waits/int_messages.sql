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
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }} and excluded_reason is null

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
    from {{ ref('stg_messages') }} as m
    join dialogs as d on d.tenant_id = m.tenant_id and d.chat_id = m.chat_id
    join (select *, lower(bot_senders::text)::jsonb as bot_senders_lower from settings) as s on s.tenant_id = m.tenant_id
    left join (
        select * from {{ ref('int_message_authors') }} where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}
    ) as a
        on a.tenant_id = m.tenant_id and a.dialog_id = m.dialog_id and a.message_id = m.message_id
    left join {{ ref('stg_amocrm__users') }} as u on u.tenant_id = a.tenant_id and u.manager_id = a.author_id
    where {{ tenant_filter('m.tenant_id') }}{{ scope_filter('m.chat_id', 'select chat_id from dialogs') }}

),

lines as (

    select tenant_id, dialog_id, message_id, sent_at, text_hash
    from messages
    where text_hash is not null
    {%- if is_partial() %}

    union all

    -- the same text to the clients who stay as they are
    select '{{ var("tenant_id") }}'::uuid as tenant_id, o.dialog_id, o.message_id, o.sent_at, o.text_hash
    from (
        {{ same_text_around(this, 'messages', ['dialog_id', 'message_id', 'client_id', 'sent_at']) }}
    ) as o
    where o.client_id not in (select client_id from {{ ref('int_touched') }} where {{ tenant_filter() }} and not is_idle)
    {%- endif %}

),

-- The same text often enough within ten minutes to be worth counting the dialogs.
suspects as (

    select
        *,
        -- the dialog's line before, if a window of ten minutes may begin at it and hold both
        case when earlier_at >= sent_at - interval '10 minutes' then earlier_at end as joined_at
    from (
        select
            *,
            lag(sent_at) over (partition by tenant_id, text_hash, dialog_id order by sent_at) as earlier_at
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
    ) as followed

),

-- A line is in the windows that begin from ten minutes before it up to it; the dialog's line before it counts for those up to
-- itself. So a dialog comes into the count once and goes once, and the count at a moment is that of the window that begins there:
-- 0 comes at the moment, 1 is a line whose moment is asked, 2 comes or goes after it.
steps as (

    select tenant_id, text_hash, sent_at as moment, 1 as place, 0 as step, dialog_id, message_id from suspects
    union all
    select
        tenant_id, text_hash, coalesce(joined_at, sent_at - interval '10 minutes') as moment,
        case when joined_at is null then 0 else 2 end as place, 1 as step, null as dialog_id, null as message_id
    from suspects
    union all
    select tenant_id, text_hash, sent_at as moment, 2 as place, -1 as step, null as dialog_id, null as message_id from suspects

),

broadcasts as (

    select tenant_id, dialog_id, message_id
    from (
        select
            tenant_id, dialog_id, message_id, moment,
            max(moment) filter (where dialogs >= 5) over (partition by tenant_id, text_hash order by moment) as begins_at
        from (
            select *, sum(step) over (partition by tenant_id, text_hash order by moment, place) as dialogs
            from steps
        ) as windows_of_moments
        where place = 1
    ) as asked
    where begins_at >= moment - interval '10 minutes'

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
        i.needs_reply as decided_needs_reply,
        i.reason as decided_reason,
        i.confidence::real as decided_confidence,
        coalesce(bool_or(k.direction = 'outbound' and not k.is_system) over (
            partition by k.tenant_id, k.client_id
            order by k.sent_at, k.message_id collate "C", k.dialog_id collate "C"
            rows between unbounded preceding and 1 preceding
        ), false) as is_after_answer
    from kinds as k
    left join (
        select * from {{ ref('stg_synkro__intents') }}
        where {{ tenant_filter() }}{{ scope_filter('dialog_id', 'select dialog_id from dialogs') }}
    ) as i
        on i.tenant_id = k.tenant_id and i.dialog_id = k.dialog_id and i.message_id = k.message_id

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
    -- decided before the build; by the words of the line alone where it was not
    kind = 'client' and coalesce(decided_needs_reply, not (
        message_type = 'reaction'
        or is_after_answer and (
            message_type = 'sticker'
            or body is not null and not has_media and position('?' in body) = 0 and (
                {{ says_nothing('body') }}
                or {{ is_closing_phrase('body') }}
            )
        )
    )) as needs_reply,
    case when kind = 'client' then decided_reason end as needs_reply_reason,
    case when kind = 'client' then decided_confidence end as needs_reply_confidence
from heard
