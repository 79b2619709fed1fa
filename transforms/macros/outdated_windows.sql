{#
  Published windows that the rows of a build contradict. A model whose rows the numbers of a window are counted from marks
  them in the statement that writes its rows: what a run changes is said of every window, whichever the run was asked for,
  and a build that dies has marked what it changed. The driver builds the marked windows and takes the marks away.

  A window is looked at with the moments its numbers were built for (as_of, now_at of period_summary): an answer that came
  after them changes nothing in it.
#}

{# Columns of the row as it stood that the comparison needs, by model; none: the model marks nothing. #}
{% macro compared_columns(name) -%}
    {{ return({
        'fct_messages': ['sent_at'],
        'fct_waits': ['opened_at', 'closed_at', 'client_id', 'dialog_id', 'replied_by', 'responsible_at_open', 'response_minutes',
            'is_first_response', 'is_off_hours', 'is_answered', 'sla_deadline_at'],
        'fct_deals': ['created_at', 'closed_at', 'client_id', 'price', 'stage_kind', 'is_sales', 'responsible_id', 'is_deleted'],
        'fct_deal_stage_changes': ['changed_at'],
        'dim_clients': ['client_id', 'first_message_at', 'match_status'],
    }.get(name, [])) }}
{%- endmacro %}

{# CTEs after `differs`, the rows as they stood (was_…) and as they are: the marks are set beside the rows. #}
{% macro mark_outdated_windows(name) -%}
    {%- set columns = compared_columns(name) -%}
    telling as materialized (
        select "{{ columns | join('", "') }}", "was_{{ columns | join('", "was_') }}"{{ ', deal_id' if name == 'fct_deals' }}
        from differs
        where {{ tells(name, columns) }}
    ),
    bounds as materialized (
        select {{ first_moment(name) }} as since from telling
    ),
    published as materialized (
        select p.tenant_id, p.window_start, p.window_end, p.as_of, p.now_at
        from {{ prior_state('period_summary') }} as p
        join {{ prior_windows() }} as w using (tenant_id, window_start, window_end)
        where {{ tenant_filter('p.tenant_id') }} and not w.is_outdated and p.window_end > (select since from bounds)
    ),
    marked as (
        update {{ prior_windows() }} as w set is_outdated = true
        from published as p
        where w.tenant_id = p.tenant_id and w.window_start = p.window_start and w.window_end = p.window_end
            and exists (select from telling as d where {{ contradicts(name) }})
    ),
{%- endmacro %}

{% macro prior_windows() -%}
    {{ api.Relation.create(database=this.database, schema='synkro', identifier='report_windows') }}
{%- endmacro %}

{# Of the rows that differ, those that may change a number. #}
{% macro tells(name, columns) -%}
    {%- if name == 'fct_deals' -%}
        ("{{ columns | join('", "') }}") is distinct from ("was_{{ columns | join('", "was_') }}")
    {%- elif name == 'dim_clients' -%}
        {#- who is new brings messages, and they tell it -#}
        was_client_id is not null and (first_message_at, match_status) is distinct from (was_first_message_at, was_match_status)
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{# No window that ends before this moment is concerned. #}
{% macro first_moment(name) -%}
    {{ {
        'fct_messages': 'min(least(sent_at, was_sent_at))',
        'fct_waits': 'min(least(opened_at, was_opened_at))',
        'fct_deals': 'min(least(created_at, was_created_at))',
        'fct_deal_stage_changes': 'min(least(changed_at, was_changed_at))',
    }.get(name, "min('-infinity'::timestamptz)") }}
{%- endmacro %}

{# Whether the numbers of the window `p` are no longer those of the rows, for a row `d` as it stood and as it is. #}
{% macro contradicts(name) -%}
    {%- if name == 'fct_messages' -%}
        {{ in_window('d.sent_at') }} or {{ in_window('d.was_sent_at') }}
    {%- elif name == 'fct_deal_stage_changes' -%}
        {{ in_window('d.changed_at') }} or {{ in_window('d.was_changed_at') }}
    {%- elif name == 'fct_waits' -%}
        {{ wait_as_seen('d.') }} is distinct from {{ wait_as_seen('d.was_') }}
    {%- elif name == 'dim_clients' -%}
        d.first_message_at is distinct from d.was_first_message_at
            and ({{ in_window('d.first_message_at') }} or {{ in_window('d.was_first_message_at') }})
        or d.match_status is distinct from d.was_match_status and {{ spoke_in_window('d.was_client_id') }}
    {%- elif name == 'fct_deals' -%}
        {%- set moments = ['d.created_at', 'd.was_created_at', 'd.closed_at', 'd.was_closed_at'] -%}
        {% for moment in moments %}{{ in_window(moment) }} or {% endfor %}
        {#- in play: open in the window with a client who spoke in it, or moved in it -#}
        ({{ deal_in_play('d.') }} is distinct from {{ deal_in_play('d.was_') }}
            and ({{ spoke_in_window('d.client_id') }} or {{ spoke_in_window('d.was_client_id') }}))
        or ((d.is_deleted, d.is_sales) is distinct from (d.was_is_deleted, d.was_is_sales) and exists (
            select from {{ prior_state('fct_deal_stage_changes') }} as c
            where c.tenant_id = p.tenant_id and c.deal_id = d.deal_id and {{ in_window('c.changed_at') }}
        ))
        {#- open at its now: counted with its sum, and at risk where the client waits -#}
        or {{ deal_open_then('d.') }} is distinct from {{ deal_open_then('d.was_') }}
    {%- endif -%}
{%- endmacro %}

{% macro in_window(moment) -%}
    coalesce({{ moment }} >= p.window_start and {{ moment }} < p.window_end, false)
{%- endmacro %}

{# What int_window_waits would say of the wait; null where the window has nothing to do with it. #}
{% macro wait_as_seen(row) -%}
    {%- set is_answered = '(' ~ row ~ 'is_answered and ' ~ row ~ 'closed_at <= p.as_of)' -%}
    {%- set is_open_now = '(' ~ row ~ 'opened_at <= p.now_at and (' ~ row ~ 'closed_at is null or ' ~ row ~ 'closed_at > p.now_at))' -%}
    case
        when {{ in_window(row ~ 'opened_at') }} or {{ row }}opened_at > p.now_at - interval '7 days' and {{ is_open_now }}
            then jsonb_build_array(
                {{ row }}client_id, {{ row }}dialog_id, {{ row }}opened_at, {{ row }}responsible_at_open, {{ is_open_now }}, {{ is_answered }},
                coalesce(least({{ row }}closed_at, p.as_of) > {{ row }}sla_deadline_at, false),
                coalesce(p.now_at > {{ row }}sla_deadline_at, false),
                case when {{ is_answered }} then jsonb_build_array(
                    {{ row }}replied_by, {{ row }}is_first_response, {{ row }}is_off_hours, {{ row }}response_minutes
                ) end
            )
    end
{%- endmacro %}

{% macro deal_in_play(row) -%}
    case when {{ row }}is_sales and not {{ row }}is_deleted and {{ row }}created_at < p.window_end
        and ({{ row }}closed_at is null or {{ row }}closed_at >= p.window_start) then {{ row }}client_id end
{%- endmacro %}

{% macro deal_open_then(row) -%}
    case when {{ row }}is_sales and not {{ row }}is_deleted and {{ row }}created_at <= p.now_at
        and ({{ row }}closed_at is null or {{ row }}closed_at > p.now_at)
        then jsonb_build_array({{ row }}client_id, {{ row }}price, {{ row }}responsible_id) end
{%- endmacro %}

{% macro spoke_in_window(client_id) -%}
    exists (
        select from {{ prior_state('int_messages') }} as m
        where m.tenant_id = p.tenant_id and m.client_id = {{ client_id }} and {{ in_window('m.sent_at') }}
    )
{%- endmacro %}
