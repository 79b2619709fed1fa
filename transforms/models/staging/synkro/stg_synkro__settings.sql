-- Every version of a tenant's runtime configuration, in types that a unit test can mock (no arrays).
select
    tenant_id,
    version,
    is_current,
    created_at,
    mode,
    timezone,
    business_day_start,
    sla_target_minutes,
    session_gap_hours,
    to_jsonb(excluded_phones) as excluded_phones,
    to_jsonb(bot_senders) as bot_senders,
    to_jsonb(sales_pipelines) as sales_pipelines
from {{ source('synkro', 'tenant_runtime_configs') }}
