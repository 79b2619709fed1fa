{{ config(indexes=[
    {'columns': ['tenant_id', 'case_id'], 'unique': true},
    {'columns': ['tenant_id', 'subject_id']},
    {'columns': ['tenant_id', 'deal_id']},
]) }}
-- What needs somebody because of a deal: when it opens, the row that ends it, and the age at which it is given up.

with deals as (

    select tenant_id, deal_id, client_id, responsible_id, is_deleted, created_at, updated_at, closed_at
    from {{ ref('fct_deals') }}
    where {{ tenant_filter() }} and {{ affected_deals() }}

),

-- A deal stands still for longer than three quarters of the stays that had ended in its stage when it came there (of the last
-- hundred; ten at least), and for a day at least. Judged by what had ended by then, the moment never moves.
stuck as (

    select
        s.tenant_id,
        'deal_stuck:' || s.deal_id || ':' || s.entered_by_event_id as case_id,
        'deal_stuck' as kind,
        d.client_id,
        s.deal_id,
        d.responsible_id,
        s.entered_at + greatest(make_interval(secs => norm.seconds), interval '1 day') as opened_at,
        s.entered_at as began_at,
        s.left_at as done_at,
        s.left_by_event_id as closed_by_event_id,
        case when s.left_by_event_id is null then s.deal_id end as closed_by_deal_id,
        null as closed_by_task_id,
        d.is_deleted,
        d.updated_at
    from deals as d
    join {{ ref('int_stage_stays') }} as s on s.tenant_id = d.tenant_id and s.deal_id = d.deal_id
    cross join lateral (
        select count(*) as n, percentile_cont(0.75) within group (order by ended.seconds) as seconds
        from (
            select extract(epoch from x.left_at - x.entered_at)::double precision as seconds
            from {{ ref('int_stage_stays') }} as x
            where x.tenant_id = s.tenant_id and x.pipeline_id = s.pipeline_id and x.status_id = s.status_id
                and x.left_at <= s.entered_at
            order by x.left_at desc, x.deal_id collate "C" desc, x.entered_by_event_id collate "C" desc
            limit 100
        ) as ended
    ) as norm
    where {{ tenant_filter('s.tenant_id') }}
        {{- scope_filter('s.deal_id', 'select deal_id from deals') }}
        and (s.left_at is null or s.left_at > s.entered_at + interval '1 day')
        and norm.n >= 10

),

-- An open deal without an open task, a day after the last one was done, or after the deal was made. Done by the next task, or by the
-- end of the deal.
tasks as (

    select
        tenant_id, deal_id, task_id, created_at,
        case when is_completed then greatest(completed_at, created_at) end as ended_at
    from {{ ref('fct_tasks') }}
    where {{ tenant_filter() }}{{ scope_filter('deal_id', 'select deal_id from deals') }} and created_at is not null

),

began as (

    select tenant_id, deal_id, 'created' as task_id, created_at as at
    from deals
    where created_at is not null

    union all

    select * from (
        select distinct on (t.tenant_id, t.deal_id, t.ended_at) t.tenant_id, t.deal_id, t.task_id, t.ended_at as at
        from tasks as t
        join deals as d on d.tenant_id = t.tenant_id and d.deal_id = t.deal_id
        where t.ended_at > d.created_at
        order by t.tenant_id, t.deal_id, t.ended_at, t.task_id collate "C" desc
    ) as ended

),

gaps as (

    select
        b.tenant_id, b.deal_id, b.task_id, b.at,
        (array_agg(t.task_id order by t.created_at, t.task_id collate "C") filter (where t.created_at > b.at))[1] as next_task_id,
        min(t.created_at) filter (where t.created_at > b.at) as next_at
    from began as b
    left join tasks as t on t.tenant_id = b.tenant_id and t.deal_id = b.deal_id
    group by b.tenant_id, b.deal_id, b.task_id, b.at
    having not coalesce(bool_or(t.created_at <= b.at and (t.ended_at is null or t.ended_at > b.at)), false)

),

without_task as (

    select
        d.tenant_id,
        'deal_without_task:' || d.deal_id || ':' || g.task_id as case_id,
        'deal_without_task' as kind,
        d.client_id,
        d.deal_id,
        d.responsible_id,
        g.at + interval '1 day' as opened_at,
        g.at as began_at,
        least(g.next_at, d.closed_at) as done_at,
        null as closed_by_event_id,
        case when d.closed_at < coalesce(g.next_at, 'infinity') then d.deal_id end as closed_by_deal_id,
        case when g.next_at <= coalesce(d.closed_at, 'infinity') then g.next_task_id end as closed_by_task_id,
        d.is_deleted,
        d.updated_at
    from deals as d
    join gaps as g on g.tenant_id = d.tenant_id and g.deal_id = d.deal_id

),

cases as (

    select * from stuck
    union all
    select * from without_task

)

select
    tenant_id, case_id, kind, coalesce(client_id, 'deal:' || deal_id) as subject_id, client_id, deal_id, responsible_id, opened_at, began_at,
    done_at,
    case when done_at is not null then closed_by_event_id end as closed_by_event_id,
    case when done_at is not null then closed_by_deal_id end as closed_by_deal_id,
    case when done_at is not null then closed_by_task_id end as closed_by_task_id,
    -- a deal in the bin needs nobody
    least(opened_at + interval '60 days', case when is_deleted then greatest(updated_at, opened_at) end) as expires_at
from cases
where done_at is null or done_at > opened_at
