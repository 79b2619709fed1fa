-- Every version of a tenant's runtime configuration, in types that a unit test can mock (no arrays).
select
    tenant_id,
    version,
    is_current,
    created_at,
    -- in force when the marts were first built; the one of now before that
    measures_history or (is_current and not bool_or(measures_history) over (partition by tenant_id)) as measures_history,
    mode,
    timezone,
    business_day_start,
    sla_target_minutes,
    session_gap_hours,
    to_jsonb(excluded_phones) as excluded_phones,
    to_jsonb(bot_senders) as bot_senders,
    to_jsonb(sales_pipelines) as sales_pipelines
from {{ source('synkro', 'tenant_runtime_configs') }}
