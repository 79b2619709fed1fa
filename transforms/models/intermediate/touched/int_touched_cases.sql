{{ config(indexes=[{'columns': ['tenant_id', 'subject_id']}]) }}
-- Whose cases this run rebuilds: the clients something happened to, the deals that changed, and those whose stage has another
-- norm because a stay that ended before theirs began came, went or changed.
-- depends_on: {{ ref('int_touched') }} {{ ref('int_changes') }} {{ ref('int_stage_stays') }} {{ ref('fct_deals') }}
{% if not is_partial() %}
select null::uuid as tenant_id, null::text as subject_id, null::text as deal_id
where false
{% else %}
with deals as (

    select distinct id from {{ ref('int_changes') }}
    where {{ tenant_filter() }} and kind = 'deal'

),

stays_before as (

    select id as stage, since as entered_at, until as left_at from {{ ref('int_changes') }}
    where {{ tenant_filter() }} and kind = 'stay'

),

stays_now as (

    select pipeline_id || ':' || status_id as stage, entered_at, left_at
    from {{ ref('int_stage_stays') }}
    where {{ tenant_filter() }} and left_at is not null and deal_id = any(array(select id from deals))

),

-- from when on the norm of a stage is another
moved_norms as (

    select
        split_part(stage, ':', 1)::bigint as pipeline_id,
        split_part(stage, ':', 2)::bigint as status_id,
        min(left_at) as since
    from (
        (
            select * from stays_before
            except all
            select * from stays_now
        )
        union all
        (
            select * from stays_now
            except all
            select * from stays_before
        )
    ) as changed
    group by stage

),

judged_anew as (

    select distinct s.deal_id
    from moved_norms as n
    cross join lateral (
        select x.deal_id from {{ ref('int_stage_stays') }} as x
        where {{ tenant_filter('x.tenant_id') }} and x.pipeline_id = n.pipeline_id and x.status_id = n.status_id
            and x.entered_at >= n.since
        offset 0  -- noqa: AM09
    ) as s

),

everyone as (

    select client_id as subject_id, null as deal_id from {{ ref('int_touched') }}
    where {{ tenant_filter() }} and not is_idle
    union
    select 'deal:' || id as subject_id, id as deal_id from deals
    union
    select coalesce(client_id, 'deal:' || deal_id) as subject_id, case when client_id is null then deal_id end as deal_id
    from {{ ref('fct_deals') }}
    where {{ tenant_filter() }} and deal_id = any(array(select deal_id from judged_anew))

)

select '{{ var("tenant_id") }}'::uuid as tenant_id, subject_id, deal_id
from everyone
{% endif %}
