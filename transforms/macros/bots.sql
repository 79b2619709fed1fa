{# The text of a line of ours, as sixteen bytes: what broadcasts are recognised by. Null for what is no line of ours. #}
{% macro text_hash(alias) -%}
    case when {{ alias }}.direction = 'outbound' and not {{ alias }}.is_system then md5({{ alias }}.body)::uuid end
{%- endmacro %}

{#
  The rows of `relation` that say what a row of `lines` (text_hash, sent_at) says, within ten minutes of it, each once. Moments whose
  surroundings meet are looked up as one: a mailing to thousands would be looked up once a recipient, and found whole each time.
#}
{% macro same_text_around(relation, lines, columns) -%}
    select near.text_hash, near.{{ columns | join(', near.') }}
    from (
        select text_hash, min(sent_at) - interval '10 minutes' as since, max(sent_at) + interval '10 minutes' as until
        from (
            select text_hash, sent_at, count(*) filter (where is_apart) over (partition by text_hash order by sent_at) as stretch
            from (
                select
                    text_hash, sent_at,
                    coalesce(sent_at - lag(sent_at) over (partition by text_hash order by sent_at) > interval '20 minutes', true) as is_apart
                from {{ lines }}
                where text_hash is not null
            ) as said
        ) as numbered
        group by text_hash, stretch
    ) as around
    cross join lateral (
        select m.text_hash, m.{{ columns | join(', m.') }} from {{ relation }} as m
        where {{ tenant_filter('m.tenant_id') }} and m.text_hash = around.text_hash and m.sent_at between around.since and around.until
        offset 0  -- noqa: AM09
    ) as near
{%- endmacro %}
