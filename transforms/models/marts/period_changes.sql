{{ config(indexes=[
    {'columns': ['tenant_id', 'window_start', 'window_end', 'compared_with', 'metric', 'dimension', 'part'], 'unique': true},
]) }}
-- Why a number is not what is usual: the difference, split over the parts of each dimension without a rest.
-- Counts and sums: the part's own difference. Shares: half the sum of weights times the change of the part's share, plus the change
-- of its weight times how far its share lies from the whole (Kitagawa 1955; the weights of Marshall and Edgeworth). Medians: the same
-- of the mean of minutes held between the two medians, scaled to the difference of the medians: the Aumann-Shapley value of the median
-- on the way from the usual answers to these. Definitions and reasons: docs/metrics.md.

{%- set side = 'tenant_id, window_start, window_end, compared_with' %}
{%- set s_side = 's.tenant_id, s.window_start, s.window_end, s.compared_with' %}
{%- set m_side = 'm.tenant_id, m.window_start, m.window_end, m.compared_with' %}
{%- set one = side ~ ', metric, dimension' %}
{%- set metrics = (counted_metrics().keys() | list) + (share_metrics().keys() | list) + (median_metrics().keys() | list) %}
{#- how many things a sum of money is of #}
{%- set cases = {'money_at_risk': 'deals_at_risk', 'deals_won_amount': 'deals_won', 'deals_lost_amount': 'deals_lost'} %}
{%- set measures = [
    'waits', 'breached', 'in_time', 'in_5', 'judged', 'response_minutes', 'first_response_minutes', 'unanswered', 'overdue', 'dialogs',
    'new_clients', 'deals_at_risk', 'risk_amount', 'deals_new', 'deals_won', 'deals_won_amount', 'deals_lost', 'deals_lost_amount'
] %}

with bases as (

    select * from {{ ref('int_window_baselines') }}
    where {{ window_filter() }}

),

compared as (

    select tenant_id, window_start, window_end, compared_with, max(windows) as windows
    from bases
    group by tenant_id, window_start, window_end, compared_with

),

-- The parts of the window itself, then those of the windows it is compared with.
sides as (

    select
        n.tenant_id, n.window_start, n.window_end, n.compared_with, n.windows, false as is_base, p.dimension, p.part,
        p.{{ measures | join(', p.') }}
    from compared as n
    join (select * from {{ ref('int_window_parts') }} where {{ window_filter() }}) as p using (tenant_id, window_start, window_end)

    union all

    select
        b.tenant_id, b.window_start, b.window_end, b.compared_with, b.windows, true as is_base, p.dimension, p.part,
        p.{{ measures | join(', p.') }}
    from bases as b
    join (
        select * from {{ ref('int_window_parts') }} as x
        where {{ tenant_filter('x.tenant_id') }} and x.window_start = any(array(select o.base_start from bases as o))
    ) as p on p.tenant_id = b.tenant_id and p.window_start = b.base_start and p.window_end = b.base_end

),

-- The number, and the one it is compared with: what the parts have to make up between them.
known as (

    select u.tenant_id, u.window_start, u.window_end, u.compared_with, u.metric, (to_jsonb(s) ->> u.metric)::numeric as value, u.value as base
    from (select * from {{ ref('period_usual') }} where {{ window_filter() }}) as u
    join (select * from {{ ref('period_summary') }} where {{ window_filter() }}) as s using (tenant_id, window_start, window_end)
    where u.metric in ('{{ metrics | join("', '") }}')

),

minutes as (

    select {{ s_side }}, s.windows, s.is_base, s.dimension, s.part, t.metric, a.minutes
    from sides as s
    cross join lateral (
        values
        {%- for metric, column in median_metrics().items() %}
        ('{{ metric }}', s.{{ column }}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as t (metric, answers)
    cross join lateral unnest(t.answers) as a (minutes)

),

-- Of each part: what is counted, of how many, and how many things that is. Sums, so that nothing is divided before it has to be.
measured as (

    select
        {{ s_side }}, m.metric, s.dimension, s.part, m.shape, max(s.windows) as windows,
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
        {%- for metric, column in counted_metrics().items() %}
        ('{{ metric }}', 'count', s.{{ column }}::numeric, 0::bigint, s.{{ cases.get(metric, column) }}){{ ',' }}
        {%- endfor %}
        {%- for metric, (numerator, denominator) in share_metrics().items() %}
        ('{{ metric }}', 'share', s.{{ numerator }}::numeric, s.{{ denominator }}, s.{{ denominator }}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as m (metric, shape, numerator, denominator, n)
    group by {{ s_side }}, m.metric, s.dimension, s.part, m.shape
    having bool_or(m.numerator <> 0 or m.n <> 0)

    union all

    select
        {{ m_side }}, m.metric, m.dimension, m.part, 'median' as shape, max(m.windows) as windows,
        coalesce(sum(held.minutes) filter (where not m.is_base), 0) as numerator,
        count(*) filter (where not m.is_base) as denominator,
        count(*) filter (where not m.is_base) as n,
        coalesce(sum(held.minutes) filter (where m.is_base), 0) as base_numerator,
        count(*) filter (where m.is_base) as base_denominator,
        count(*) filter (where m.is_base) as base_n,
        {{ shown_minutes('percentile_cont(0.5) within group (order by m.minutes) filter (where not m.is_base)') }} as part_median,
        {{ shown_minutes('percentile_cont(0.5) within group (order by m.minutes) filter (where m.is_base)') }} as base_median
    from minutes as m
    join known as k using ({{ side }}, metric)
    cross join lateral (select least(greatest(m.minutes, least(k.value, k.base)), greatest(k.value, k.base)) as minutes) as held
    group by {{ m_side }}, m.metric, m.dimension, m.part

),

-- Weight and mean of each part on either side; a part that is on one side alone is taken to have been the same on the other.
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
        -- the sign of the difference of the means, told without a division
        sign(
            sum(m.numerator) over w * sum(m.base_denominator) over w - sum(m.base_numerator) over w * sum(m.denominator) over w
        ) as direction
    from measured as m
    join known as k using ({{ side }}, metric)
    where k.value is not null and k.base is not null
    window w as (partition by {{ one }})

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

-- The effects of a median are parts of another difference, of the same sign; where no answer lies between the two medians there is
-- none, and the difference falls to the answers alike.
scaled as (

    select
        *,
        case
            when shape <> 'median' then effect
            when direction * (value - base) > 0 then effect / sum(effect) over w * (value - base)
            else weight * (value - base)
        end as exact
    from effects
    window w as (partition by {{ one }})

),

rounded as (

    select
        *,
        row_number() over (partition by {{ one }} order by abs(shown) desc, part collate "C" asc) as place
    -- the noise of divisions goes first: 0.0390625 comes as 0.03906249…
    from (select *, round(round(exact, 12), 6) as shown from scaled) as s

),

named as (

    select tenant_id, pipeline_id || ':' || status_id as stage_key, max(coalesce(pipeline || ' · ', '') || stage) as name
    from {{ ref('stg_amocrm__stages') }}
    where {{ tenant_filter() }}
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
    -- what rounding leaves, millionths, goes to the largest part
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
left join {{ ref('dim_managers') }} as m
    on m.tenant_id = r.tenant_id and r.dimension in ('manager', 'manager_hours') and m.manager_id = split_part(r.part, '/', 1)
left join named as s on s.tenant_id = r.tenant_id and r.dimension = 'stage' and s.stage_key = r.part
window w as (partition by r.tenant_id, r.window_start, r.window_end, r.compared_with, r.metric, r.dimension)
