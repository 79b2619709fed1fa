{{ config(meta={'dagster': {'ref': {'name': 'fct_waits'}}}) }}
with waits as (
    select tenant_id, client_id, wait_id, opened_at, closed_at
    from {{ ref('fct_waits') }}
    where {{ tenant_filter() }} and {{ affected_keys('client', 'client_id') }}
)

select a.tenant_id, a.wait_id, b.wait_id as other
from waits as a
join waits as b
    on b.tenant_id = a.tenant_id and b.client_id = a.client_id and b.wait_id <> a.wait_id
    and b.opened_at >= a.opened_at and b.opened_at < coalesce(a.closed_at, 'infinity')
    and (b.opened_at > a.opened_at or b.wait_id > a.wait_id)
