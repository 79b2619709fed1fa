{{ config(meta={'dagster': {'ref': {'name': 'period_changes'}}}) }}
-- What is split is split whole: the contributions of a number and a dimension are its difference to what it is compared with, and the
-- parts of a count are the number itself.
select
    c.tenant_id, c.window_start, c.window_end, c.compared_with, c.metric, c.dimension,
    sum(c.contribution) as explained, max(c.value) - max(c.base) as difference
from {{ ref('period_changes') }} as c
join {{ ref('period_usual') }} as u
    on u.tenant_id = c.tenant_id and u.window_start = c.window_start and u.window_end = c.window_end
    and u.compared_with = c.compared_with and u.metric = c.metric
where {{ window_filter('c') }}
group by c.tenant_id, c.window_start, c.window_end, c.compared_with, c.metric, c.dimension
having sum(c.contribution) <> max(c.value) - max(c.base)
    or max(c.base) <> max(u.value)
    or max(c.denominator) is null and sum(c.numerator) <> max(c.value)
