-- The third part of plain.sql, in the same transaction: what is usual, and why a number is not. The models' statements over plain's tables.
-- as the models are planned: compiling costs more than these queries, and nothing here is looked up row by row
set local jit = off;

set local enable_nestloop = off;

delete from plain.window_parts where tenant_id = %(tenant)s and window_start = any (%(starts)s);

insert into plain.window_parts
with windows as (
    select n.tenant_id, n.window_start, n.window_end, n.now_at, s.timezone
    from (select %(tenant)s::uuid as tenant_id, w.* from windows as w) as n
    join (select %(tenant)s::uuid as tenant_id, true as is_current, r.timezone from rules as r) as s on s.tenant_id = n.tenant_id and s.is_current
    where n.tenant_id = %(tenant)s and n.window_start = any (%(starts)s)
),
waits as (
    select * from (select %(tenant)s::uuid as tenant_id, w.* from window_waits as w)
    where tenant_id = %(tenant)s and window_start = any (%(starts)s)
),
dialogs as (
    select * from plain.period_dialogs
    where tenant_id = %(tenant)s and window_start = any (%(starts)s)
),
late as (
    select distinct tenant_id, window_start, window_end, client_id from waits
    where is_open_now and is_past_deadline_now
),
deals as (
    select n.tenant_id, n.window_start, n.window_end, 'created' as kind, d.deal_id, d.client_id, d.responsible_id, coalesce(d.price, 0) as amount, null as stage
    from windows as n
    cross join lateral (select * from plain.fct_deals as x where x.tenant_id = n.tenant_id and x.created_at >= n.window_start and x.created_at < n.window_end offset 0) as d
    where not d.is_deleted
    union all
    select
        n.tenant_id, n.window_start, n.window_end, d.stage_kind as kind, d.deal_id, d.client_id, d.responsible_id, coalesce(d.price, 0) as amount,
        coalesce((
            select c.from_pipeline_id || ':' || c.from_status_id
            from plain.fct_deal_stage_changes as c
            where c.tenant_id = d.tenant_id and c.deal_id = d.deal_id and c.to_status_id in (142, 143)
            order by c.changed_at desc, c.event_id collate "C" desc
            limit 1
        ), '') as stage
    from windows as n
    cross join lateral (select * from plain.fct_deals as x where x.tenant_id = n.tenant_id and x.closed_at >= n.window_start and x.closed_at < n.window_end offset 0) as d
    where not d.is_deleted and d.stage_kind in ('won', 'lost')
    union all
    select
        n.tenant_id, n.window_start, n.window_end, 'at_risk' as kind, d.deal_id, d.client_id, d.responsible_id, greatest(coalesce(d.price, 0), 0) as amount,
        coalesce(
            (
                select c.to_pipeline_id || ':' || c.to_status_id
                from plain.fct_deal_stage_changes as c
                where c.tenant_id = d.tenant_id and c.deal_id = d.deal_id and c.changed_at <= n.now_at
                order by c.changed_at desc, c.event_id collate "C" desc
                limit 1
            ),
            (
                select c.from_pipeline_id || ':' || c.from_status_id
                from plain.fct_deal_stage_changes as c
                where c.tenant_id = d.tenant_id and c.deal_id = d.deal_id and c.changed_at > n.now_at
                order by c.changed_at asc, c.event_id collate "C" asc
                limit 1
            ),
            d.pipeline_id || ':' || d.status_id,
            ''
        ) as stage
    from windows as n
    join late as w using (tenant_id, window_start, window_end)
    join plain.fct_deals as d on d.tenant_id = w.tenant_id and d.client_id = w.client_id
    where not d.is_deleted
        and d.created_at <= n.now_at and (d.closed_at is null or d.closed_at > n.now_at)
        and d.tenant_id = %(tenant)s and d.client_id = any(array(select l.client_id from late as l))
),
people as (
    select client_id from waits
    union
    select client_id from dialogs
    union
    select client_id from deals
    where client_id is not null
),
clients as (
    select tenant_id, client_id, first_message_at
    from plain.dim_clients
    where tenant_id = %(tenant)s and client_id = any(array(select p.client_id from people as p))
),
channels as (
    select tenant_id, dialog_id, client_id, channel, first_message_at
    from plain.dim_dialogs
    where tenant_id = %(tenant)s and client_id = any(array(select c.client_id from clients as c))
),
first_channels as (
    select distinct on (tenant_id, client_id) tenant_id, client_id, channel
    from channels
    order by tenant_id asc, client_id asc, first_message_at asc nulls last, dialog_id collate "C" asc
),
counted as (
    select
        n.tenant_id, n.window_start, n.window_end, 'asked' as kind,
        coalesce(case when w.is_answered then w.replied_by else w.responsible_at_open end, '') as manager,
        coalesce(d.channel, '') as channel,
        case
        when extract(hour from w.opened_at at time zone n.timezone) < 9 then '00-09'
        when extract(hour from w.opened_at at time zone n.timezone) < 13 then '09-13'
        when extract(hour from w.opened_at at time zone n.timezone) < 17 then '13-17'
        else '17-24'
    end as hours,
        case
        when c.first_message_at < n.window_start then 'returning'
        when c.first_message_at < n.window_end then 'new'
        else ''
    end as clients,
        null as stage,
        w.is_answered, w.is_breached as is_late,
        w.is_answered and not w.is_off_hours as is_timed, w.is_first_response, w.response_minutes as amount
    from windows as n
    join waits as w using (tenant_id, window_start, window_end)
    left join channels as d on d.tenant_id = w.tenant_id and d.dialog_id = w.dialog_id
    left join clients as c on c.tenant_id = w.tenant_id and c.client_id = w.client_id
    where w.is_of_window
    union all
    select
        n.tenant_id, n.window_start, n.window_end, 'waiting' as kind,
        coalesce(w.responsible_at_open, '') as manager,
        coalesce(d.channel, '') as channel,
        case
        when extract(hour from w.opened_at at time zone n.timezone) < 9 then '00-09'
        when extract(hour from w.opened_at at time zone n.timezone) < 13 then '09-13'
        when extract(hour from w.opened_at at time zone n.timezone) < 17 then '13-17'
        else '17-24'
    end as hours,
        case
        when c.first_message_at < n.window_start then 'returning'
        when c.first_message_at < n.window_end then 'new'
        else ''
    end as clients,
        null as stage,
        false as is_answered, w.is_past_deadline_now as is_late, false as is_timed, false as is_first_response, null as amount
    from windows as n
    join waits as w using (tenant_id, window_start, window_end)
    left join channels as d on d.tenant_id = w.tenant_id and d.dialog_id = w.dialog_id
    left join clients as c on c.tenant_id = w.tenant_id and c.client_id = w.client_id
    where w.is_open_now
    union all
    select
        n.tenant_id, n.window_start, n.window_end, 'dialog' as kind,
        coalesce(p.manager_id, '') as manager,
        coalesce(d.channel, '') as channel,
        case
        when extract(hour from p.first_message_at at time zone n.timezone) < 9 then '00-09'
        when extract(hour from p.first_message_at at time zone n.timezone) < 13 then '09-13'
        when extract(hour from p.first_message_at at time zone n.timezone) < 17 then '13-17'
        else '17-24'
    end as hours,
        case
        when c.first_message_at < n.window_start then 'returning'
        when c.first_message_at < n.window_end then 'new'
        else ''
    end as clients,
        null as stage,
        false as is_answered, false as is_late, false as is_timed, false as is_first_response, null as amount
    from windows as n
    join dialogs as p using (tenant_id, window_start, window_end)
    left join channels as d on d.tenant_id = p.tenant_id and d.dialog_id = p.dialog_id
    left join clients as c on c.tenant_id = p.tenant_id and c.client_id = p.client_id
    union all
    select
        n.tenant_id, n.window_start, n.window_end, 'new_client' as kind,
        coalesce(p.manager_id, '') as manager,
        coalesce(f.channel, '') as channel,
        case
        when extract(hour from c.first_message_at at time zone n.timezone) < 9 then '00-09'
        when extract(hour from c.first_message_at at time zone n.timezone) < 13 then '09-13'
        when extract(hour from c.first_message_at at time zone n.timezone) < 17 then '13-17'
        else '17-24'
    end as hours,
        null as clients, null as stage,
        false as is_answered, false as is_late, false as is_timed, false as is_first_response, null as amount
    from windows as n
    join (select tenant_id, window_start, window_end, client_id, max(manager_id) as manager_id from dialogs group by tenant_id, window_start, window_end, client_id) as p using (tenant_id, window_start, window_end)
    join clients as c on c.tenant_id = p.tenant_id and c.client_id = p.client_id
    left join first_channels as f on f.tenant_id = p.tenant_id and f.client_id = p.client_id
    where c.first_message_at >= n.window_start and c.first_message_at < n.window_end
    union all
    select
        n.tenant_id, n.window_start, n.window_end, d.kind,
        coalesce(d.responsible_id, '') as manager,
        coalesce(f.channel, '') as channel,
        null as hours,
        case
        when c.first_message_at < n.window_start then 'returning'
        when c.first_message_at < n.window_end then 'new'
        else ''
    end as clients,
        d.stage,
        false as is_answered, false as is_late, false as is_timed, false as is_first_response, d.amount
    from windows as n
    join deals as d using (tenant_id, window_start, window_end)
    left join first_channels as f on f.tenant_id = d.tenant_id and f.client_id = d.client_id
    left join clients as c on c.tenant_id = d.tenant_id and c.client_id = d.client_id
)
select
    n.tenant_id,
    n.window_start,
    n.window_end,
    p.dimension,
    p.part,
    count(*) filter (where n.kind = 'asked') as waits,
    count(*) filter (where n.kind = 'asked' and n.is_late) as breached,
    count(*) filter (where n.kind = 'asked' and n.is_answered and not n.is_late) as in_time,
    count(*) filter (where n.kind = 'asked' and n.is_answered and n.amount <= 5) as in_5,
    count(*) filter (where n.kind = 'asked' and (n.is_answered or n.is_late)) as judged,
    array_agg(n.amount order by n.amount) filter (where n.kind = 'asked' and n.is_timed) as response_minutes,
    array_agg(n.amount order by n.amount) filter (where n.kind = 'asked' and n.is_timed and n.is_first_response) as first_response_minutes,
    count(*) filter (where n.kind = 'waiting') as unanswered,
    count(*) filter (where n.kind = 'waiting' and n.is_late) as overdue,
    count(*) filter (where n.kind = 'dialog') as dialogs,
    count(*) filter (where n.kind = 'new_client') as new_clients,
    count(*) filter (where n.kind = 'at_risk') as deals_at_risk,
    coalesce(sum(n.amount) filter (where n.kind = 'at_risk'), 0) as risk_amount,
    count(*) filter (where n.kind = 'created') as deals_new,
    count(*) filter (where n.kind = 'won') as deals_won,
    coalesce(sum(n.amount) filter (where n.kind = 'won'), 0) as deals_won_amount,
    count(*) filter (where n.kind = 'lost') as deals_lost,
    coalesce(sum(n.amount) filter (where n.kind = 'lost'), 0) as deals_lost_amount
from counted as n
cross join lateral (
    values
    ('manager', n.manager), ('channel', n.channel), ('hours', n.hours), ('clients', n.clients), ('stage', n.stage),
    ('manager_hours', case when n.kind = 'asked' then n.manager || '/' || n.hours end)
) as p (dimension, part)
where p.part is not null
group by n.tenant_id, n.window_start, n.window_end, p.dimension, p.part;

create temp table window_baselines on commit drop as
with offered as (
    select
        n.tenant_id, n.window_start, n.window_end,
        b.value ->> 'compared_with' as compared_with,
        (b.value ->> 'start')::timestamptz as base_start,
        (b.value ->> 'end')::timestamptz as base_end,
        b.value ->> 'unit' as unit,
        (b.value ->> 'working_days')::integer as working_days
    from synkro.report_windows as n
    cross join lateral jsonb_array_elements(n.baselines) as b (value)
    where n.tenant_id = %(tenant)s and n.window_start = any (%(starts)s)
),
standing as (
    select
        o.*,
        row_number() over (partition by o.tenant_id, o.window_start, o.window_end, o.compared_with order by o.base_start desc, o.base_end desc) as place,
        count(*) over (partition by o.tenant_id, o.window_start, o.window_end, o.compared_with) as found
    from offered as o
    join (select * from plain.period_summary where tenant_id = %(tenant)s) as s
        on s.tenant_id = o.tenant_id and s.window_start = o.base_start and s.window_end = o.base_end
    where s.is_complete
)
select
    tenant_id,
    window_start,
    window_end,
    compared_with,
    base_start,
    base_end,
    unit,
    working_days,
    least(found, 4)::integer as windows
from standing
where place <= 4 and (found > 1 or compared_with = 'previous' or unit = 'working_days');

delete from plain.period_usual where tenant_id = %(tenant)s and window_start = any (%(starts)s);

insert into plain.period_usual
with bases as (
    select * from window_baselines
    where tenant_id = %(tenant)s and window_start = any (%(starts)s)
),
numbers as (
    select
        b.tenant_id, b.window_start, b.window_end, b.compared_with, b.windows, b.unit, b.working_days,
        v.key as metric, v.value::numeric as value,
        s.first_response_n, s.response_n, s.answered_within_target_n, s.dialogs, s.dialogs_matched
    from bases as b
    join (
        select * from plain.period_summary as x
        where x.tenant_id = %(tenant)s and x.window_start = any(array(select o.base_start from bases as o))
    ) as s on s.tenant_id = b.tenant_id and s.window_start = b.base_start and s.window_end = b.base_end
    cross join lateral jsonb_each_text(
        to_jsonb(s) - array['tenant_id', 'window_start', 'window_end', 'report_type', 'label_date', 'as_of', 'now_at', 'is_complete']
    ) as v (key, value)
),
averaged as (
    select
        tenant_id, window_start, window_end, compared_with, metric,
        max(windows) as windows,
        max(unit) as unit,
        max(working_days) as working_days,
        avg(value) as value,
        stddev_samp(value) as spread,
        sum(first_response_n) as first_response_n,
        sum(response_n) as response_n,
        sum(answered_within_target_n) as target_n,
        sum(dialogs) as dialogs,
        sum(dialogs_matched) as dialogs_matched
    from numbers
    group by tenant_id, window_start, window_end, compared_with, metric
),
parts as (
    select b.tenant_id, b.window_start, b.window_end, b.compared_with, p.in_time, p.in_5, p.judged, p.response_minutes, p.first_response_minutes
    from bases as b
    join (
        select * from plain.window_parts as x
        where x.tenant_id = %(tenant)s and x.dimension = 'channel'
            and x.window_start = any(array(select o.base_start from bases as o))
    ) as p on p.tenant_id = b.tenant_id and p.window_start = b.base_start and p.window_end = b.base_end
),
shares as (
    select
        tenant_id, window_start, window_end, compared_with,
        sum(in_time) / nullif(sum(judged), 0) as answered_within_target,
        sum(in_5) / nullif(sum(judged), 0) as answered_within_5
    from parts
    group by tenant_id, window_start, window_end, compared_with
),
response as (
    select
        tenant_id, window_start, window_end, compared_with,
        percentile_cont(0.5) within group (order by minutes) as p50,
        percentile_cont(0.9) within group (order by minutes) as p90
    from parts
    cross join lateral unnest(response_minutes) as m (minutes)
    group by tenant_id, window_start, window_end, compared_with
),
first_response as (
    select
        tenant_id, window_start, window_end, compared_with,
        percentile_cont(0.5) within group (order by minutes) as p50,
        percentile_cont(0.9) within group (order by minutes) as p90
    from parts
    cross join lateral unnest(first_response_minutes) as m (minutes)
    group by tenant_id, window_start, window_end, compared_with
),
told as (
    select
        a.tenant_id,
        a.window_start,
        a.window_end,
        a.compared_with,
        a.metric,
        case a.metric
            when 'answered_within_target' then round(s.answered_within_target, 4)
            when 'answered_within_5' then round(s.answered_within_5, 4)
            when 'match_rate' then case when a.value is not null then round(a.dialogs_matched::numeric / nullif(a.dialogs, 0), 4) end
            when 'response_p50' then round(round(r.p50::numeric, 6), 2)
            when 'response_p90' then round(round(r.p90::numeric, 6), 2)
            when 'first_response_p50' then round(round(f.p50::numeric, 6), 2)
            when 'first_response_p90' then round(round(f.p90::numeric, 6), 2)
            else round(a.value, 4)
        end as value,
        round(round(a.spread, 12), 4) as spread,
        a.windows,
        case a.metric
            when 'answered_within_target' then a.target_n
            when 'answered_within_5' then a.target_n
            when 'match_rate' then a.dialogs
            when 'response_p50' then a.response_n
            when 'response_p90' then a.response_n
            when 'first_response_p50' then a.first_response_n
            when 'first_response_p90' then a.first_response_n
        end::integer as cases,
        a.unit,
        a.working_days
    from averaged as a
    left join shares as s using (tenant_id, window_start, window_end, compared_with)
    left join response as r using (tenant_id, window_start, window_end, compared_with)
    left join first_response as f using (tenant_id, window_start, window_end, compared_with)
)
select * from told
where value is not null;

delete from plain.period_changes where tenant_id = %(tenant)s and window_start = any (%(starts)s);

insert into plain.period_changes
with bases as (
    select * from window_baselines
    where tenant_id = %(tenant)s and window_start = any (%(starts)s)
),
compared as (
    select tenant_id, window_start, window_end, compared_with, max(windows) as windows
    from bases
    group by tenant_id, window_start, window_end, compared_with
),
sides as (
    select
        n.tenant_id, n.window_start, n.window_end, n.compared_with, n.windows, false as is_base, p.dimension, p.part,
        p.waits, p.breached, p.in_time, p.in_5, p.judged, p.response_minutes, p.first_response_minutes, p.unanswered, p.overdue, p.dialogs, p.new_clients, p.deals_at_risk, p.risk_amount, p.deals_new, p.deals_won, p.deals_won_amount, p.deals_lost, p.deals_lost_amount
    from compared as n
    join (select * from plain.window_parts where tenant_id = %(tenant)s and window_start = any (%(starts)s)) as p using (tenant_id, window_start, window_end)
    union all
    select
        b.tenant_id, b.window_start, b.window_end, b.compared_with, b.windows, true as is_base, p.dimension, p.part,
        p.waits, p.breached, p.in_time, p.in_5, p.judged, p.response_minutes, p.first_response_minutes, p.unanswered, p.overdue, p.dialogs, p.new_clients, p.deals_at_risk, p.risk_amount, p.deals_new, p.deals_won, p.deals_won_amount, p.deals_lost, p.deals_lost_amount
    from bases as b
    join (
        select * from plain.window_parts as x
        where x.tenant_id = %(tenant)s and x.window_start = any(array(select o.base_start from bases as o))
    ) as p on p.tenant_id = b.tenant_id and p.window_start = b.base_start and p.window_end = b.base_end
),
known as (
    select u.tenant_id, u.window_start, u.window_end, u.compared_with, u.metric, (to_jsonb(s) ->> u.metric)::numeric as value, u.value as base
    from (select * from plain.period_usual where tenant_id = %(tenant)s and window_start = any (%(starts)s)) as u
    join (select * from plain.period_summary where tenant_id = %(tenant)s and window_start = any (%(starts)s)) as s using (tenant_id, window_start, window_end)
    where u.metric in ('dialogs', 'new_clients', 'waits', 'breached', 'unanswered_now', 'unanswered_overdue', 'money_at_risk', 'deals_new', 'deals_won', 'deals_won_amount', 'deals_lost', 'deals_lost_amount', 'answered_within_target', 'answered_within_5', 'first_response_p50', 'response_p50')
),
minutes as (
    select s.tenant_id, s.window_start, s.window_end, s.compared_with, s.windows, s.is_base, s.dimension, s.part, t.metric, a.minutes
    from sides as s
    cross join lateral (
        values
        ('first_response_p50', s.first_response_minutes),
        ('response_p50', s.response_minutes)
    ) as t (metric, answers)
    cross join lateral unnest(t.answers) as a (minutes)
),
measured as (
    select
        s.tenant_id, s.window_start, s.window_end, s.compared_with, m.metric, s.dimension, s.part, m.shape, max(s.windows) as windows,
        coalesce(sum(m.numerator) filter (where not s.is_base), 0) as numerator,
        coalesce(sum(m.denominator) filter (where not s.is_base), 0) as denominator,
        coalesce(sum(m.n) filter (where not s.is_base), 0) as n,
        coalesce(sum(m.numerator) filter (where s.is_base), 0) as base_numerator,
        coalesce(sum(m.denominator) filter (where s.is_base), 0) as base_denominator,
        coalesce(sum(m.n) filter (where s.is_base), 0) as base_n,
        null::numeric as part_median,
        null::numeric as base_median
    from sides as s
    cross join lateral (
        values
        ('dialogs', 'count', s.dialogs::numeric, 0::bigint, s.dialogs),
        ('new_clients', 'count', s.new_clients::numeric, 0::bigint, s.new_clients),
        ('waits', 'count', s.waits::numeric, 0::bigint, s.waits),
        ('breached', 'count', s.breached::numeric, 0::bigint, s.breached),
        ('unanswered_now', 'count', s.unanswered::numeric, 0::bigint, s.unanswered),
        ('unanswered_overdue', 'count', s.overdue::numeric, 0::bigint, s.overdue),
        ('money_at_risk', 'count', s.risk_amount::numeric, 0::bigint, s.deals_at_risk),
        ('deals_new', 'count', s.deals_new::numeric, 0::bigint, s.deals_new),
        ('deals_won', 'count', s.deals_won::numeric, 0::bigint, s.deals_won),
        ('deals_won_amount', 'count', s.deals_won_amount::numeric, 0::bigint, s.deals_won),
        ('deals_lost', 'count', s.deals_lost::numeric, 0::bigint, s.deals_lost),
        ('deals_lost_amount', 'count', s.deals_lost_amount::numeric, 0::bigint, s.deals_lost),
        ('answered_within_target', 'share', s.in_time::numeric, s.judged, s.judged),
        ('answered_within_5', 'share', s.in_5::numeric, s.judged, s.judged)
    ) as m (metric, shape, numerator, denominator, n)
    group by s.tenant_id, s.window_start, s.window_end, s.compared_with, m.metric, s.dimension, s.part, m.shape
    having bool_or(m.numerator <> 0 or m.n <> 0)
    union all
    select
        m.tenant_id, m.window_start, m.window_end, m.compared_with, m.metric, m.dimension, m.part, 'median' as shape, max(m.windows) as windows,
        coalesce(sum(held.minutes) filter (where not m.is_base), 0) as numerator,
        count(*) filter (where not m.is_base) as denominator,
        count(*) filter (where not m.is_base) as n,
        coalesce(sum(held.minutes) filter (where m.is_base), 0) as base_numerator,
        count(*) filter (where m.is_base) as base_denominator,
        count(*) filter (where m.is_base) as base_n,
        round(round(percentile_cont(0.5) within group (order by m.minutes) filter (where not m.is_base)::numeric, 6), 2) as part_median,
        round(round(percentile_cont(0.5) within group (order by m.minutes) filter (where m.is_base)::numeric, 6), 2) as base_median
    from minutes as m
    join known as k using (tenant_id, window_start, window_end, compared_with, metric)
    cross join lateral (select least(greatest(m.minutes, least(k.value, k.base)), greatest(k.value, k.base)) as minutes) as held
    group by m.tenant_id, m.window_start, m.window_end, m.compared_with, m.metric, m.dimension, m.part
),
weighed as (
    select
        m.*, k.value, k.base,
        m.denominator / nullif(sum(m.denominator) over w, 0) as weight,
        m.base_denominator / nullif(sum(m.base_denominator) over w, 0) as base_weight,
        coalesce(m.numerator / nullif(m.denominator, 0), m.base_numerator / nullif(m.base_denominator, 0)) as mean,
        coalesce(m.base_numerator / nullif(m.base_denominator, 0), m.numerator / nullif(m.denominator, 0)) as base_mean,
        (
            sum(m.numerator) over w / nullif(sum(m.denominator) over w, 0)
            + sum(m.base_numerator) over w / nullif(sum(m.base_denominator) over w, 0)
        ) / 2 as whole,
        sign(
            sum(m.numerator) over w * sum(m.base_denominator) over w - sum(m.base_numerator) over w * sum(m.denominator) over w
        ) as direction
    from measured as m
    join known as k using (tenant_id, window_start, window_end, compared_with, metric)
    where k.value is not null and k.base is not null
    window w as (partition by tenant_id, window_start, window_end, compared_with, metric, dimension)
),
effects as (
    select
        *,
        case
            when shape = 'count' then numerator - base_numerator / windows
            else (weight + base_weight) / 2 * (mean - base_mean) + (weight - base_weight) * ((mean + base_mean) / 2 - whole)
        end as effect
    from weighed
),
scaled as (
    select
        *,
        case
            when shape <> 'median' then effect
            when direction * (value - base) > 0 then effect / sum(effect) over w * (value - base)
            else weight * (value - base)
        end as exact
    from effects
    window w as (partition by tenant_id, window_start, window_end, compared_with, metric, dimension)
),
rounded as (
    select
        *,
        row_number() over (partition by tenant_id, window_start, window_end, compared_with, metric, dimension order by abs(shown) desc, part collate "C" asc) as place
    from (select *, round(round(exact, 12), 6) as shown from scaled) as s
),
named as (
    select tenant_id, pipeline_id || ':' || status_id as stage_key, max(coalesce(pipeline || ' · ', '') || stage) as name
    from staging.stg_amocrm__stages
    where tenant_id = %(tenant)s
    group by tenant_id, pipeline_id || ':' || status_id
)
select
    r.tenant_id,
    r.window_start,
    r.window_end,
    r.compared_with,
    r.metric,
    r.dimension,
    r.part,
    case r.dimension
        when 'manager' then coalesce(m.name, r.part)
        when 'manager_hours' then coalesce(m.name, split_part(r.part, '/', 1)) || ' ' || split_part(r.part, '/', 2)
        when 'stage' then coalesce(s.name, r.part)
        else r.part
    end as part_label,
    r.value,
    r.base,
    r.shown + case when r.place = 1 then r.value - r.base - sum(r.shown) over w else 0 end as contribution,
    r.numerator,
    case when r.shape <> 'count' then r.denominator end::bigint as denominator,
    round(r.base_numerator / r.windows, 6) as base_numerator,
    case when r.shape <> 'count' then round(r.base_denominator / r.windows, 6) end as base_denominator,
    case r.shape
        when 'count' then r.numerator
        when 'share' then round(r.numerator / nullif(r.denominator, 0), 4)
        else r.part_median
    end as part_value,
    case r.shape
        when 'count' then round(r.base_numerator / r.windows, 4)
        when 'share' then round(r.base_numerator / nullif(r.base_denominator, 0), 4)
        else r.base_median
    end as part_base,
    r.n::integer as n,
    round(r.base_n / r.windows, 4) as base_n
from rounded as r
left join plain.dim_managers as m
    on m.tenant_id = r.tenant_id and r.dimension in ('manager', 'manager_hours') and m.manager_id = split_part(r.part, '/', 1)
left join named as s on s.tenant_id = r.tenant_id and r.dimension = 'stage' and s.stage_key = r.part
window w as (partition by r.tenant_id, r.window_start, r.window_end, r.compared_with, r.metric, r.dimension);
