{{ config(indexes=[
    {'columns': ['tenant_id', 'case_id'], 'unique': true},
    {'columns': ['tenant_id', 'client_id']},
]) }}
-- What needs somebody because of what was said: when it opens, the row that ends it, and the age at which it is given up.
-- Nothing here depends on the moment of the build: what opens later stands here already, and is shown when its moment has come.

-- A client waits past the target. A wait that is answered in time, or dismissed before its deadline, is no case.
with overdue as (

    select
        w.tenant_id,
        'wait_overdue:' || w.wait_id as case_id,
        'wait_overdue' as kind,
        w.client_id,
        w.dialog_id,
        w.opened_by_message_id as evidence_message_id,
        null as deal_id,
        null as what,
        f.responsible_at_open as responsible_id,
        w.sla_deadline_at as opened_at,
        w.opened_at as began_at,
        w.sla_deadline_at as due_at,
        case when w.is_answered then w.closed_at end as done_at,
        case when w.closed_by <> 'call' then w.answered_in_dialog_id end as closed_by_dialog_id,
        case when w.closed_by <> 'call' then w.answered_by_ref end as closed_by_message_id,
        case when w.closed_by = 'call' then w.answered_by_ref end as closed_by_event_id,
        -- abandoned
        w.opened_at + interval '7 days' as expires_at
    from {{ ref('int_waits') }} as w
    join {{ ref('fct_waits') }} as f on f.tenant_id = w.tenant_id and f.wait_id = w.wait_id
    where {{ tenant_filter('w.tenant_id') }} and {{ affected_keys('client', 'w.client_id') }}
        and {{ tenant_filter('f.tenant_id') }} and {{ affected_keys('client', 'f.client_id') }}
        and w.sla_deadline_at < least(coalesce(w.closed_at, 'infinity'), w.opened_at + interval '7 days')

)

select * from overdue
