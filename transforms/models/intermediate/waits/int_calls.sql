{{ config(indexes=[
    {'columns': ['tenant_id', 'call_id'], 'unique': true},
    {'columns': ['tenant_id', 'client_id', 'called_at']},
    {'columns': ['tenant_id', 'author_id']},
]) }}
-- Conversations by phone that answer a client: logged in the CRM and at least 15 s long. Shorter is a missed call.

with contacts as (

    select tenant_id, contact_id, client_id from {{ ref('int_contacts') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}

),

deals as (

    select tenant_id, deal_id, client_id from {{ ref('fct_deals') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}

)

select
    n.tenant_id,
    n.note_id as call_id,
    coalesce(c.client_id, d.client_id) as client_id,
    n.called_at,
    n.duration_seconds,
    n.note_type,
    n.author_id
from {{ ref('stg_amocrm__calls') }} as n
left join contacts as c
    on n.entity = 'contact' and c.tenant_id = n.tenant_id and c.contact_id = n.entity_id
left join deals as d
    on n.entity = 'deal' and d.tenant_id = n.tenant_id and d.deal_id = n.entity_id
where {{ tenant_filter('n.tenant_id') }}
    {{- scope_filter('n.entity_id', 'select contact_id from contacts union select deal_id from deals') }}
    and n.duration_seconds >= 15
    and n.called_at is not null
    and coalesce(c.client_id, d.client_id) is not null
