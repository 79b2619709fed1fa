{{ config(indexes=[
    {'columns': ['tenant_id', 'deal_id', 'entered_by_event_id'], 'unique': true},
    {'columns': ['tenant_id', 'pipeline_id', 'status_id', 'left_at']},
    {'columns': ['tenant_id', 'pipeline_id', 'status_id', 'entered_at']},
]) }}
-- Each stay of a deal in an open stage: from the deal's creation or a move to the next move, or to the deal's end.
-- A deal in the bin keeps its stays: it did stand there.

with deals as (

    select tenant_id, deal_id, pipeline_id, status_id, stage_kind, created_at, closed_at
    from {{ ref('fct_deals') }}
    where {{ tenant_filter() }} and {{ affected_keys('deal', 'deal_id') }}

),

moves as (

    select
        *,
        row_number() over (partition by tenant_id, deal_id order by changed_at, event_id collate "C") as position
    from {{ ref('fct_deal_stage_changes') }}
    where {{ tenant_filter() }} and {{ affected_keys('deal', 'deal_id') }}

),

borders as (

    -- where the deal stood before its first move
    select
        d.tenant_id, d.deal_id, 'created' as event_id, d.created_at as at,
        coalesce(m.from_pipeline_id, d.pipeline_id) as pipeline_id,
        coalesce(m.from_status_id, d.status_id) as status_id
    from deals as d
    left join moves as m on m.tenant_id = d.tenant_id and m.deal_id = d.deal_id and m.position = 1
    where d.created_at is not null

    union all

    select tenant_id, deal_id, event_id, changed_at as at, to_pipeline_id as pipeline_id, to_status_id as status_id
    from moves

),

stays as (

    select
        *,
        lead(at) over stay as next_at,
        lead(event_id) over stay as next_event_id
    from borders
    window stay as (partition by tenant_id, deal_id order by at, event_id <> 'created', event_id collate "C")

)

select
    s.tenant_id,
    s.deal_id,
    s.event_id as entered_by_event_id,
    s.pipeline_id,
    s.status_id,
    s.at as entered_at,
    -- a deal may end without a move in the log
    case
        when s.next_at is not null then s.next_at
        when d.stage_kind <> 'open' then greatest(d.closed_at, s.at)
    end as left_at,
    s.next_event_id as left_by_event_id
from stays as s
join deals as d on d.tenant_id = s.tenant_id and d.deal_id = s.deal_id
where s.pipeline_id is not null and s.status_id not in (142, 143)
