{{ config(meta={'dagster': {'ref': {'name': 'period_summary'}}}) }}
select w.tenant_id, w.window_start, w.window_end
from {{ ref('int_windows') }} as w
left join {{ ref('period_summary') }} as s
    on s.tenant_id = w.tenant_id and s.window_start = w.window_start and s.window_end = w.window_end
where s.tenant_id is null and {{ window_filter('w') }}
