{{ config(indexes=[{'columns': ['tenant_id', 'window_start', 'window_end'], 'unique': true}]) }}
-- The windows of this invocation and the moment each is looked at.
-- as_of: what is known, the data watermark of the run. now_at: what "now" means in the window's numbers; a window that
-- is over is asked about its end, so that a replay shows who was waiting then, not who waits today.

select
    w.tenant_id,
    w.window_start,
    w.window_end,
    w.report_type,
    w.label_date,
    coalesce(w.as_of, w.window_end) as as_of,
    least(coalesce(w.as_of, w.window_end), w.window_end) as now_at,
    w.is_complete,
    -- what the window is about: of what its mode does not read, what was read before it is no part
    {{ reads_one_of('coalesce(w.mode, s.mode)', dialog_sources()) }} as has_dialogs,
    {{ reads_one_of('coalesce(w.mode, s.mode)', deal_sources()) }} as has_deals
from {{ source('synkro', 'report_windows') }} as w
join {{ ref('stg_synkro__settings') }} as s on s.tenant_id = w.tenant_id and s.is_current
where {{ window_filter('w') }}
