{#
  Which tenant this invocation rebuilds.

  Every model that reads a source or another model filters with tenant_filter(), so that a tenant's run costs
  what the tenant has. A run without a tenant would append everyone's rows a second time: it stops instead.

  What reads nothing (docs, compile, list) needs no tenant. A unit test brings its rows along: they are all of its own.

  A deploy builds for no tenant at all: views, and tables with no rows. Not with `--empty`, which writes its
  `where false` into the views for good.
#}
{% macro tenant_filter(column='tenant_id') -%}
    {%- if var('no_tenants', false) -%}
        false
    {%- elif is_of_everyone() -%}
        true
    {%- elif var('tenant_id', none) -%}
        {{ column }} = '{{ var("tenant_id") }}'::uuid
    {%- elif execute and flags.WHICH in ('run', 'build', 'test', 'retry', 'show') -%}
        {{ exceptions.raise_compiler_error("no tenant: set the var tenant_id, or no_tenants for a deploy, or all_tenants for a full refresh") }}
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}

{% macro is_of_everyone() -%}
    {{ return(var('all_tenants', false) or model is defined and model.resource_type == 'unit_test') }}
{%- endmacro %}

{# The windows this invocation builds, as rows of the control plane: (tenant_id, window_start, window_end). The driver always
   names them; `dbt build` by hand builds every window of the tenant. #}
{% macro window_filter(alias='') -%}
    {%- set prefix = alias ~ '.' if alias else '' -%}
    {{ tenant_filter(prefix ~ 'tenant_id') }}
    {%- set windows = var('windows', none) or ([[var('window_start'), var('window_end')]] if var('window_start', none) else []) %}
    {%- if windows and not is_of_everyone() and not var('no_tenants', false) %}
        and ({{ prefix }}window_start, {{ prefix }}window_end) in (
            {%- for window in windows -%}
                ('{{ window[0] }}'::timestamptz, '{{ window[1] }}'::timestamptz){{ ', ' if not loop.last }}
            {%- endfor -%}
        )
    {%- endif -%}
{%- endmacro %}

{# delete+insert would leave the rows of a day that became empty: what is rebuilt is deleted first, in the transaction of
   the insert. #}
{% macro delete_affected() -%}
    delete from {{ this }} where {{ rebuilt(model.name) }}
{%- endmacro %}

{# Local to the transaction, so poolers do not mind. A rebuild joins whole sets whose sizes the planner cannot
   know (CTEs, a tenant's share of a table): a nested loop chosen for "one row" took ten minutes over 80,000. Compiling
   costs more than it saves, and a busy tenant's sorts should not go to disk. #}
{% macro planner_settings() -%}
    select set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true), set_config('work_mem', '64MB', true)
{%- endmacro %}

{# The rows of a table whose moment lies in the window `n`, by index. The fence keeps the planner from reading the whole
   tenant and joining it to the windows; nested loops are off, and here one is right. #}
{% macro rows_of_window(relation, moment) -%}
    (
        select * from {{ relation }} as x
        where x.tenant_id = n.tenant_id and x.{{ moment }} >= n.window_start and x.{{ moment }} < n.window_end
        offset 0
    )
{%- endmacro %}
