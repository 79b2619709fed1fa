{#
  A tenant's run changes rows and nothing else: the planner's settings, the deletion and the insert are one statement of one
  transaction, straight into the table. dbt's own way fills a temporary table first, to compare its columns, asks the
  catalogue what there is and runs every hook by itself: that is the deploy's business, and cost a model a dozen
  statements. So hooks are what a deploy and a full refresh do, by dbt's own `incremental`; what every run has to do stands here.
#}
{% materialization tenant_incremental, adapter='postgres' -%}
    {%- if should_full_refresh() or var('tenant_id', none) is none -%}
        {{ return(dbt.materialization_incremental_default()) }}
    {%- endif -%}

    {#- a contract names the columns; elsewhere the deploy made the table's those of the model, and the driver has asked which -#}
    {%- if config.get('contract').enforced -%}
        {%- set names = model.columns.keys() | list -%}
    {%- elif var('columns', none) -%}
        {%- set names = var('columns')[this.identifier] -%}
    {%- else -%}
        {%- set names = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
    {%- endif -%}
    {%- set columns = '"' ~ names | join('", "') ~ '"' -%}
    {%- set key = [] if not is_partial() or invalidation_key_of(model.name) == 'log' else key_of(model) -%}
    {% call statement('main') -%}
        {{ planner_settings() }};
        {% if key -%}
        {{ replace_what_differs(names, key, sql) }}
        {%- else -%}
        {{ delete_affected() }};
        insert into {{ this }} ({{ columns }}) select {{ columns }} from (
            {{ sql }}
        ) as built
        {%- endif %}
    {%- endcall %}
    {%- set statistics = analyze_table() -%}
    {%- if statistics -%}
        {% call statement('statistics') %}{{ statistics }}{% endcall %}
    {%- endif -%}

    {%- do adapter.commit() -%}
    {{ return({'relations': [this]}) }}
{%- endmaterialization %}

{#
  Of the rows a day builds anew, four of five stand as they are: a client who wrote today also wrote last month. Writing them
  again cost more than finding them, most of all where a long history scatters them over the table and its indexes.
  A model thus reads its own table as the last build left it. The count makes Postgres delete before it inserts.
#}
{% macro replace_what_differs(names, key, sql) -%}
    with built as materialized (
        {{ sql }}
    ),
    stands as materialized (
        select ctid as place, t.* from {{ this }} as t where {{ rebuilt(model.name, 't') }}
    ),
    differs as materialized (
        select s.place, b."{{ names | join('", b."') }}"
        from stands as s
        full join built as b on {% for column in key %}b."{{ column }}" = s."{{ column }}"{{ ' and ' if not loop.last }}{% endfor %}
        where (s."{{ names | join('", s."') }}") is distinct from (b."{{ names | join('", b."') }}")
    ),
    gone as (
        delete from {{ this }} where ctid = any (array(select place from differs where place is not null)) returning true
    )
    insert into {{ this }} ("{{ names | join('", "') }}") select "{{ names | join('", "') }}" from differs
    where "{{ key[0] }}" is not null and (select count(*) from gone) >= 0
{%- endmacro %}

{# The columns of a table's first unique index. #}
{% macro key_of(model) -%}
    {%- for index in model.config.indexes or [] if index.unique -%}
        {%- if loop.first -%}{{ return(index.columns) }}{%- endif -%}
    {%- endfor -%}
    {{ return([]) }}
{%- endmacro %}

{# Statistics of a table rebuilt whole; what a day adds is left to autovacuum, which looks at its share of the
   table. The logs are new each time, and the plans of the run hang on their size. #}
{% macro analyze_table() -%}
    {%- if model.config.materialized != 'view' and (not is_partial() or invalidation_key_of(model.name) == 'log') -%}
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
