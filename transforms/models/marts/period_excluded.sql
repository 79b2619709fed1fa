{{ config(indexes=[{'columns': ['tenant_id', 'window_start', 'window_end', 'dialog_id'], 'unique': true}]) }}
-- Dialogs of the window that are left out by rule, but never in silence: what period_summary.excluded_dialogs counts.

with windows as (

    select * from {{ ref('int_windows') }}
    where {{ window_filter() }} and has_dialogs is not false

),

read as (

    select
        n.tenant_id, n.window_start, n.window_end, m.chat_id,
        count(*) as messages,
        max(m.sent_at) as last_message_at
    from windows as n
    cross join lateral {{ rows_of_window(ref('stg_messages'), 'sent_at') }} as m
    group by n.tenant_id, n.window_start, n.window_end, m.chat_id

)

select
    n.tenant_id,
    n.window_start,
    n.window_end,
    d.dialog_id,
    d.channel,
    d.contact_name,
    d.excluded_reason as reason,
    n.messages::integer as messages,
    n.last_message_at
from read as n
join {{ ref('int_dialogs') }} as d on d.tenant_id = n.tenant_id and d.chat_id = n.chat_id
where d.excluded_reason is not null and {{ tenant_filter('d.tenant_id') }}
    and d.chat_id = any(array(select r.chat_id from read as r))
