{#
  A tenant's run inserts straight into the table. dbt's own way fills a temporary table first, to compare its columns:
  that is the deploy's business, and costs every row a second writing and every model ten statements.
#}
{% materialization incremental, adapter='postgres' -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is none or should_full_refresh() or var('tenant_id', none) is none -%}
        {{ return(dbt.materialization_incremental_default()) }}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {#- a contract names them all; elsewhere the deploy has made the table's columns those of the model -#}
    {%- if config.get('contract').enforced -%}
        {%- set names = model.columns.keys() | list -%}
    {%- else -%}
        {%- set names = adapter.get_columns_in_relation(existing) | map(attribute='name') | list -%}
    {%- endif -%}
    {%- set columns = '"' ~ names | join('", "') ~ '"' -%}
    {% call statement('main') -%}
        insert into {{ this }} ({{ columns }}) select {{ columns }} from (
            {{ sql }}
        ) as built
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [this]}) }}
{%- endmaterialization %}

{# Post-hook. Statistics of a table rebuilt whole; what a day adds is left to autovacuum, which looks at its share of the
   table. The logs are new each time, and the plans of the run hang on their size. #}
{% macro measure() -%}
    {%- if not is_partial() or grain_of(model.name) == 'log' -%}
        analyze {{ this }}
    {%- endif -%}
{%- endmacro %}

{# Post-hook of a deploy. dbt makes the indexes of a table when it makes the table; a model that wants one more since
   then would never get it. Found by their columns: dbt names an index after the second it was made in. #}
{% macro ensure_indexes() -%}
    {%- if var('no_tenants', false) and model.config.get('indexes') -%}
do $hook$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      {%- for index in model.config.indexes %}
      (array['{{ index.columns | join("', '") }}'], {{ index.get('unique', false) | lower }}){{ ',' if not loop.last }}
      {%- endfor %}
    ) as w (columns, is_unique)
  loop
    if not exists (
      select from pg_catalog.pg_index as x
      where x.indrelid = '{{ this }}'::regclass and x.indisunique = wanted.is_unique and wanted.columns = array(
        select a.attname::text from unnest(x.indkey) with ordinality as k (attnum, place)
        join pg_catalog.pg_attribute as a on a.attrelid = x.indrelid and a.attnum = k.attnum order by k.place)
    ) then
      execute format('create %s index on {{ this }} (%s)', case when wanted.is_unique then 'unique' else '' end,
        (select string_agg(quote_ident(c), ', ' order by place) from unnest(wanted.columns) with ordinality as u (c, place)));
    end if;
  end loop;
end
$hook$
    {%- endif -%}
{%- endmacro %}
