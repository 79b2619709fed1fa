-- What each message does, decided before this build.
select
    tenant_id,
    dialog_id,
    message_id,
    act,
    nullif(what, '') as what,
    due_at
from {{ source('private', 'message_acts') }}
