-- What a person would write who knows the company has one phone a client, one chat a phone and no robots but greetings:
-- for the clients who wrote or were written to since :since, every message with its author (amoCRM's nearest event, else the
-- deal's responsible), their waits with working minutes and deadlines, their sessions; then the numbers of the windows.
-- It leaves out identity, settings of the past, broadcasts, closing phrases but one, calls of deals, dialogs and clients.
create temp table touched on commit drop as
select m.chat_id, c.payload #>> '{_synkro,phone}' as client_id
from (select distinct chat_id from raw_radist.messages where tenant_id = %(tenant)s and sent_at >= %(since)s) as m
join raw_radist.chats as c on c.tenant_id = %(tenant)s and c.id = m.chat_id;
analyze touched;

create temp table said on commit drop as
with messages as (
    select t.client_id, m.chat_id, m.id, m.sent_at, m.direction = 'outbound' as is_ours, m.payload #>> '{text,text}' as body
    from touched as t
    join raw_radist.messages as m on m.tenant_id = %(tenant)s and m.chat_id = t.chat_id
)
select
    m.*,
    case when m.is_ours then coalesce(
        (select e.payload ->> 'created_by' from raw_amocrm.events as e
         where e.tenant_id = %(tenant)s and e.type = 'outgoing_chat_message'
           and coalesce(
             nullif(e.payload #>> '{_embedded,entity,linked_talk_contact_id}', '0'),
             case when coalesce(e.entity_type, e.payload ->> 'entity_type') in ('contact', 'contacts') then coalesce(e.entity_id::text, e.payload ->> 'entity_id') end
           ) = m.chat_id::text
           and e.created_at between m.sent_at - interval '10 seconds' and m.sent_at + interval '10 seconds'
         order by abs(extract(epoch from e.created_at - m.sent_at)) limit 1),
        (select l.payload ->> 'responsible_user_id' from raw_amocrm.leads as l where l.tenant_id = %(tenant)s and l.id = m.chat_id))
    end as author_id,
    not m.is_ours and not (lower(m.body) = 'спасибо' and bool_or(m.is_ours) over w) as asks,
    coalesce(count(*) filter (where m.is_ours) over (w rows between unbounded preceding and 1 preceding), 0) as round,
    lag(m.sent_at) over w as previous_at
from messages as m
window w as (partition by m.client_id order by m.sent_at, m.id collate "C");

analyze said;

create temp table waited on commit drop as
with rounds as (
    select client_id, round, min(chat_id) as chat_id,
        min(sent_at) filter (where asks) as opened_at, min(id) filter (where asks) as opened_by,
        max(sent_at) filter (where is_ours) as answered_at, max(author_id) filter (where is_ours) as author_id
    from said
    group by client_id, round
    having bool_or(asks)
),
measured as (
    select r.*,
        (select w.minutes_before * 60 + extract(epoch from least(r.opened_at, w.ends_at) - w.starts_at) from synkro.working_intervals as w
         where w.tenant_id = %(tenant)s and w.starts_at <= r.opened_at order by w.starts_at desc limit 1) as opened_seconds,
        (select w.minutes_before * 60 + extract(epoch from least(r.answered_at, w.ends_at) - w.starts_at) from synkro.working_intervals as w
         where w.tenant_id = %(tenant)s and w.starts_at <= r.answered_at order by w.starts_at desc limit 1) as answered_seconds
    from rounds as r
)
select m.*, (m.answered_seconds - m.opened_seconds) / 60 as minutes,
    (select w.starts_at + make_interval(secs => (m.opened_seconds + 900 - w.minutes_before * 60)::float) from synkro.working_intervals as w
     where w.tenant_id = %(tenant)s and w.starts_at >= m.opened_at - interval '7 days' and w.ends_at >= m.opened_at
       and w.minutes_before * 60 + extract(epoch from w.ends_at - w.starts_at) >= m.opened_seconds + 900
     order by w.starts_at limit 1) as deadline_at
from measured as m;

create index on waited (client_id);

analyze waited;

delete from bench.messages where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched));
delete from bench.waits where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched));
delete from bench.sessions where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched));

insert into bench.messages
select %(tenant)s, client_id,
    first_value(chat_id || ':' || id) over (partition by client_id, session_no order by sent_at, id collate "C"),
    chat_id::text, id, case when is_ours then 'manager' else 'client' end, author_id, sent_at, body
from (
    select s.*, count(*) filter (where s.previous_at is null or s.sent_at - s.previous_at > interval '24 hours' and not exists (
        select from waited as w where w.client_id = s.client_id and w.opened_at < s.sent_at and w.opened_at + interval '7 days' >= s.sent_at
          and (w.answered_at is null or w.answered_at >= s.sent_at)
    )) over (partition by s.client_id order by s.sent_at, s.id collate "C") as session_no
    from said as s
) as numbered;

insert into bench.waits
select %(tenant)s, w.client_id, w.chat_id || ':' || w.opened_by, m.session_id, w.opened_at,
    case when w.answered_at <= w.opened_at + interval '7 days' then w.answered_at when w.opened_at + interval '7 days' < now() then w.opened_at + interval '7 days' end,
    case when w.answered_at <= w.opened_at + interval '7 days' then 'manager' when w.opened_at + interval '7 days' < now() then 'abandoned' end,
    w.author_id, w.minutes, w.deadline_at, coalesce(w.answered_at, now()) > w.deadline_at
from waited as w
join bench.messages as m on m.tenant_id = %(tenant)s and m.client_id = w.client_id and m.message_id = w.opened_by;

insert into bench.sessions
select tenant_id, client_id, session_id, min(sent_at), max(sent_at), count(*)
from bench.messages
where tenant_id = %(tenant)s and client_id = any (array(select client_id from touched))
group by tenant_id, client_id, session_id;

insert into bench.periods
select %(tenant)s, n.starts, n.ends, m.*, w.*, d.price
from unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) as n (starts, ends)
cross join lateral (
    select count(*), count(distinct client_id), count(distinct session_id) from bench.messages
    where tenant_id = %(tenant)s and sent_at >= n.starts and sent_at < n.ends
) as m
cross join lateral (
    select count(*) filter (where opened_at >= n.starts), count(*) filter (where opened_at >= n.starts and closed_by = 'manager'),
        count(*) filter (where opened_at >= n.starts and is_breached),
        percentile_cont(0.5) within group (order by response_minutes) filter (where opened_at >= n.starts),
        percentile_cont(0.9) within group (order by response_minutes) filter (where opened_at >= n.starts),
        count(*) filter (where closed_at is null or closed_at > n.ends)
    from bench.waits where tenant_id = %(tenant)s and opened_at >= n.ends - interval '7 days' and opened_at < n.ends
) as w
cross join lateral (
    select sum((l.payload ->> 'price')::numeric) as price
    from raw_amocrm.leads as l
    where l.tenant_id = %(tenant)s and l.id = any (array(
        select split_part(wait_id, ':', 1)::bigint from bench.waits
        where tenant_id = %(tenant)s and opened_at >= n.ends - interval '7 days' and opened_at < n.ends
          and (closed_at is null or closed_at > n.ends) and sla_deadline_at < n.ends))
) as d
