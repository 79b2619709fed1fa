{{ config(indexes=[{'columns': ['tenant_id', 'client_id']}]) }}
-- The clients this run rebuilds: of what changed, the client it belonged to and the one it belongs to now; those whose
-- open wait, promise or silent session time alone may have turned; those whose bot signs hang on a text someone else got.
-- is_idle: only the state of a session may have changed.
-- depends_on: {{ ref('int_changes') }} {{ ref('int_dialogs') }} {{ ref('int_contacts') }} {{ ref('fct_deals') }}
-- depends_on: {{ ref('stg_messages') }} {{ ref('stg_synkro__settings') }} {{ source('private', 'mart_builds') }}
-- depends_on: {{ source('synkro', 'report_windows') }} {{ source('synkro', 'working_intervals') }}
{% if not is_partial() %}
select null::uuid as tenant_id, null::text as client_id, null::boolean as is_idle
where false
{% else %}
with changes as (

    select * from {{ ref('int_changes') }}
    where {{ tenant_filter() }}

),

-- from the moment the last build looked at to the one this build looks at; as_of may go back
moments as (

    select
        least(b.as_of, w.as_of) as earlier,
        greatest(b.as_of, w.as_of) as later,
        make_interval(hours => s.session_gap_hours) as gap,
        -- where both calendars know the hours
        greatest(b.calendar_from, c.calendar_from) as known_from,
        least(b.calendar_until, c.calendar_until) as known_until
    from {{ source('private', 'mart_builds') }} as b
    cross join (select {{ data_reaches() }} as as_of from {{ source('synkro', 'report_windows') }} where {{ tenant_filter() }}) as w
    cross join (
        select min(starts_at) as calendar_from, max(ends_at) as calendar_until
        from {{ source('synkro', 'working_intervals') }} where {{ tenant_filter() }}
    ) as c
    join {{ ref('stg_synkro__settings') }} as s on s.tenant_id = b.tenant_id and s.is_current
    where {{ tenant_filter('b.tenant_id') }}

),

of_changes as (

    select client_id from changes where client_id is not null
    union
    select client_id from {{ ref('int_dialogs') }}
    where {{ tenant_filter() }} and {{ affected_keys('chat', 'chat_id') }}
    union
    select client_id from {{ ref('int_contacts') }}
    where {{ tenant_filter() }} and client_id is not null and {{ affected_keys('contact', 'contact_id') }}
    union
    select client_id from {{ ref('fct_deals') }}
    where {{ tenant_filter() }} and client_id is not null
        and deal_id = any(array(select id from changes where kind = 'deal'))

),

of_time as (

    -- abandoned, or not yet
    select client_id from {{ prior_state('int_waits') }}
    where {{ tenant_filter() }} and (closed_at is null or closed_by = 'abandoned')
        and opened_at between (select earlier - interval '7 days' from moments) and (select later - interval '7 days' from moments)
    union
    -- past the deadline, or not yet
    select client_id from {{ prior_state('int_waits') }}
    where {{ tenant_filter() }} and closed_at is null
        and sla_deadline_at between (select earlier from moments) and (select later from moments)
    union
    -- a promise overdue, or not yet
    select client_id from {{ prior_state('fct_promises') }}
    where {{ tenant_filter() }} and state in ('due', 'broken')
        and due_at between (select earlier from moments) and (select later from moments)
    union
    -- Measured with hours that one of the calendars does not know. A branch a bound, and each with both its ends: of a
    -- range the planner believes little and takes the index, of a half line a third of the table.
    select client_id from {{ prior_state('int_waits') }}
    where {{ tenant_filter() }} and opened_at >= '-infinity' and opened_at < (select known_from from moments)
    union
    select client_id from {{ prior_state('int_waits') }}
    where {{ tenant_filter() }}
        and opened_at >= (select known_until - interval '7 days' from moments) and opened_at <= 'infinity'
    union
    select client_id from {{ prior_state('int_waits') }}
    where {{ tenant_filter() }} and sla_deadline_at >= (select known_until from moments) and sla_deadline_at <= 'infinity'
    union
    select client_id from {{ prior_state('int_waits') }}
    where {{ tenant_filter() }} and sla_deadline_at is null

),

-- Dialogs of which messages came, went or changed, and those that began or ceased to count.
told as (

    select
        c.id::bigint as chat_id,
        case when c.was_counted = (d.chat_id is not null) then c.since else '-infinity' end as since,
        case when c.was_counted = (d.chat_id is not null) then c.until else 'infinity' end as until
    from changes as c
    left join (
        select chat_id from {{ ref('int_dialogs') }}
        where {{ tenant_filter() }} and excluded_reason is null and {{ affected_keys('chat', 'chat_id') }}
    ) as d on d.chat_id = c.id::bigint
    where c.kind = 'chat'

),

-- Our lines in them, as they were and as they are.
lines as (

    select m.dialog_id, m.sent_at, m.text_hash
    from {{ prior_state('int_messages') }} as m
    join told as t on t.chat_id::text = m.dialog_id and m.sent_at between t.since and t.until
    where {{ tenant_filter('m.tenant_id') }} and m.text_hash is not null
        and m.dialog_id = any(array(select chat_id::text from told where since is not null))

    union

    select m.dialog_id, m.sent_at, {{ text_hash('m') }}
    from {{ ref('stg_messages') }} as m
    join told as t on t.chat_id = m.chat_id and m.sent_at between t.since and t.until
    where {{ tenant_filter('m.tenant_id') }} and {{ text_hash('m') }} is not null
        and m.chat_id = any(array(select chat_id from told where since is not null))

),

-- The same text elsewhere, close enough to have made one broadcast of both.
pool as (

    select text_hash, sent_at, null as client_id from lines

    union all

    {{ same_text_around(prior_state('int_messages'), 'lines', ['sent_at', 'client_id']) }}

),

of_broadcasts as (

    select distinct client_id
    from (
        select
            client_id,
            count(*) over (
                partition by text_hash order by sent_at
                range between interval '10 minutes' preceding and interval '10 minutes' following
            ) as copies
        from pool
    ) as counted
    where copies >= 5 and client_id is not null

),

everyone as (

    select client_id, false as is_idle from of_changes
    union
    select client_id, false as is_idle from of_time
    union
    select client_id, false as is_idle from of_broadcasts
    union
    -- the silence grew longer than the gap, or not yet
    select client_id, true as is_idle from {{ prior_state('fct_sessions') }}
    where {{ tenant_filter() }}
        and ended_at between (select earlier - gap from moments) and (select later - gap from moments)

)

select '{{ var("tenant_id") }}'::uuid as tenant_id, client_id, bool_and(is_idle) as is_idle
from everyone
group by client_id
{% endif %}
