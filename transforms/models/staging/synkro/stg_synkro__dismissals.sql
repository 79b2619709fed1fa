-- Cases a person (or the AI) dismissed and nobody took back: the last word on each.
with words as (

    select distinct on (tenant_id, case_id) tenant_id, case_id, mark, reason, decided_by, marked_at
    from {{ source('synkro', 'case_marks') }}
    where mark in ('dismissed', 'undone')
    order by tenant_id asc, case_id asc, mark_id desc

)

select tenant_id, case_id, reason, decided_by as dismissed_by, marked_at as dismissed_at
from words
where mark = 'dismissed'
