{{ config(materialized='view') }}
-- Every case that has opened by what is known, with its state: the rows of fct_case_openings, the marks people and reports made,
-- and the data watermark. A view, so that a press on a page is seen at once and the rows stay what the data says.

with known as (

    select tenant_id, as_of from {{ source('synkro', 'mart_watermarks') }}

),

marks as (

    select
        tenant_id,
        case_id,
        min(marked_at) filter (where mark = 'advised') as first_advised_at,
        max(marked_at) filter (where mark = 'advised') as advised_at,
        max(mark_id) filter (where mark = 'advised') as advised_mark,
        count(*) filter (where mark = 'advised') as times_advised,
        max(mark_id) filter (where mark = 'dismissed') as dismissed_mark,
        max(mark_id) filter (where mark = 'undone') as undone_mark
    from {{ source('synkro', 'case_marks') }}
    group by tenant_id, case_id

),

told as (

    select
        c.*,
        k.as_of,
        m.first_advised_at,
        m.advised_at,
        m.advised_mark,
        coalesce(m.times_advised, 0) as times_advised,
        d.reason,
        d.decided_by,
        d.marked_at as dismissed_at,
        -- what came first ends the case: a row that proves it, a person's word, its age
        coalesce(c.done_at <= least(c.expires_at, d.marked_at), false) as is_done,
        coalesce(d.marked_at <= c.expires_at and d.marked_at < coalesce(c.done_at, 'infinity'), false) as is_dismissed
    from {{ ref('fct_case_openings') }} as c
    left join known as k on k.tenant_id = c.tenant_id
    left join marks as m on m.tenant_id = c.tenant_id and m.case_id = c.case_id
    left join {{ source('synkro', 'case_marks') }} as d
        on d.tenant_id = m.tenant_id and d.mark_id = m.dismissed_mark and m.dismissed_mark > coalesce(m.undone_mark, 0)
    where c.opened_at <= coalesce(k.as_of, 'infinity')
        -- where no task was ever read, every deal would be without one
        and (c.kind <> 'deal_without_task' or exists (select from {{ ref('fct_tasks') }} as t where t.tenant_id = c.tenant_id))

),

judged as (

    select
        *,
        case
            when is_done and recurred_at <= coalesce(as_of, 'infinity') then 'recurred'
            when is_done then 'done'
            when is_dismissed then 'dismissed'
            when expires_at <= coalesce(as_of, '-infinity') then 'expired'
            when advised_at is not null then 'advised'
            else 'open'
        end as state
    from told

)

select
    tenant_id,
    case_id,
    kind,
    client_id,
    deal_id,
    dialog_id,
    what,
    opened_at,
    began_at,
    due_at,
    state,
    money,
    responsible_id,
    evidence_message_id,
    case state
        when 'done' then done_at
        when 'recurred' then done_at
        when 'dismissed' then dismissed_at
        when 'expired' then expires_at
    end as closed_at,
    case when is_done then closed_by_dialog_id end as closed_by_dialog_id,
    case when is_done then closed_by_message_id end as closed_by_message_id,
    case when is_done then closed_by_event_id end as closed_by_event_id,
    case when is_done then closed_by_deal_id end as closed_by_deal_id,
    case when is_done then closed_by_task_id end as closed_by_task_id,
    case when state = 'dismissed' then reason end as dismissed_reason,
    case when state = 'dismissed' then decided_by end as dismissed_by,
    case when state = 'recurred' then recurred_at end as recurred_at,
    first_advised_at,
    advised_at,
    times_advised::integer as times_advised,
    expires_at,
    as_of
from judged
