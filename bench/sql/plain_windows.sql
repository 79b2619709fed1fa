-- The second half of plain.sql, in the same transaction: the rows of the windows.

-- The windows, their messages and their waits: opened in the window, or open at its end.
create temp table windows on commit drop as
select w.window_start, w.window_end, w.report_type, w.label_date, w.as_of, least(w.as_of, w.window_end) as now_at, w.is_complete
from synkro.report_windows as w
join unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) as n (window_start, window_end) using (window_start, window_end)
where w.tenant_id = %(tenant)s;

create temp table window_messages on commit drop as
select n.window_start, n.window_end, m.dialog_id, m.client_id, m.session_id, m.kind, m.author_id, m.author_source, m.sent_at
from windows as n
join plain.fct_messages as m on m.tenant_id = %(tenant)s and m.sent_at >= n.window_start and m.sent_at < n.window_end;

create temp table window_waits on commit drop as
select n.window_start, n.window_end, w.client_id, w.dialog_id, w.replied_by, w.responsible_at_open, w.is_first_response,
    w.is_off_hours, w.response_minutes, w.opened_at, w.opened_at >= n.window_start as is_of_window,
    w.opened_at <= n.now_at and (w.closed_at is null or w.closed_at > n.now_at) as is_open_now,
    w.is_answered and w.closed_at <= n.as_of as is_answered,
    coalesce(least(w.closed_at, n.as_of) > w.sla_deadline_at, false) as is_breached, n.now_at > w.sla_deadline_at as is_past_deadline_now,
    extract(epoch from n.now_at - w.opened_at) / 60 as age_minutes
from windows as n
join plain.fct_waits as w
    on w.tenant_id = %(tenant)s and w.opened_at < n.window_end and w.opened_at >= least(n.window_start, n.now_at - interval '7 days')
where w.opened_at >= n.window_start or w.opened_at > n.now_at - interval '7 days' and (w.closed_at is null or w.closed_at > n.now_at);

analyze window_messages (window_start, dialog_id), window_waits (window_start, dialog_id);

delete from plain.period_dialogs where tenant_id = %(tenant)s and window_start = any (%(starts)s);

-- The hash is that of the window's messages and the twenty before them.
insert into plain.period_dialogs
select %(tenant)s, m.window_start, m.window_end, m.dialog_id, m.client_id, d.deal_id, d.responsible_id, m.messages,
    m.client_messages, m.manager_messages, coalesce(w.waits, 0), coalesce(w.has_open_wait, false), w.waiting_minutes, m.last_message_at, t.transcript_hash, m.first_message_at
from (
    select window_start, window_end, dialog_id, client_id, count(*) as messages, count(*) filter (where kind = 'client') as client_messages,
        count(*) filter (where kind = 'manager') as manager_messages, max(sent_at) as last_message_at,
        min(sent_at) as first_message_at
    from window_messages
    group by window_start, window_end, dialog_id, client_id
) as m
cross join lateral (
    select md5(string_agg(
        x.message_id || '|' || to_char(x.sent_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '|' || x.kind || '|' || coalesce(x.body, ''),
        e'\n' order by x.sent_at, x.message_id collate "C")) as transcript_hash
    from (
        select message_id, sent_at, kind, body from plain.fct_messages
        where tenant_id = %(tenant)s and client_id = m.client_id and dialog_id = m.dialog_id and sent_at < m.window_end
        order by sent_at desc, message_id collate "C" desc
        limit m.messages + 20
    ) as x
) as t
left join (
    select window_start, window_end, dialog_id, count(*) filter (where is_of_window) as waits, bool_or(is_open_now) as has_open_wait,
        max(age_minutes) filter (where is_open_now) as waiting_minutes
    from window_waits
    group by window_start, window_end, dialog_id
) as w using (window_start, window_end, dialog_id)
left join plain.fct_deals as d on d.tenant_id = %(tenant)s and d.client_id = m.client_id and not d.is_deleted;

delete from plain.period_hours where tenant_id = %(tenant)s and window_start = any (%(starts)s);

insert into plain.period_hours
select %(tenant)s, window_start, window_end, extract(isodow from at), extract(hour from at), sum(message), sum(wait)
from (
    select window_start, window_end, sent_at at time zone r.timezone as at, 1 as message, 0 as wait
    from window_messages cross join rules as r where kind = 'client'
    union all
    select window_start, window_end, opened_at at time zone r.timezone, 0, 1
    from window_waits cross join rules as r where is_of_window
) as moments
group by window_start, window_end, extract(isodow from at), extract(hour from at);

-- Deals of sales that the window opened, closed or left open.
create temp table window_deals on commit drop as
select n.window_start, n.window_end, d.responsible_id, coalesce(c.first_channel, '') as channel, d.price, d.stage_kind,
    d.created_at >= n.window_start as is_new, coalesce(d.closed_at >= n.window_start and d.closed_at < n.window_end, false) as is_closed,
    d.created_at <= n.now_at and (d.closed_at is null or d.closed_at > n.now_at) as is_open_now
from windows as n
join plain.fct_deals as d
    on d.tenant_id = %(tenant)s and d.created_at < n.window_end and (d.closed_at is null or d.closed_at >= n.window_start)
left join plain.dim_clients as c on c.tenant_id = %(tenant)s and c.client_id = d.client_id
where not d.is_deleted and d.is_sales;

delete from plain.period_channels where tenant_id = %(tenant)s and window_start = any (%(starts)s);

insert into plain.period_channels
select %(tenant)s, window_start, window_end, channel, count(*) filter (where is_new), coalesce(sum(price) filter (where is_new), 0),
    count(*) filter (where is_closed and stage_kind = 'won'), coalesce(sum(price) filter (where is_closed and stage_kind = 'won'), 0),
    count(*) filter (where is_closed and stage_kind = 'won' and price > 0),
    sum(price) filter (where is_closed and stage_kind = 'won' and price > 0) / nullif(count(*) filter (where is_closed and stage_kind = 'won' and price > 0), 0),
    count(*) filter (where is_closed and stage_kind = 'lost'), coalesce(sum(price) filter (where is_closed and stage_kind = 'lost'), 0),
    count(*) filter (where is_open_now), coalesce(sum(price) filter (where is_open_now), 0)
from window_deals
where is_new or is_closed or is_open_now
group by window_start, window_end, channel;

-- A created deal enters where its first move begins, else where it stands.
delete from plain.period_stages where tenant_id = %(tenant)s and window_start = any (%(starts)s);

insert into plain.period_stages
select %(tenant)s, t.window_start, t.window_end, t.pipeline_id, t.status_id, max(p.payload ->> 'name'), coalesce(max(s.stage ->> 'name'), '№ ' || t.status_id),
    max((p.payload ->> 'sort')::integer), max((s.stage ->> 'sort')::integer), sum(t.came), sum(t.went), count(*) filter (where t.came > 0),
    count(*) filter (where t.came > 0 and d.stage_kind = 'won' and d.closed_at <= t.as_of),
    count(*) filter (where t.came > 0 and d.stage_kind = 'lost' and d.closed_at <= t.as_of)
from (
    select window_start, window_end, as_of, deal_id, pipeline_id, status_id, sum(came) as came, sum(went) as went
    from (
        select n.window_start, n.window_end, n.as_of, c.deal_id, x.pipeline_id, x.status_id, x.came, x.went
        from windows as n
        join plain.fct_deal_stage_changes as c on c.tenant_id = %(tenant)s and c.changed_at >= n.window_start and c.changed_at < n.window_end
        cross join lateral (
            values (c.to_pipeline_id, c.to_status_id, 1, 0), (c.from_pipeline_id, c.from_status_id, 0, 1)
        ) as x (pipeline_id, status_id, came, went)
        where (c.from_pipeline_id, c.from_status_id) is distinct from (c.to_pipeline_id, c.to_status_id)
        union all
        select n.window_start, n.window_end, n.as_of, d.deal_id, coalesce(f.from_pipeline_id, d.pipeline_id), coalesce(f.from_status_id, d.status_id), 1, 0
        from windows as n
        join plain.fct_deals as d on d.tenant_id = %(tenant)s and d.created_at >= n.window_start and d.created_at < n.window_end
        left join lateral (
            select from_pipeline_id, from_status_id from plain.fct_deal_stage_changes
            where tenant_id = %(tenant)s and deal_id = d.deal_id order by changed_at, event_id limit 1
        ) as f on true
    ) as steps
    group by window_start, window_end, as_of, deal_id, pipeline_id, status_id
) as t
join plain.fct_deals as d on d.tenant_id = %(tenant)s and d.deal_id = t.deal_id and not d.is_deleted and d.is_sales
left join raw_amocrm.pipelines as p on p.tenant_id = %(tenant)s and p.id = t.pipeline_id
left join lateral jsonb_array_elements(p.payload #> '{_embedded,statuses}') as s (stage) on s.stage ->> 'id' = t.status_id::text
group by t.window_start, t.window_end, t.pipeline_id, t.status_id;

delete from plain.period_managers where tenant_id = %(tenant)s and window_start = any (%(starts)s);

insert into plain.period_managers
select %(tenant)s, window_start, window_end, manager_id, coalesce(a.answered, 0), coalesce(a.response_n, 0),
    round(round(a.response_p50::numeric, 6), 2), round(round(a.response_p90::numeric, 6), 2),
    coalesce(a.first_response_n, 0), round(round(a.first_response_p50::numeric, 6), 2),
    coalesce(a.in_time, 0)::numeric / nullif(coalesce(a.answered, 0) + coalesce(u.late, 0), 0), coalesce(a.answered, 0) + coalesce(u.late, 0),
    coalesce(a.breached, 0) + coalesce(u.late, 0), coalesce(u.open_waits, 0), coalesce(u.open_overdue, 0), coalesce(a.off_hours, 0),
    coalesce(s.messages_sent, 0), coalesce(s.dialogs, 0), coalesce(d.won, 0), coalesce(d.won_amount, 0), coalesce(d.lost, 0),
    coalesce(d.lost_amount, 0), coalesce(d.priced, 0), d.won_amount / nullif(d.priced, 0), coalesce(d.open, 0), coalesce(d.open_amount, 0)
from (
    select window_start, window_end, replied_by as manager_id, count(*) as answered,
        count(*) filter (where not is_breached) as in_time, count(*) filter (where is_breached) as breached,
        count(*) filter (where is_off_hours) as off_hours, count(*) filter (where not is_off_hours) as response_n,
        percentile_cont(0.5) within group (order by response_minutes) filter (where not is_off_hours) as response_p50,
        percentile_cont(0.9) within group (order by response_minutes) filter (where not is_off_hours) as response_p90,
        count(*) filter (where is_first_response and not is_off_hours) as first_response_n,
        percentile_cont(0.5) within group (order by response_minutes)
            filter (where is_first_response and not is_off_hours) as first_response_p50
    from window_waits
    where is_of_window and is_answered and replied_by is not null
    group by window_start, window_end, replied_by
) as a
full join (
    select * from (
        select window_start, window_end, responsible_at_open as manager_id,
            count(*) filter (where is_of_window and not is_answered and is_breached) as late,
            count(*) filter (where is_open_now) as open_waits, count(*) filter (where is_open_now and is_past_deadline_now) as open_overdue
        from window_waits
        where responsible_at_open is not null
        group by window_start, window_end, responsible_at_open
    ) as counted
    where late > 0 or open_waits > 0
) as u using (window_start, window_end, manager_id)
full join (
    select window_start, window_end, author_id as manager_id, count(*) as messages_sent, count(distinct dialog_id) as dialogs
    from window_messages
    where kind = 'manager' and author_id is not null
    group by window_start, window_end, author_id
) as s using (window_start, window_end, manager_id)
full join (
    select window_start, window_end, responsible_id as manager_id, count(*) filter (where is_closed and stage_kind = 'won') as won,
        sum(price) filter (where is_closed and stage_kind = 'won') as won_amount,
        count(*) filter (where is_closed and stage_kind = 'won' and price > 0) as priced,
        count(*) filter (where is_closed and stage_kind = 'lost') as lost, sum(price) filter (where is_closed and stage_kind = 'lost') as lost_amount,
        count(*) filter (where is_open_now) as open, sum(price) filter (where is_open_now) as open_amount
    from window_deals
    where responsible_id is not null and (is_closed or is_open_now)
    group by window_start, window_end, responsible_id
) as d using (window_start, window_end, manager_id);

-- No groups and no numbers of its own: nothing is left out.
delete from plain.period_excluded where tenant_id = %(tenant)s and window_start = any (%(starts)s);

delete from plain.period_summary where tenant_id = %(tenant)s and window_start = any (%(starts)s);

insert into plain.period_summary
select %(tenant)s, n.window_start, n.window_end, n.report_type, n.label_date, n.as_of, n.now_at,
    m.messages, m.client_messages, m.manager_messages, m.bot_messages, w.waits, m.sessions, p.dialogs, 0, m.clients, d.deals, c.new_clients,
    round(round(w.first_p50::numeric, 6), 2), round(round(w.first_p90::numeric, 6), 2), w.first_n,
    round(round(w.p50::numeric, 6), 2), round(round(w.p90::numeric, 6), 2), w.n,
    w.answered, w.unattributed, w.in_time::numeric / nullif(w.target_n, 0), w.in_5::numeric / nullif(w.target_n, 0), w.target_n, w.breached, w.off_hours,
    w.open, w.overdue, w.open_unassigned, w.overdue_unassigned, w.lt15, w.lt60, w.lt4h, w.gt4h, w.gt1d, w.oldest,
    case when right(r.mode, 5) <> '_only' then p.matched::numeric / nullif(p.dialogs, 0) end, p.matched, 0, p.no_contact, p.without_deal,
    m.by_event, m.by_deal, m.by_nobody, coalesce(k.amount, 0), k.deals, k.unpriced,
    o.new, coalesce(o.new_amount, 0), o.won, coalesce(o.won_amount, 0), o.lost, coalesce(o.lost_amount, 0), o.priced, o.won_amount / nullif(o.priced, 0),
    o.open, coalesce(o.open_amount, 0), o.nobodys_won, coalesce(o.nobodys_amount, 0), o.nobodys_lost, n.is_complete
from windows as n
cross join rules as r
cross join lateral (
    select count(*) as messages, count(*) filter (where kind = 'client') as client_messages,
        count(*) filter (where kind = 'manager') as manager_messages, count(*) filter (where kind = 'bot') as bot_messages,
        count(distinct session_id) as sessions, count(distinct client_id) as clients,
        count(*) filter (where kind = 'manager' and author_source = 'event') as by_event,
        count(*) filter (where kind = 'manager' and author_source = 'deal') as by_deal,
        count(*) filter (where kind = 'manager' and author_source = 'none') as by_nobody
    from window_messages where window_start = n.window_start and window_end = n.window_end
) as m
cross join lateral (
    select count(*) as dialogs, count(*) filter (where c.match_status = 'matched') as matched,
        count(*) filter (where c.match_status = 'no_contact') as no_contact, count(*) filter (where c.match_status = 'contact_without_deal') as without_deal
    from plain.period_dialogs as p
    join plain.dim_clients as c using (tenant_id, client_id)
    where p.tenant_id = %(tenant)s and p.window_start = n.window_start and p.window_end = n.window_end
) as p
cross join lateral (
    select count(*) as new_clients from plain.dim_clients
    where tenant_id = %(tenant)s and first_message_at >= n.window_start and first_message_at < n.window_end
) as c
cross join lateral (
    select count(*) filter (where is_of_window) as waits, count(*) filter (where is_answered_of) as answered,
        count(*) filter (where is_answered_of and replied_by is null) as unattributed,
        count(*) filter (where is_answered_of and is_off_hours) as off_hours, count(*) filter (where is_of_window and is_breached) as breached,
        count(*) filter (where is_answered_of and not is_breached) as in_time,
        count(*) filter (where is_answered_of and response_minutes <= 5) as in_5, count(*) filter (where is_of_window and (is_answered or is_breached)) as target_n,
        count(*) filter (where is_measured) as n, count(*) filter (where is_measured and is_first_response) as first_n,
        percentile_cont(0.5) within group (order by response_minutes) filter (where is_measured) as p50,
        percentile_cont(0.9) within group (order by response_minutes) filter (where is_measured) as p90,
        percentile_cont(0.5) within group (order by response_minutes) filter (where is_measured and is_first_response) as first_p50,
        percentile_cont(0.9) within group (order by response_minutes) filter (where is_measured and is_first_response) as first_p90,
        count(*) filter (where is_open_now) as open, count(*) filter (where is_open_now and is_past_deadline_now) as overdue,
        count(*) filter (where is_open_now and responsible_at_open is null) as open_unassigned,
        count(*) filter (where is_open_now and is_past_deadline_now and responsible_at_open is null) as overdue_unassigned,
        count(*) filter (where is_open_now and age_minutes < 15) as lt15,
        count(*) filter (where is_open_now and age_minutes >= 15 and age_minutes < 60) as lt60,
        count(*) filter (where is_open_now and age_minutes >= 60 and age_minutes <= 240) as lt4h,
        count(*) filter (where is_open_now and age_minutes > 240 and age_minutes <= 1440) as gt4h,
        count(*) filter (where is_open_now and age_minutes > 1440) as gt1d, max(age_minutes) filter (where is_open_now) as oldest
    from (
        select *, is_of_window and is_answered as is_answered_of, is_of_window and is_answered and not is_off_hours as is_measured
        from window_waits where window_start = n.window_start and window_end = n.window_end
    ) as known
) as w
cross join lateral (
    select sum(price) filter (where price > 0) as amount, count(*) as deals, count(*) filter (where coalesce(price, 0) <= 0) as unpriced
    from plain.fct_deals
    where tenant_id = %(tenant)s and not is_deleted and is_sales and created_at <= n.now_at and (closed_at is null or closed_at > n.now_at)
        and client_id = any (array(
            select client_id from window_waits
            where window_start = n.window_start and window_end = n.window_end and is_open_now and is_past_deadline_now))
) as k
cross join lateral (
    select count(*) as deals
    from plain.fct_deals
    where tenant_id = %(tenant)s and not is_deleted and is_sales and deal_id = any (array(
            select deal_id from plain.fct_deals
            where tenant_id = %(tenant)s and created_at < n.window_end and (closed_at is null or closed_at >= n.window_start)
                and client_id = any (array(
                select client_id from window_messages where window_start = n.window_start and window_end = n.window_end))
            union
            select deal_id from plain.fct_deals where tenant_id = %(tenant)s and created_at >= n.window_start and created_at < n.window_end
            union
            select deal_id from plain.fct_deals where tenant_id = %(tenant)s and closed_at >= n.window_start and closed_at < n.window_end
            union
            select deal_id from plain.fct_deal_stage_changes
            where tenant_id = %(tenant)s and changed_at >= n.window_start and changed_at < n.window_end))
) as d
cross join lateral (
    select count(*) filter (where is_new) as new, sum(price) filter (where is_new) as new_amount,
        count(*) filter (where is_won) as won, sum(price) filter (where is_won) as won_amount, count(*) filter (where is_won and price > 0) as priced,
        count(*) filter (where is_lost) as lost, sum(price) filter (where is_lost) as lost_amount,
        count(*) filter (where is_open_now) as open, sum(price) filter (where is_open_now) as open_amount,
        count(*) filter (where is_won and responsible_id is null) as nobodys_won, sum(price) filter (where is_won and responsible_id is null) as nobodys_amount,
        count(*) filter (where is_lost and responsible_id is null) as nobodys_lost
    from (
        select *, is_closed and stage_kind = 'won' as is_won, is_closed and stage_kind = 'lost' as is_lost
        from window_deals where window_start = n.window_start and window_end = n.window_end
    ) as of_window
) as o
