{{ config(meta={'dagster': {'ref': {'name': 'period_summary'}}}) }}
-- The hours of a window make its messages and waits, and the dialogs left out are all listed.
with listed as (
    select
        s.tenant_id, s.window_start, s.window_end, s.client_messages, s.waits, s.excluded_dialogs,
        (
            select coalesce(sum(h.client_messages), 0) from {{ ref('period_hours') }} as h
            where h.tenant_id = s.tenant_id and h.window_start = s.window_start and h.window_end = s.window_end
        ) as hours_messages,
        (
            select coalesce(sum(h.waits), 0) from {{ ref('period_hours') }} as h
            where h.tenant_id = s.tenant_id and h.window_start = s.window_start and h.window_end = s.window_end
        ) as hours_waits,
        (
            select count(*) from {{ ref('period_excluded') }} as x
            where x.tenant_id = s.tenant_id and x.window_start = s.window_start and x.window_end = s.window_end
        ) as listed_excluded
    from {{ ref('period_summary') }} as s
    where {{ window_filter('s') }}
)

select * from listed
where client_messages <> hours_messages or waits <> hours_waits or excluded_dialogs <> listed_excluded
