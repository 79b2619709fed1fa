{{ config(indexes=[
    {'columns': ['tenant_id', 'wait_id'], 'unique': true},
    {'columns': ['tenant_id', 'client_id', 'opened_at']},
    {'columns': ['tenant_id', 'opened_at']},
    {'columns': ['tenant_id', 'sla_deadline_at']},
]) }}
-- The atom of every speed metric: a client waits.
-- Opens at the first message that needs an answer while no wait of that client is open; closes at the first later
-- message of a manager in any dialog of that client, at a call of 15 s or more, or after 7 days as abandoned.

with recursive settings as (

    select * from {{ ref('stg_synkro__settings') }}
    where {{ tenant_filter() }}

),

moments as (

    select
        tenant_id, client_id, sent_at as at, message_id as ref, dialog_id,
        kind = 'client' as is_client, needs_reply as asks, kind = 'manager' as answers, false as is_call,
        event_author_id as author_id
    from {{ ref('int_messages') }}
    where kind in ('client', 'manager') and {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}

    union all

    select
        tenant_id, client_id, called_at as at, call_id as ref, null as dialog_id,
        false as is_client, false as asks, true as answers, true as is_call,
        author_id
    from {{ ref('int_calls') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}

),

-- The data watermark. Without one (no run has set it) the last thing known to have happened.
watermark as (

    select m.tenant_id, coalesce(w.as_of, m.last_at) as as_of
    from (select tenant_id, max(at) as last_at from moments group by tenant_id) as m
    left join (
        select tenant_id, {{ data_reaches() }} as as_of
        from {{ source('synkro', 'report_windows') }}
        where {{ tenant_filter() }}
        group by tenant_id
    ) as w on w.tenant_id = m.tenant_id

),

-- A round is everything up to and including one answer: its number is the count of the answers before.
rounds as (

    select
        *,
        count(*) filter (where answers) over (
            partition by tenant_id, client_id
            order by at, ref collate "C", dialog_id collate "C"
            rows between unbounded preceding and 1 preceding
        ) as round
    from moments

),

asked as (

    select
        tenant_id, client_id, round,
        array_agg(at order by at, ref collate "C", dialog_id collate "C") filter (where asks) as asked_at,
        array_agg(ref order by at, ref collate "C", dialog_id collate "C") filter (where asks) as asked_ref,
        array_agg(dialog_id order by at, ref collate "C", dialog_id collate "C") filter (where asks) as asked_in,
        array_agg(at order by at) filter (where is_client) as client_at,
        -- one answer at most ends a round
        max(at) filter (where answers) as answered_at,
        max(ref) filter (where answers) as answer_ref,
        max(dialog_id) filter (where answers) as answered_in,
        max(author_id) filter (where answers) as answer_author_id,
        coalesce(bool_or(is_call) filter (where answers), false) as is_answered_by_call
    from rounds
    group by tenant_id, client_id, round
    having bool_or(asks)

),

-- The first question of the round opens a wait; one asked more than 7 days later finds it abandoned and opens the next.
openings as (

    select tenant_id, client_id, round, 1 as position from asked

    union all

    select o.tenant_id, o.client_id, o.round, n.position
    from openings as o
    join asked as a on a.tenant_id = o.tenant_id and a.client_id = o.client_id and a.round = o.round
    cross join lateral (
        select min(i) as position
        from generate_series(o.position + 1, cardinality(a.asked_at)) as i
        where a.asked_at[i] > a.asked_at[o.position] + interval '7 days'
    ) as n
    where a.asked_at[cardinality(a.asked_at)] > a.asked_at[o.position] + interval '7 days'
        and n.position is not null

),

opened as (

    select
        a.tenant_id, a.client_id, a.round, a.client_at,
        a.asked_at[o.position] as opened_at,
        a.asked_ref[o.position] as opened_by,
        a.asked_in[o.position] as dialog_id,
        lead(o.position) over (partition by o.tenant_id, o.client_id, o.round order by o.position) is not null as is_followed,
        a.answered_at, a.answer_ref, a.answered_in, a.answer_author_id, a.is_answered_by_call
    from openings as o
    join asked as a on a.tenant_id = o.tenant_id and a.client_id = o.client_id and a.round = o.round

),

closed as (

    select
        o.*,
        m.as_of,
        case
            when o.answered_at <= o.opened_at + interval '7 days' then
                case
                    when o.is_answered_by_call then 'call'
                    when o.answered_in <> o.dialog_id then 'other_channel'
                    else 'manager'
                end
            when o.is_followed or o.answered_at is not null or m.as_of >= o.opened_at + interval '7 days' then 'abandoned'
        end as closed_by
    from opened as o
    join watermark as m on m.tenant_id = o.tenant_id

),

-- Materialised, as what follows: inlined, each look-up in the calendar would be made again for every use of its result.
timed as materialized (

    select
        c.*,
        case
            when c.closed_by = 'abandoned' then c.opened_at + interval '7 days'
            when c.closed_by is not null then c.answered_at
        end as closed_at,
        (
            select max(t) from unnest(c.client_at) as t
            where t >= c.opened_at and t <= c.opened_at + interval '7 days'
        ) as last_client_at,
        -- the target in force when the wait opened; before the first version of the settings, the current one
        coalesce(
            (
                select s.sla_target_minutes from settings as s
                where s.tenant_id = c.tenant_id and s.created_at <= c.opened_at
                order by s.version desc
                limit 1
            ),
            (select s.sla_target_minutes from settings as s where s.tenant_id = c.tenant_id and s.is_current)
        ) as sla_target_minutes,
        {{ working_seconds('c.tenant_id', 'c.opened_at') }} as worked_at_open
    from closed as c

),

worked as materialized (

    select
        t.*,
        {{ working_seconds('t.tenant_id', 't.closed_at') }} as worked_at_close,
        {{ working_seconds('t.tenant_id', 't.last_client_at') }} as worked_at_last
    from timed as t

),

measured as materialized (

    select
        t.*,
        t.closed_by in ('manager', 'other_channel', 'call') as is_answered,
        t.worked_at_close - t.worked_at_open as response_seconds,
        t.worked_at_close - t.worked_at_last as response_seconds_from_last,
        {{ add_working_minutes('t.tenant_id', 't.opened_at', 't.worked_at_open', 't.sla_target_minutes') }} as sla_deadline_at
    from worked as t

)

select
    m.tenant_id,
    m.dialog_id || ':' || m.opened_by as wait_id,
    m.client_id,
    m.dialog_id,
    m.opened_by as opened_by_message_id,
    m.opened_at,
    m.last_client_at,
    m.closed_at,
    m.closed_by,
    case when m.is_answered then m.answered_in end as answered_in_dialog_id,
    case when m.is_answered then m.answer_ref end as answered_by_ref,
    case when m.is_answered then m.answer_author_id end as answer_author_id,
    coalesce(m.is_answered, false) as is_answered,
    case when m.is_answered then trim_scale(round(m.response_seconds / 60, 4)) end as response_minutes,
    case when m.is_answered then {{ minutes_between('m.opened_at', 'm.closed_at') }} end as response_minutes_calendar,
    case when m.is_answered then trim_scale(round(m.response_seconds_from_last / 60, 4)) end as response_minutes_from_last,
    coalesce(
        m.is_answered and m.response_seconds = 0 and not {{ is_working_time('m.tenant_id', 'm.opened_at') }}, false
    ) as is_off_hours,
    m.sla_target_minutes,
    m.sla_deadline_at,
    coalesce(coalesce(m.closed_at, m.as_of) > m.sla_deadline_at, false) as is_breached,
    m.closed_at is null as is_open,
    {{ business_date('m.opened_at', 's.timezone', 's.business_day_start') }} as business_date
from measured as m
join settings as s on s.tenant_id = m.tenant_id and s.is_current
