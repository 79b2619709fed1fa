{{ config(indexes=[
    {'columns': ['tenant_id', 'case_id'], 'unique': true},
    {'columns': ['tenant_id', 'subject_id']},
    {'columns': ['tenant_id', 'opened_at']},
    {'columns': ['tenant_id', 'expires_at']},
    {'columns': ['tenant_id', 'dialog_id']},
    {'columns': ['tenant_id', 'deal_id']},
    {'columns': ['tenant_id', 'responsible_id']},
]) }}
-- Every case as the rows tell it, whatever people said of it since: fct_cases adds the marks and the moment.

with cases as (

    select
        tenant_id, case_id, kind, client_id, dialog_id, evidence_message_id, deal_id, what, responsible_id, opened_at, began_at, due_at,
        done_at, closed_by_dialog_id, closed_by_message_id, closed_by_event_id, closed_by_deal_id, closed_by_task_id,
        expires_at
    from {{ ref('int_talk_cases') }}
    where {{ tenant_filter() }} and {{ affected_keys('case', 'client_id') }}

    union all

    select
        tenant_id, case_id, kind, client_id, null as dialog_id, null as evidence_message_id, deal_id, null as what, responsible_id, opened_at, began_at,
        null as due_at, done_at, null as closed_by_dialog_id, null as closed_by_message_id, closed_by_event_id, closed_by_deal_id,
        closed_by_task_id, expires_at
    from {{ ref('int_deal_cases') }}
    where {{ tenant_filter() }} and {{ affected_keys('case', 'subject_id') }}

),

deals as (

    select tenant_id, deal_id, client_id, price, created_at, closed_at
    from {{ ref('fct_deals') }}
    where {{ tenant_filter() }} and {{ affected_deals() }} and not is_deleted

),

-- What the client was buying when the case opened: the dearest deal open then. A deal often appears minutes after the message.
bought as (

    select distinct on (c.tenant_id, c.case_id) c.tenant_id, c.case_id, d.deal_id, d.price
    from cases as c
    join deals as d on d.tenant_id = c.tenant_id and d.client_id = c.client_id
    where c.deal_id is null and c.kind <> 'unmatched_buyer' and d.created_at <= c.opened_at + interval '1 hour'
        and (d.closed_at is null or d.closed_at > c.opened_at)
    order by c.tenant_id asc, c.case_id asc, d.price desc nulls last, d.deal_id collate "C" asc

),

-- The first case of the same kind and client that opened after this one was done.
moments as (

    select tenant_id, kind, coalesce(client_id, 'deal:' || deal_id) as subject_id, case_id, opened_at as at, true as opens from cases
    union all
    select tenant_id, kind, coalesce(client_id, 'deal:' || deal_id) as subject_id, case_id, done_at as at, false as opens from cases
    where done_at is not null

),

again as (

    select
        tenant_id, case_id, opens,
        min(at) filter (where opens) over (
            partition by tenant_id, kind, subject_id order by at asc, opens desc
            rows between 1 following and unbounded following
        ) as opened_at
    from moments

)

select
    c.tenant_id,
    c.case_id,
    c.kind,
    coalesce(c.client_id, 'deal:' || c.deal_id) as subject_id,
    c.client_id,
    coalesce(c.deal_id, b.deal_id) as deal_id,
    c.dialog_id,
    c.evidence_message_id,
    c.what,
    c.responsible_id,
    c.began_at,
    c.opened_at,
    c.due_at,
    nullif(coalesce(o.price, b.price), 0) as money,
    c.done_at,
    c.closed_by_dialog_id,
    c.closed_by_message_id,
    c.closed_by_event_id,
    c.closed_by_deal_id,
    c.closed_by_task_id,
    c.expires_at,
    case when a.opened_at <= c.done_at + interval '14 days' then a.opened_at end as recurred_at
from cases as c
left join bought as b on b.tenant_id = c.tenant_id and b.case_id = c.case_id
left join deals as o on o.tenant_id = c.tenant_id and o.deal_id = c.deal_id
left join again as a on a.tenant_id = c.tenant_id and a.case_id = c.case_id and not a.opens
