-- The day as a person would write it: the rows of every mart for the clients whose messages came since :since (or whose open wait
-- time has turned), and for the windows :starts to :ends. bench/marts.py compares every column of plain.* with its mart.
-- It does not look for what this company never has: a client is one phone, one chat and at most one contact and one deal, known
-- before the day; a deal moves on a day its client writes; no groups and no excluded numbers; messages are texts, robots known by
-- broadcasts and instant answers alone; an event at most within ten seconds of a message; few words of thanks; nothing is deleted,
-- nothing of the days before changes; one version of settings; business days from midnight to midnight, no daylight saving time.
set local jit = off;
set local work_mem = '64MB';

create temp table rules on commit drop as
select c.timezone, c.sla_target_minutes as target, make_interval(hours => c.session_gap_hours) as gap, c.mode,
    (select max(as_of) from synkro.report_windows where tenant_id = %(tenant)s) as as_of
from synkro.tenant_runtime_configs as c
where c.tenant_id = %(tenant)s and c.is_current;

-- The same text to five dialogs within ten minutes: what the day may have changed, and below what stands from before.
create temp table broadcasts on commit drop as
with lines as (
    select * from (
        select chat_id, id, sent_at, payload #>> '{text,text}' as body,
            count(*) over (partition by payload #>> '{text,text}' order by sent_at
                range between interval '10 minutes' preceding and interval '10 minutes' following) as copies
        from raw_radist.messages
        where tenant_id = %(tenant)s and sent_at >= %(since)s::timestamptz - interval '20 minutes' and direction = 'outbound'
    ) as counted
    where copies >= 5
),
bursts as (
    select a.body, a.sent_at
    from lines as a
    join lines as b on b.body = a.body and b.sent_at between a.sent_at and a.sent_at + interval '10 minutes'
    group by a.body, a.sent_at
    having count(distinct b.chat_id) >= 5
)
select distinct l.chat_id, l.id
from lines as l
join bursts as b on b.body = l.body and l.sent_at between b.sent_at and b.sent_at + interval '10 minutes'
where l.sent_at >= %(since)s::timestamptz - interval '10 minutes';

-- Clients of the day's messages, and those whose open wait ran past its deadline or its seven days since.
create temp table touched on commit drop as
select c.id as chat_id, c.id::text as dialog_id, c.payload #>> '{_synkro,phone}' as client_id,
    c.payload ->> 'contact_name' as chat_name, c.connection_id, s.type as source_type, split_part(s.type, '_', 1) as channel,
    k.id::text as contact_id, k.payload ->> 'name' as contact_name,
    d.deal_id, l.payload ->> 'responsible_user_id' as owner_id
from raw_radist.chats as c
join raw_radist.sources as s on s.tenant_id = %(tenant)s and s.id = c.connection_id
left join plain.dim_clients as p on p.tenant_id = %(tenant)s and p.client_id = c.payload #>> '{_synkro,phone}'
left join raw_amocrm.contacts as k on k.tenant_id = %(tenant)s and k.id = p.contact_id::bigint
left join plain.fct_deals as d on d.tenant_id = %(tenant)s and d.client_id = p.client_id
left join raw_amocrm.leads as l on l.tenant_id = %(tenant)s and l.id = d.deal_id::bigint
where c.tenant_id = %(tenant)s and c.id = any (array(
    select chat_id from raw_radist.messages where tenant_id = %(tenant)s and sent_at >= %(since)s
    union
    select chat_id from broadcasts
    union
    select w.dialog_id::bigint
    from plain.fct_waits as w
    cross join rules as r
    where w.tenant_id = %(tenant)s and w.is_open and w.opened_at >= %(since)s::timestamptz - interval '7 days'
      and (w.opened_at + interval '7 days' <= r.as_of or w.sla_deadline_at < r.as_of and not w.is_breached)));

analyze touched;

insert into broadcasts
select dialog_id::bigint, message_id from plain.fct_messages
where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched))
  and sent_at < %(since)s::timestamptz - interval '10 minutes' and bot_sign = 'broadcast';

-- Every message of theirs with its author: amoCRM's event within ten seconds, else the deal's responsible.
create temp table said on commit drop as
with lines as (
    select t.client_id, t.dialog_id, t.channel, m.id as message_id, m.sent_at, m.direction, m.message_type,
        btrim(m.payload #>> '{text,text}') as body, nullif(e.created_by, '0') as event_author_id, t.owner_id,
        case
            when m.direction = 'inbound' then null
            when b.id is not null then 'broadcast'
            when e.created_by is null and m.sent_at - max(m.sent_at) filter (where m.direction = 'inbound')
                over (partition by m.chat_id order by m.sent_at, m.id collate "C" rows between unbounded preceding and 1 preceding)
                <= interval '3 seconds' then 'instant'
        end as bot_sign
    from touched as t
    join raw_radist.messages as m on m.tenant_id = %(tenant)s and m.chat_id = t.chat_id
    left join broadcasts as b on b.chat_id = m.chat_id and b.id = m.id
    left join (
        select x.payload ->> 'created_by' as created_by, x.created_at, n.contact_id
        from raw_amocrm.events as x
        cross join lateral (select coalesce(
            nullif(x.payload #>> '{_embedded,entity,linked_talk_contact_id}', '0'),
            case when coalesce(x.entity_type, x.payload ->> 'entity_type') in ('contact', 'contacts')
                then coalesce(x.entity_id::text, x.payload ->> 'entity_id') end
        ) as contact_id) as n
        where x.tenant_id = %(tenant)s and x.type = 'outgoing_chat_message' and n.contact_id = any (array(select contact_id from touched))
    ) as e
        on e.contact_id = t.contact_id and m.direction = 'outbound'
        and e.created_at between m.sent_at - interval '10 seconds' and m.sent_at + interval '10 seconds'
),
kinds as (
    select l.*, case when direction = 'inbound' then 'client' when bot_sign is not null then 'bot' else 'manager' end as kind
    from lines as l
)
select client_id, dialog_id, channel, message_id, sent_at, direction, message_type, body, bot_sign, kind,
    case when kind = 'manager' then coalesce(event_author_id, owner_id) end as author_id,
    case when kind <> 'manager' then 'none' when event_author_id is not null then 'event'
        when owner_id is not null then 'deal' else 'none' end as author_source,
    owner_id,
    kind = 'client' and not (
        lower(btrim(body, ' .!')) in ('спасибо', 'большое спасибо', 'ок', 'хорошо', 'понятно')
        and coalesce(bool_or(direction = 'outbound') over (w rows between unbounded preceding and 1 preceding), false)
    ) as needs_reply,
    lag(sent_at) over w as previous_at
from kinds
window w as (partition by client_id order by sent_at, message_id collate "C");

analyze said (client_id, kind, sent_at);

-- A round is everything up to and including one answer, of a manager or by phone.
create temp table rounds on commit drop as
with moments as (
    select client_id, dialog_id, sent_at as at, message_id as ref, kind = 'client' as is_client, needs_reply as asks,
        kind = 'manager' as answers, false as is_call, author_id, author_source, owner_id
    from said where kind in ('client', 'manager')
    union all
    select t.client_id, t.dialog_id, n.created_at, n.id::text, false, false, true, true, coalesce(a.author_id, t.owner_id),
        case when a.author_id is not null then 'event' when t.owner_id is not null then 'deal' else 'none' end, t.owner_id
    from raw_amocrm.notes as n
    cross join lateral (
        select coalesce(n.entity_id::text, n.payload ->> 'entity_id') as contact_id, nullif(n.payload ->> 'created_by', '0') as author_id
    ) as a
    join touched as t using (contact_id)
    where n.tenant_id = %(tenant)s and n.note_type in ('call_in', 'call_out') and n.entity_type = 'contacts'
        and (n.payload #>> '{params,duration}')::numeric >= 15 and a.contact_id = any (array(select contact_id from touched))
),
numbered as (
    select m.*, count(*) filter (where answers) over (
        partition by client_id order by at, ref collate "C" rows between unbounded preceding and 1 preceding) as round
    from moments as m
)
select client_id, round, min(dialog_id) as dialog_id, max(owner_id) as owner_id,
    array_agg(at order by at, ref collate "C") filter (where asks) as asked_at,
    array_agg(ref order by at, ref collate "C") filter (where asks) as asked_by,
    array_agg(at order by at) filter (where is_client) as client_at,
    max(at) filter (where answers) as answered_at, max(author_id) filter (where answers) as author_id,
    max(author_source) filter (where answers) as author_source, coalesce(bool_or(is_call), false) as is_call
from numbered
group by client_id, round
having bool_or(asks);

-- The first question of a round opens a wait; one asked more than seven days later finds it abandoned and opens the next.
create temp table waited on commit drop as
with recursive opened as (
    select r.*, r.asked_at[1] as opened_at, r.asked_by[1] as opened_by from rounds as r
    union all
    select o.client_id, o.round, o.dialog_id, o.owner_id, o.asked_at, o.asked_by, o.client_at, o.answered_at, o.author_id,
        o.author_source, o.is_call, n.at, n.ref
    from opened as o
    cross join lateral (
        select a.at, a.ref from unnest(o.asked_at, o.asked_by) with ordinality as a (at, ref, place)
        where a.at > o.opened_at + interval '7 days' order by a.place limit 1
    ) as n
    where o.asked_at[cardinality(o.asked_at)] > o.opened_at + interval '7 days'
),
closed as materialized (
    select o.client_id, o.dialog_id, o.owner_id, o.opened_at, o.opened_by, a.is_answered, r.target,
        case when a.is_answered then o.answered_at when a.is_abandoned then o.opened_at + interval '7 days' end as closed_at,
        case when a.is_answered then case when o.is_call then 'call' else 'manager' end when a.is_abandoned then 'abandoned' end as closed_by,
        case when a.is_answered then o.author_id end as author_id,
        case when a.is_answered then o.author_source else 'none' end as author_source,
        (select max(c) from unnest(o.client_at) as c where c >= o.opened_at and c <= o.opened_at + interval '7 days') as last_client_at,
        r.as_of, r.timezone
    from opened as o
    cross join rules as r
    cross join lateral (
        select coalesce(o.answered_at <= o.opened_at + interval '7 days', false) as is_answered,
            o.answered_at is not null or r.as_of >= o.opened_at + interval '7 days'
            or o.asked_at[cardinality(o.asked_at)] > o.opened_at + interval '7 days' as is_abandoned
    ) as a
),
worked as materialized (
    select c.*, plain.worked(%(tenant)s, c.opened_at) as worked_open, plain.worked(%(tenant)s, c.closed_at) as worked_close,
        plain.worked(%(tenant)s, c.last_client_at) as worked_last
    from closed as c
)
select w.*,
    (select i.starts_at + make_interval(secs => (w.worked_open + (w.target - i.minutes_before) * 60)::double precision)
     from synkro.working_intervals as i
     where i.tenant_id = %(tenant)s and i.ends_at > w.opened_at and i.starts_at > w.opened_at - interval '1 day'
       and i.minutes_before * 60 + extract(epoch from i.ends_at - i.starts_at) >= w.worked_open + w.target * 60
     order by i.starts_at limit 1) as deadline_at
from worked as w;

create index on waited (client_id, opened_at);

analyze waited (client_id, opened_at);

delete from plain.fct_messages where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched));

insert into plain.fct_messages
select %(tenant)s, message_id, dialog_id, client_id,
    first_value(dialog_id || ':' || message_id) over (partition by client_id, session_no order by sent_at, message_id collate "C"),
    channel, direction, kind, bot_sign, author_id, author_source, sent_at, (sent_at at time zone timezone)::date, message_type, body, false, needs_reply
from (
    select s.*, r.timezone, count(*) filter (
        where s.previous_at is null or s.sent_at - s.previous_at > r.gap and not exists (
            select from waited as w
            where w.client_id = s.client_id and w.opened_at < s.sent_at and w.opened_at + interval '7 days' >= s.sent_at
              and (w.closed_at is null or w.closed_at >= s.sent_at))
    ) over (partition by s.client_id order by s.sent_at, s.message_id collate "C") as session_no
    from said as s
    cross join rules as r
) as numbered;

create temp table sessions on commit drop as
select session_id, client_id, min(sent_at) as started_at, max(sent_at) as ended_at,
    (array_agg(kind order by sent_at, message_id collate "C"))[1] as initiated_by, count(*) as message_count,
    string_agg(distinct author_id, ',' order by author_id) filter (where kind = 'manager') as manager_ids
from plain.fct_messages
where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched))
group by session_id, client_id;

delete from plain.fct_waits where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched));

insert into plain.fct_waits
select %(tenant)s, w.dialog_id || ':' || w.opened_by, w.client_id, w.dialog_id, s.session_id, w.opened_by, w.opened_at, w.last_client_at,
    w.closed_at, w.closed_by, w.author_id, w.author_source, w.owner_id,
    case when w.is_answered then (w.worked_close - w.worked_open) / 60 end,
    case when w.is_answered then extract(epoch from w.closed_at - w.opened_at) / 60 end,
    case when w.is_answered then (w.worked_close - w.worked_last) / 60 end,
    s.initiated_by = 'client' and row_number() over (partition by s.session_id order by w.opened_at, w.opened_by collate "C") = 1,
    w.is_answered and w.worked_close = w.worked_open and not exists (
        select from synkro.working_intervals as i
        where i.tenant_id = %(tenant)s and i.starts_at <= w.opened_at and i.starts_at > w.opened_at - interval '1 day' and i.ends_at > w.opened_at),
    w.target, w.deadline_at, coalesce(coalesce(w.closed_at, w.as_of) > w.deadline_at, false), w.is_answered, w.closed_at is null,
    (w.opened_at at time zone w.timezone)::date
from waited as w
join sessions as s on s.client_id = w.client_id and w.opened_at between s.started_at and s.ended_at;

-- A session whose silence has outgrown the gap ends by itself.
update plain.fct_sessions as s
set state = 'ended'
from rules as r
where s.tenant_id = %(tenant)s and s.ended_at < r.as_of - r.gap and s.ended_at >= %(since)s - r.gap and s.state = 'active';

delete from plain.fct_sessions where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched));

insert into plain.fct_sessions
select %(tenant)s, s.session_id, s.client_id, s.started_at, s.ended_at, s.initiated_by,
    case when w.is_open then 'waiting' when r.as_of - s.ended_at > r.gap then 'ended' else 'active' end,
    s.message_count, coalesce(w.waits, 0), w.first_response_minutes, s.manager_ids
from sessions as s
cross join rules as r
left join (
    select session_id, count(*) as waits, bool_or(is_open) as is_open,
        max(response_minutes) filter (where is_first_response) as first_response_minutes
    from plain.fct_waits
    where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched))
    group by session_id
) as w using (session_id);

delete from plain.dim_dialogs where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched));

insert into plain.dim_dialogs
select %(tenant)s, t.dialog_id, t.client_id, t.channel, t.source_type, t.connection_id, t.chat_name, min(s.sent_at), max(s.sent_at), count(s.sent_at)
from touched as t
left join said as s using (client_id)
group by t.dialog_id, t.client_id, t.channel, t.source_type, t.connection_id, t.chat_name;

delete from plain.dim_clients where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched));

insert into plain.dim_clients
select %(tenant)s, t.client_id, t.client_id, coalesce(t.contact_name, t.chat_name), t.contact_id,
    min(s.sent_at) filter (where s.kind = 'client'), max(s.sent_at),
    (select d.channel from plain.dim_dialogs as d where d.tenant_id = %(tenant)s and d.client_id = t.client_id limit 1), 1, (t.deal_id is not null)::integer,
    case when t.deal_id is not null then 'matched' when t.contact_id is null then 'no_contact' else 'contact_without_deal' end
from touched as t
left join said as s using (client_id)
group by t.client_id, t.chat_name, t.contact_name, t.contact_id, t.deal_id;

delete from plain.dim_managers where tenant_id = %(tenant)s;

insert into plain.dim_managers
select %(tenant)s, id::text, payload ->> 'name', payload ->> 'email', (payload #>> '{rights,is_active}')::boolean
from raw_amocrm.users where tenant_id = %(tenant)s;

delete from plain.fct_deals where tenant_id = %(tenant)s and deal_id = any (array(select deal_id from touched));

insert into plain.fct_deals
select %(tenant)s, t.deal_id, t.client_id, t.contact_id, l.payload ->> 'name', p.id, p.payload ->> 'name', d.status_id, s.stage ->> 'name',
    case d.status_id when 142 then 'won' when 143 then 'lost' else 'open' end, (s.stage ->> 'sort')::integer, (l.payload ->> 'price')::numeric,
    (select payload ->> 'currency' from raw_amocrm.account where tenant_id = %(tenant)s), t.owner_id,
    case when d.status_id = 143 then l.payload #>> '{_embedded,loss_reason,0,name}' end, l.created_at, l.updated_at,
    case when d.status_id in (142, 143) then coalesce(to_timestamp((l.payload ->> 'closed_at')::bigint), l.updated_at) end, false,
    not coalesce((p.payload ->> 'is_archive')::boolean, false)
from touched as t
join raw_amocrm.leads as l on l.tenant_id = %(tenant)s and l.id = t.deal_id::bigint
cross join lateral (select (l.payload ->> 'status_id')::bigint as status_id) as d
join raw_amocrm.pipelines as p on p.tenant_id = %(tenant)s and p.id = (l.payload ->> 'pipeline_id')::bigint
cross join lateral jsonb_array_elements(p.payload #> '{_embedded,statuses}') as s (stage)
where s.stage ->> 'id' = l.payload ->> 'status_id';

delete from plain.fct_deal_stage_changes where tenant_id = %(tenant)s and changed_at >= %(since)s;

insert into plain.fct_deal_stage_changes
select %(tenant)s, e.id, e.entity_id::text,
    (e.payload #>> '{value_before,0,lead_status,pipeline_id}')::bigint, (e.payload #>> '{value_before,0,lead_status,id}')::bigint,
    (e.payload #>> '{value_after,0,lead_status,pipeline_id}')::bigint, (e.payload #>> '{value_after,0,lead_status,id}')::bigint,
    nullif(e.payload ->> 'created_by', '0'), e.created_at, (e.created_at at time zone r.timezone)::date
from raw_amocrm.events as e
cross join rules as r
where e.tenant_id = %(tenant)s and e.type = 'lead_status_changed' and e.created_at >= %(since)s;

delete from plain.fct_funnel where tenant_id = %(tenant)s;

insert into plain.fct_funnel
select tenant_id, pipeline_id, status_id, max(pipeline), max(stage), min(stage_sort), count(*), coalesce(sum(price), 0),
    count(*) filter (where coalesce(price, 0) <= 0)
from plain.fct_deals
where tenant_id = %(tenant)s and stage_kind = 'open' and not is_deleted and is_sales
group by tenant_id, pipeline_id, status_id;
