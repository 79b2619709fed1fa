{#
  What a run rebuilds. Its var `scope` says so: `all` (every row of the tenant; the default) or `touched`: the rows of
  the clients something happened to since the last build that stood. Each table has its grain:

  client            rows of a client
  session           rows of a client, and those of a session that time alone may have ended
  phone, chat, contact, deal, event   rows of one of them
  changed_contact   rows of a contact that raw has changed
  case              cases of a client or of a deal nobody is tied to, and those whose stage has another norm
  window            the windows of the run, whatever the scope
  log               grows until a build stands
  all               refilled by every run: a handful of rows a tenant (what is not named here)

  The keys go into an array first: the planner turns that into an index scan of the big table, whatever it believes
  about the size of the list. A join would read the table, or loop over it.
#}
{% macro invalidation_key_of(table) -%}
    {{ return({
        'int_contact_phones': 'changed_contact', 'int_client_phones': 'phone', 'int_contacts': 'contact',
        'int_dialogs': 'chat', 'fct_deals': 'deal', 'int_deal_owners': 'deal', 'fct_deal_stage_changes': 'event', 'fct_tasks': 'deal', 'fct_promises': 'client',
        'int_message_authors': 'client', 'int_messages': 'client', 'int_calls': 'client', 'int_waits': 'client',
        'int_sessions': 'client', 'fct_messages': 'client', 'fct_waits': 'client', 'fct_sessions': 'session',
        'dim_dialogs': 'client', 'dim_clients': 'client',
        'int_stage_stays': 'deal', 'int_talk_cases': 'client', 'int_deal_cases': 'case', 'fct_case_openings': 'case',
        'int_windows': 'window', 'int_window_waits': 'window', 'int_window_sales': 'window', 'int_window_parts': 'window', 'int_window_baselines': 'window',
        'period_usual': 'window', 'period_changes': 'window', 'period_dialogs': 'window', 'period_managers': 'window',
        'period_hours': 'window', 'period_channels': 'window', 'period_stages': 'window', 'period_excluded': 'window', 'period_summary': 'window', 'int_touched_phones': 'log', 'int_changes': 'log', 'int_touched': 'log'
    }.get(table, 'all')) }}
{%- endmacro %}

{% macro is_partial() -%}
    {{ return(var('scope', 'all') == 'touched' and var('tenant_id', none) is not none) }}
{%- endmacro %}

{# The rows to rebuild: a condition on `column`, in a model, in the deletion before it and in the tests after it. #}
{% macro affected_keys(grain, column) -%}
    {%- if not execute and grain in ('client', 'session') -%}
        {#- named while parsing, so that the graph knows; a unit test need not mock what a full build does not read -#}
        {%- do ref('int_touched') -%}
    {%- elif not execute and grain == 'phone' -%}
        {%- do ref('int_touched_phones') -%}
    {%- elif not execute and grain == 'case' -%}
        {%- do ref('int_touched_cases') -%}
    {%- elif not execute and grain in ('changed_contact', 'changed_raw_contact') -%}
        {%- do source('private', 'raw_changes') -%}
    {%- elif not execute and grain != 'all' -%}
        {%- do ref('int_changes') -%}
    {%- endif -%}
    {%- if not is_partial() or grain == 'all' or grain in ('deal', 'raw_deal') and var('all_deals', false) or grain == 'case' and var('all_cases', false) -%}
        true
    {%- elif grain == 'client' -%}
        {{ column }} = any (array(select t.client_id from {{ ref('int_touched') }} as t where {{ tenant_filter('t.tenant_id') }} and not t.is_idle))
    {%- elif grain == 'session' -%}
        {{ column }} = any (array(select t.client_id from {{ ref('int_touched') }} as t where {{ tenant_filter('t.tenant_id') }}))
    {%- elif grain == 'case' -%}
        {{ column }} = any (array(select t.subject_id from {{ ref('int_touched_cases') }} as t where {{ tenant_filter('t.tenant_id') }}))
    {%- elif grain == 'phone' -%}
        {{ column }} = any (array(select t.phone from {{ ref('int_touched_phones') }} as t where {{ tenant_filter('t.tenant_id') }}))
    {%- elif grain in ('changed_contact', 'changed_raw_contact') -%}
        {{ column }} = any (array(select t.id{{ '::bigint' if 'raw' in grain }} from {{ source('private', 'raw_changes') }} as t where {{ tenant_filter('t.tenant_id') }} and t.kind = 'contact' and t.is_claimed))
    {%- elif grain in ('chat', 'raw_contact', 'raw_deal') -%}
        {#- the number the vendor gave it, as raw has it -#}
        {{ column }} = any (array(select t.id::bigint from {{ ref('int_changes') }} as t where {{ tenant_filter('t.tenant_id') }} and t.kind = '{{ grain.replace("raw_", "") }}'))
    {%- else -%}
        {{ column }} = any (array(select t.id from {{ ref('int_changes') }} as t where {{ tenant_filter('t.tenant_id') }} and t.kind = '{{ grain }}'))
    {%- endif -%}
{%- endmacro %}

{# The same for a whole table: what the pre-hook deletes and what the tests look at. #}
{% macro rebuilt(table, alias='') -%}
    {%- set grain = invalidation_key_of(table) -%}
    {%- set prefix = alias ~ '.' if alias else '' -%}
    {%- if grain == 'window' -%}
        {{ window_filter(alias) }}
    {%- elif grain == 'log' and is_partial() -%}
        {#- what a failed build found stays: the tables it did rebuild no longer tell who was in them before. The driver
            empties the logs when a build begins after one that stood -#}
        false
    {%- else -%}
        {{ tenant_filter(prefix ~ 'tenant_id') }}
        {%- if grain not in ('all', 'log') %} and {{ affected_keys(grain, prefix ~ {'session': 'client_id', 'changed_contact': 'contact_id', 'case': 'subject_id'}.get(grain, grain ~ '_id' if grain != 'phone' else 'phone')) }}{%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# The same for the rows a model looks up: those on a list, instead of all of them. #}
{% macro scope_filter(column, list) -%}
    {%- if is_partial() %} and {{ column }} = any (array({{ list }})){%- endif -%}
{%- endmacro %}

{# The deals whose cases a run rebuilds: those of the clients in scope, and those in scope that no client is tied to. #}
{% macro affected_deals(alias='') -%}
    {%- set prefix = alias ~ '.' if alias else '' -%}
    {%- if not execute -%}{%- do ref('int_touched_cases') -%}{%- endif -%}
    {%- if not is_partial() or var('all_cases', false) -%}
        true
    {%- else -%}
        ({{ affected_keys('case', prefix ~ 'client_id') }} or {{ prefix }}client_id is null and {{ prefix }}deal_id = any (array(
            select t.deal_id from {{ ref('int_touched_cases') }} as t where {{ tenant_filter('t.tenant_id') }} and t.deal_id is not null)))
    {%- endif -%}
{%- endmacro %}

{# A table further down the line, as the last build left it. No ref: what is touched is known before it is rebuilt. #}
{% macro prior_state(name) -%}
    {{ api.Relation.create(database=this.database, schema='marts' if name.split('_')[0] in ('fct', 'dim', 'period') else 'intermediate', identifier=name) }}
{%- endmacro %}

{# A phone of more contacts, or a contact of more phones, connects nobody. #}
{% macro bridge_limit() -%} 10 {%- endmacro %}

{# The rows of a table that the data tests look at. #}
{% macro rows_in_scope(relation) -%}
    {%- if not execute -%}
        {%- do ref('int_touched') -%}{%- do ref('int_touched_cases') -%}{%- do ref('int_touched_phones') -%}{%- do ref('int_changes') -%}{%- do source('private', 'raw_changes') -%}
    {%- endif -%}
    {{ rebuilt(relation.identifier) }}
{%- endmacro %}
