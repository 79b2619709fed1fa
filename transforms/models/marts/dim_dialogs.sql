{{ config(indexes=[
    {'columns': ['tenant_id', 'dialog_id'], 'unique': true},
    {'columns': ['tenant_id', 'client_id']},
]) }}

with spoken as (

    select
        tenant_id,
        dialog_id,
        min(sent_at) as first_message_at,
        max(sent_at) as last_message_at,
        count(*) as message_count
    from {{ ref('fct_messages') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}
    group by tenant_id, dialog_id

)

select
    d.tenant_id,
    d.dialog_id,
    d.client_id,
    d.channel,
    d.source_type,
    d.connection_id,
    d.contact_name,
    s.first_message_at,
    s.last_message_at,
    coalesce(s.message_count, 0)::integer as message_count
from {{ ref('int_dialogs') }} as d
left join spoken as s on s.tenant_id = d.tenant_id and s.dialog_id = d.dialog_id
where {{ tenant_filter('d.tenant_id') }} and {{ affected_keys('client', 'd.client_id') }} and d.excluded_reason is null
