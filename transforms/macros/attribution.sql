{#
  The manager responsible for a client at a moment: the owner, at that moment, of the deal that was open then (the
  youngest of them), else of the deal nearest in time. A deal often appears minutes after the message that made it.
#}
{% macro responsible_at(tenant_id, client_id, moment) -%}
    (
        select o.manager_id
        from {{ ref('int_deal_owners') }} as o
        where o.tenant_id = {{ tenant_id }} and o.client_id = {{ client_id }}
          and (o.owned_from is null or o.owned_from <= {{ moment }})
          and (o.owned_until is null or o.owned_until > {{ moment }})
        order by
            (o.deal_created_at <= {{ moment }} + interval '1 hour'
                and (o.deal_closed_at is null or o.deal_closed_at > {{ moment }})) desc nulls last,
            abs(extract(epoch from o.deal_created_at - {{ moment }})),
            o.deal_id collate "C"
        limit 1
    )
{%- endmacro %}

{# The deal of a client that is shown beside him: the open one changed last, else the one changed last. Money does not hang on it. #}
{% macro shown_deal_first() -%}
    (stage_kind = 'open') desc, updated_at desc nulls last, deal_id collate "C" asc
{%- endmacro %}
