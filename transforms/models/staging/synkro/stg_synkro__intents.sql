-- Whether a client's message needs an answer: a person's word where there is one, else what was decided before this build.
select
    i.tenant_id,
    i.dialog_id,
    i.message_id,
    coalesce(l.needs_reply, i.needs_reply) as needs_reply,
    case when l.message_id is not null then 'person' else i.reason end as reason,
    case when l.message_id is not null then 1 else i.confidence end as confidence
from {{ source('private', 'message_intents') }} as i
left join {{ source('synkro', 'reply_labels') }} as l
    on l.tenant_id = i.tenant_id and l.dialog_id = i.dialog_id and l.message_id = i.message_id
