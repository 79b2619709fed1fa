{{ config(indexes=[
    {'columns': ['tenant_id', 'promise_id'], 'unique': true},
    {'columns': ['tenant_id', 'client_id']},
    {'columns': ['tenant_id', 'due_at']},
    {'columns': ['tenant_id', 'made_at']},
]) }}
-- What was promised, and the first row after it that keeps it. Of everything that happened with a client, in order of time, each
-- promise looks for the nearest later evidence of its kind: window sums over the reversed order, so a client is read once.

with promises as (

    select a.tenant_id, a.dialog_id, a.message_id, a.act, a.what, a.due_at, m.client_id
    from {{ ref('stg_synkro__acts') }} as a
    join {{ ref('fct_messages') }} as m
        on m.tenant_id = a.tenant_id and m.dialog_id = a.dialog_id and m.message_id = a.message_id
    where {{ tenant_filter('a.tenant_id') }} and {{ tenant_filter('m.tenant_id') }} and {{ affected_keys('client', 'm.client_id') }}
        and ((a.act = 'promise' and m.kind = 'manager') or (a.act = 'client_promise' and m.kind = 'client'))

),

clients as (

    select distinct tenant_id, client_id
    from promises

),

messages as (

    select m.tenant_id, m.client_id, m.dialog_id, m.message_id, m.kind, m.author_id, m.sent_at, m.has_media
    from {{ ref('fct_messages') }} as m
    join clients as c on c.tenant_id = m.tenant_id and c.client_id = m.client_id
    where {{ tenant_filter('m.tenant_id') }} and {{ affected_keys('client', 'm.client_id') }} and m.kind in ('manager', 'client')

),

-- a message that does nothing but promise keeps nothing
said as (

    select
        tenant_id, dialog_id, message_id,
        bool_and(act in ('promise', 'client_promise')) as is_only_promise,
        bool_or(act = 'payment_claimed') as claims_payment
    from {{ ref('stg_synkro__acts') }}
    where {{ tenant_filter() }}{{ scope_filter('dialog_id', 'select dialog_id from messages') }}
    group by tenant_id, dialog_id, message_id

),

-- calls, tasks and deals of a moment come before its messages: what keeps a promise comes after it
happened as (

    select
        m.tenant_id, m.client_id, m.sent_at as happened_at, 2 as place, m.message_id as ref, m.dialog_id, m.kind, m.author_id, m.has_media,
        not coalesce(s.is_only_promise, false) or m.has_media as says_more,
        coalesce(s.claims_payment, false) as claims_payment
    from messages as m
    left join said as s on s.tenant_id = m.tenant_id and s.dialog_id = m.dialog_id and s.message_id = m.message_id

    union all

    select
        k.tenant_id, k.client_id, k.called_at as happened_at, 0 as place, k.call_id as ref, '' as dialog_id, 'call' as kind,
        null as author_id, false as has_media, false as says_more, false as claims_payment
    from {{ ref('int_calls') }} as k
    join clients as c on c.tenant_id = k.tenant_id and c.client_id = k.client_id
    where {{ tenant_filter('k.tenant_id') }} and {{ affected_keys('client', 'k.client_id') }}

    union all

    select
        t.tenant_id, t.client_id, t.completed_at as happened_at, 1 as place, t.task_id as ref, '' as dialog_id, 'task' as kind,
        null as author_id, false as has_media, false as says_more, false as claims_payment
    from {{ ref('fct_tasks') }} as t
    join clients as c on c.tenant_id = t.tenant_id and c.client_id = t.client_id
    where {{ tenant_filter('t.tenant_id') }} and {{ affected_keys('client', 't.client_id') }} and t.completed_at is not null

    union all

    -- what was to be brought was, and paid for
    select
        d.tenant_id, d.client_id, d.closed_at as happened_at, 1 as place, d.deal_id as ref, '' as dialog_id, 'deal' as kind,
        null as author_id, false as has_media, false as says_more, false as claims_payment
    from {{ ref('fct_deals') }} as d
    join clients as c on c.tenant_id = d.tenant_id and c.client_id = d.client_id
    where {{ tenant_filter('d.tenant_id') }} and {{ affected_keys('client', 'd.client_id') }}
        and d.stage_kind = 'won' and not d.is_deleted and d.closed_at is not null

),

numbered as (

    select
        *,
        row_number() over (
            partition by tenant_id, client_id order by happened_at, place, ref collate "C", dialog_id collate "C", kind
        ) as n
    from happened

),

-- the number of the nearest later row of each kind
followed as (

    select
        *,
        min(n) filter (where kind = 'manager' and has_media) over later as our_media,
        min(n) filter (where kind = 'manager' and says_more) over later as our_word,
        min(n) filter (where kind = 'client' and has_media) over later as client_media,
        min(n) filter (where kind = 'client' and (claims_payment or has_media)) over later as client_payment,
        min(n) filter (where kind = 'client' and says_more) over later as client_word,
        min(n) filter (where kind = 'call') over later as talk,
        min(n) filter (where kind = 'task') over later as task,
        min(n) filter (where kind = 'deal') over later as won
    from numbered
    window later as (partition by tenant_id, client_id order by n desc rows between unbounded preceding and 1 preceding)

),

matched as (

    select
        f.tenant_id,
        f.client_id,
        f.dialog_id,
        f.ref as message_id,
        f.kind as who,
        f.author_id,
        f.happened_at as made_at,
        f.n,
        p.what,
        p.due_at,
        case
            when p.what = 'call' then f.talk
            when p.act = 'promise' and p.what in ('document', 'photo') then f.our_media
            when p.act = 'promise' and p.what = 'delivery' then least(f.our_word, f.task, f.won)
            when p.act = 'promise' then least(f.our_word, f.task)
            when p.what in ('document', 'photo') then f.client_media
            when p.what = 'payment' then least(f.client_payment, f.won)
            else f.client_word
        end as kept_n,
        lead(f.n) over newer as newer_n,
        lead(f.happened_at) over newer as newer_at
    from followed as f
    join promises as p
        on p.tenant_id = f.tenant_id and p.dialog_id = f.dialog_id and p.message_id = f.ref and f.kind in ('manager', 'client')
    window newer as (partition by f.tenant_id, f.client_id, p.act, p.what order by f.n)

),

judged as (

    select
        *,
        coalesce(newer_at < due_at and (kept_n is null or newer_n < kept_n), false) as is_superseded
    from matched

),

as_of as (

    select tenant_id, {{ data_reaches() }} as as_of
    from {{ source('synkro', 'report_windows') }}
    where {{ tenant_filter() }}
    group by tenant_id

)

select
    j.tenant_id,
    j.dialog_id || ':' || j.message_id || ':' || j.what as promise_id,
    j.dialog_id,
    j.client_id,
    j.who,
    j.what,
    j.made_at,
    j.due_at,
    e.happened_at as kept_at,
    case
        when j.is_superseded then 'superseded'
        when e.happened_at <= j.due_at then 'kept'
        when e.happened_at > j.due_at then 'late'
        when w.as_of > j.due_at then 'broken'
        else 'due'
    end as state,
    j.message_id,
    j.author_id as manager_id,
    case when e.kind in ('manager', 'client') then 'message' else e.kind end as kept_by,
    case when e.kind in ('manager', 'client') then e.dialog_id end as kept_by_dialog_id,
    case when e.kind in ('manager', 'client') then e.ref end as kept_by_message_id,
    case when e.kind in ('call', 'task', 'deal') then e.ref end as kept_by_event_id
from judged as j
left join numbered as e
    on e.tenant_id = j.tenant_id and e.client_id = j.client_id and e.n = j.kept_n and not j.is_superseded
left join as_of as w on w.tenant_id = j.tenant_id
