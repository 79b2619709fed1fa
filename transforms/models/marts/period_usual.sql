{{ config(indexes=[
    {'columns': ['tenant_id', 'window_start', 'window_end', 'compared_with', 'metric'], 'unique': true},
]) }}
-- What is usual for a number, and what it was before: the mean over the windows compared with. A share and a percentile are those
-- of all rows of these windows together: a day of three answers says less than a day of a hundred.

{%- set key = 'tenant_id, window_start, window_end' %}

with bases as (

    select * from {{ ref('int_window_baselines') }}
    where {{ window_filter() }}

),

-- Every number of each window compared with, by its name.
numbers as (

    select
        b.tenant_id, b.window_start, b.window_end, b.compared_with, b.windows, b.unit, b.working_days,
        v.key as metric, v.value::numeric as value,
        s.first_response_n, s.response_n, s.answered_within_target_n, s.dialogs, s.dialogs_matched
    from bases as b
    join (
        select * from {{ ref('period_summary') }} as x
        where {{ tenant_filter('x.tenant_id') }} and x.window_start = any(array(select o.base_start from bases as o))
    ) as s on s.tenant_id = b.tenant_id and s.window_start = b.base_start and s.window_end = b.base_end
    cross join lateral jsonb_each_text(
        to_jsonb(s) - array['tenant_id', 'window_start', 'window_end', 'report_type', 'label_date', 'as_of', 'now_at', 'is_complete']
    ) as v (key, value)

),

averaged as (

    select
        {{ key }}, compared_with, metric,
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
    group by {{ key }}, compared_with, metric

),

-- All their waits together, by any dimension that every wait has.
parts as (

    select b.tenant_id, b.window_start, b.window_end, b.compared_with, p.in_time, p.in_5, p.judged, p.response_minutes, p.first_response_minutes
    from bases as b
    join (
        select * from {{ ref('int_window_parts') }} as x
        where {{ tenant_filter('x.tenant_id') }} and x.dimension = 'channel'
            and x.window_start = any(array(select o.base_start from bases as o))
    ) as p on p.tenant_id = b.tenant_id and p.window_start = b.base_start and p.window_end = b.base_end

),

shares as (

    select
        {{ key }}, compared_with,
        sum(in_time) / nullif(sum(judged), 0) as answered_within_target,
        sum(in_5) / nullif(sum(judged), 0) as answered_within_5
    from parts
    group by {{ key }}, compared_with

),

response as (

    select
        {{ key }}, compared_with,
        percentile_cont(0.5) within group (order by minutes) as p50,
        percentile_cont(0.9) within group (order by minutes) as p90
    from parts
    cross join lateral unnest(response_minutes) as m (minutes)
    group by {{ key }}, compared_with

),

first_response as (

    select
        {{ key }}, compared_with,
        percentile_cont(0.5) within group (order by minutes) as p50,
        percentile_cont(0.9) within group (order by minutes) as p90
    from parts
    cross join lateral unnest(first_response_minutes) as m (minutes)
    group by {{ key }}, compared_with

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
            when 'response_p50' then {{ shown_minutes('r.p50') }}
            when 'response_p90' then {{ shown_minutes('r.p90') }}
            when 'first_response_p50' then {{ shown_minutes('f.p50') }}
            when 'first_response_p90' then {{ shown_minutes('f.p90') }}
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
    left join shares as s using ({{ key }}, compared_with)
    left join response as r using ({{ key }}, compared_with)
    left join first_response as f using ({{ key }}, compared_with)

)

-- of nothing nothing is usual
select * from told
where value is not null
