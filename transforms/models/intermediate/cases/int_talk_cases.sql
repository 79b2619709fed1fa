{{ config(indexes=[
    {'columns': ['tenant_id', 'case_id'], 'unique': true},
    {'columns': ['tenant_id', 'client_id']},
]) }}
-- What needs somebody because of what was said: when it opens, the row that ends it, and the age at which it is given up.
-- Nothing here depends on the moment of the build: what opens later stands here already, and is shown when its moment has come.

with settings as (

    select tenant_id, timezone, business_day_start from {{ ref('stg_synkro__settings') }}
    where is_current and {{ tenant_filter() }}

),

-- A client waits past the target. A wait that is answered in time, or dismissed before its deadline, is no case.
overdue as (

    select
        w.tenant_id,
        'wait_overdue:' || w.wait_id as case_id,
        'wait_overdue' as kind,
        w.client_id,
        w.dialog_id,
        w.opened_by_message_id as evidence_message_id,
        null::text as deal_id,
        null::text as what,
        f.responsible_at_open as responsible_id,
        w.opened_at as began_at,
        w.sla_deadline_at as opened_at,
        w.sla_deadline_at as due_at,
        case when w.is_answered then w.closed_at end as done_at,
        case when w.closed_by <> 'call' then w.answered_in_dialog_id end as closed_by_dialog_id,
        case when w.closed_by <> 'call' then w.answered_by_ref end as closed_by_message_id,
        case when w.closed_by = 'call' then w.answered_by_ref end as closed_by_event_id,
        null::text as closed_by_deal_id,
        null::text as closed_by_task_id,
        -- abandoned
        w.opened_at + interval '7 days' as expires_at
    from {{ ref('int_waits') }} as w
    join {{ ref('fct_waits') }} as f on f.tenant_id = w.tenant_id and f.wait_id = w.wait_id
    where {{ tenant_filter('w.tenant_id') }} and {{ affected_keys('client', 'w.client_id') }}
        and {{ tenant_filter('f.tenant_id') }} and {{ affected_keys('client', 'f.client_id') }}
        and w.sla_deadline_at < least(coalesce(w.closed_at, 'infinity'), w.opened_at + interval '7 days')

),

-- A promise of ours on the business day it falls due, until a row keeps it or a newer promise takes its place.
promised as (

    select
        p.*,
        lead(p.made_at) over newer as newer_at,
        lead(p.dialog_id) over newer as newer_dialog_id,
        lead(p.message_id) over newer as newer_message_id,
        {{ business_day_start('p.due_at', 's.timezone', 's.business_day_start') }} as day_at
    from {{ ref('fct_promises') }} as p
    join settings as s on s.tenant_id = p.tenant_id
    where {{ tenant_filter('p.tenant_id') }} and {{ affected_keys('client', 'p.client_id') }} and p.who = 'manager'
    window newer as (partition by p.tenant_id, p.client_id, p.what order by p.made_at, p.message_id collate "C", p.dialog_id collate "C")

),

due as (

    select
        tenant_id,
        'promise_due:' || promise_id as case_id,
        'promise_due' as kind,
        client_id,
        dialog_id,
        message_id as evidence_message_id,
        null::text as deal_id,
        what,
        manager_id as responsible_id,
        made_at as began_at,
        greatest(made_at, day_at) as opened_at,
        due_at,
        case when state = 'superseded' then newer_at else kept_at end as done_at,
        case when state = 'superseded' then newer_dialog_id else kept_by_dialog_id end as closed_by_dialog_id,
        case when state = 'superseded' then newer_message_id else kept_by_message_id end as closed_by_message_id,
        case when kept_by = 'call' then kept_by_event_id end as closed_by_event_id,
        case when kept_by = 'deal' then kept_by_event_id end as closed_by_deal_id,
        case when kept_by = 'task' then kept_by_event_id end as closed_by_task_id,
        greatest(due_at, made_at) + interval '14 days' as expires_at
    from promised

),

-- What opens a case of the other kinds: a message with its act. One that does several things of a kind counts once.
acted as (

    select m.tenant_id, m.client_id, m.dialog_id, m.message_id, m.sent_at, m.author_id, a.act, min(a.what) as what
    from {{ ref('stg_synkro__acts') }} as a
    join {{ ref('fct_messages') }} as m
        on m.tenant_id = a.tenant_id and m.dialog_id = a.dialog_id and m.message_id = a.message_id
    where {{ tenant_filter('a.tenant_id') }} and {{ tenant_filter('m.tenant_id') }} and {{ affected_keys('client', 'm.client_id') }}
        and (a.act = 'offer' and m.kind = 'manager' or a.act in ('complaint', 'asks_to_buy', 'refusal') and m.kind = 'client')
    group by m.tenant_id, m.client_id, m.dialog_id, m.message_id, m.sent_at, m.author_id, a.act

),

-- Everything that happens with these clients, in order; at one moment words come before what the CRM notes.
happened as (

    select tenant_id, client_id, kind, 1 as place, sent_at as at, dialog_id, message_id as ref
    from {{ ref('fct_messages') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }} and kind in ('client', 'manager')
        and client_id = any(array(select client_id from acted))

    union all

    select tenant_id, client_id, 'call' as kind, 1 as place, called_at as at, '' as dialog_id, call_id as ref
    from {{ ref('int_calls') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}
        and client_id = any(array(select client_id from acted))

    union all

    select tenant_id, client_id, act as kind, 2 as place, sent_at as at, dialog_id, message_id as ref
    from acted
    where act <> 'offer'

    union all

    select tenant_id, client_id, case stage_kind when 'won' then 'won' else 'lost' end as kind, 3 as place, closed_at as at, '' as dialog_id, deal_id as ref
    from {{ ref('fct_deals') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }} and not is_deleted and closed_at is not null
        and client_id = any(array(select client_id from acted))

    union all

    select tenant_id, client_id, 'deal' as kind, 3 as place, created_at as at, '' as dialog_id, deal_id as ref
    from {{ ref('fct_deals') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }} and not is_deleted and created_at is not null
        and client_id = any(array(select client_id from acted))

),

-- One row a client: what comes before and after a message is looked up in arrays, so that a talk is read once.
talk as (

    select
        tenant_id, client_id,
        array_agg(at order by at, place, ref collate "C", dialog_id collate "C", kind collate "C") as at,
        array_agg(kind order by at, place, ref collate "C", dialog_id collate "C", kind collate "C") as kind,
        array_agg(ref order by at, place, ref collate "C", dialog_id collate "C", kind collate "C") as ref,
        array_agg(dialog_id order by at, place, ref collate "C", dialog_id collate "C", kind collate "C") as dialog_id
    from happened
    group by tenant_id, client_id

),

-- Our price or offer, and the client says nothing for three working days: it opens when work begins on the fourth.
offers as (

    select
        o.*,
        lead(o.sent_at) over (partition by o.tenant_id, o.client_id order by o.sent_at, o.message_id collate "C", o.dialog_id collate "C") as next_offer_at,
        coalesce(
            (
                select min(w.starts_at)
                from {{ source('synkro', 'working_intervals') }} as w
                where w.tenant_id = o.tenant_id and w.starts_at > o.sent_at and w.starts_at < o.sent_at + interval '60 days'
                    and (w.starts_at at time zone s.timezone)::date > (o.sent_at at time zone s.timezone)::date
                group by (w.starts_at at time zone s.timezone)::date
                order by (w.starts_at at time zone s.timezone)::date
                limit 1 offset 3
            ),
            -- a calendar without beginnings: around the clock
            o.sent_at + interval '3 days'
        ) as opened_at
    from acted as o
    join settings as s on s.tenant_id = o.tenant_id
    where o.act = 'offer'

),

silent as (

    select o.*
    from offers as o
    join talk as t on t.tenant_id = o.tenant_id and t.client_id = o.client_id
    where coalesce(o.next_offer_at > o.opened_at, true)
        and not exists (
            select from generate_subscripts(t.at, 1) as i
            where t.at[i] > o.sent_at and t.at[i] <= o.opened_at and t.kind[i] in ('client', 'call', 'won', 'lost')
        )

),

-- A complaint of a client to whom something was sold, and somebody without a deal who asks to buy: a day later there is none, and
-- the last word is still the client's. Said several times without a word of ours, each counts once.
asked as (

    select
        a.*,
        case a.act when 'asks_to_buy' then a.sent_at + interval '1 day' else a.sent_at end as opened_at,
        sold.deal_id
    from acted as a
    join talk as t on t.tenant_id = a.tenant_id and t.client_id = a.client_id
    left join lateral (
        select t.ref[i] as deal_id from generate_subscripts(t.at, 1) as i
        where t.kind[i] = 'won' and t.at[i] <= a.sent_at
        order by t.at[i] desc, i limit 1
    ) as sold on a.act = 'complaint'
    cross join lateral (
        select
            coalesce(max(t.at[i]) filter (where t.kind[i] in ('manager', 'call') and t.at[i] <= a.sent_at), '-infinity') as our_last_at
        from generate_subscripts(t.at, 1) as i
    ) as word
    where a.act in ('complaint', 'asks_to_buy') and (a.act <> 'complaint' or sold.deal_id is not null)
        and not exists (
            select from generate_subscripts(t.at, 1) as i
            where t.kind[i] = a.act and t.at[i] >= word.our_last_at
                and (t.at[i], t.ref[i] collate "C", t.dialog_id[i] collate "C") < (a.sent_at, a.message_id collate "C", a.dialog_id collate "C")
        )
        and (a.act = 'complaint' or not exists (
            select from generate_subscripts(t.at, 1) as i
            where t.at[i] <= a.sent_at + interval '1 day' and (t.kind[i] = 'deal' or t.kind[i] = 'refusal' and t.at[i] > a.sent_at)
        ) and 'client' = (
            select t.kind[max(i)] from generate_subscripts(t.at, 1) as i
            where t.at[i] <= a.sent_at + interval '1 day' and t.kind[i] in ('client', 'manager', 'call')
        ))

),

said as (

    select tenant_id, client_id, dialog_id, message_id, sent_at, what, opened_at, null::text as deal_id, author_id, 'offer_silence' as kind from silent
    union all
    select
        tenant_id, client_id, dialog_id, message_id, sent_at, null as what, opened_at, deal_id, null as author_id,
        case act when 'complaint' then 'won_complaint' else 'unmatched_buyer' end as kind
    from asked

),

-- What ends them: a word of ours or a call; of an offer also the client's word and the end of a deal; of a buyer also a deal that is
-- made, and a refusal.
ended as (

    select s.*, e.done_at, e.closed_by, e.dialog, e.ref
    from said as s
    join talk as t on t.tenant_id = s.tenant_id and t.client_id = s.client_id
    left join lateral (
        select t.at[i] as done_at, t.kind[i] as closed_by, t.dialog_id[i] as dialog, t.ref[i] as ref
        from generate_subscripts(t.at, 1) as i
        where t.at[i] > s.opened_at and (
                t.kind[i] in ('manager', 'call')
                or s.kind = 'offer_silence' and t.kind[i] in ('client', 'won', 'lost')
                or s.kind = 'unmatched_buyer' and t.kind[i] in ('deal', 'refusal')
            )
        order by i limit 1
    ) as e on true

)

select * from overdue

union all

select * from due where done_at is null or done_at > opened_at

union all

select
    s.tenant_id,
    s.kind || ':' || s.dialog_id || ':' || s.message_id as case_id,
    s.kind,
    s.client_id,
    s.dialog_id,
    s.message_id as evidence_message_id,
    s.deal_id,
    s.what,
    coalesce(s.author_id, {{ responsible_at('s.tenant_id', 's.client_id', 's.sent_at') }}) as responsible_id,
    s.sent_at as began_at,
    s.opened_at,
    null as due_at,
    s.done_at,
    case when s.closed_by in ('client', 'manager', 'refusal') then s.dialog end as closed_by_dialog_id,
    case when s.closed_by in ('client', 'manager', 'refusal') then s.ref end as closed_by_message_id,
    case when s.closed_by = 'call' then s.ref end as closed_by_event_id,
    case when s.closed_by in ('won', 'lost', 'deal') then s.ref end as closed_by_deal_id,
    null as closed_by_task_id,
    s.opened_at + interval '14 days' as expires_at
from ended as s
