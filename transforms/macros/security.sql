{#
  Who may read what dbt builds. Post-hooks, in the transaction of the build: a full refresh makes a new table
  without row level security, policies or grants, and nobody must be able to look in between.
  Each looks at the catalog first, so that a deploy over standing tables executes no ALTER. A tenant's run makes no table
  and runs no hook (macros/tenant_incremental.sql).
#}
{% macro _force_row_security() %}
  if not (select c.relrowsecurity and c.relforcerowsecurity from pg_catalog.pg_class c where c.oid = relation) then
    execute format('alter table %s enable row level security', relation);
    execute format('alter table %s force row level security', relation);
    -- a row without a tenant would belong to nobody and be deleted by nobody
    execute format('alter table %s alter column tenant_id set not null', relation);
  end if;
{% endmacro %}

{% macro open_to_members() -%}
{%- if model.config.materialized == 'view' -%}
do $hook$
begin
  -- its reader's rights decide, so the policies of the tables below hold
  alter view {{ this }} set (security_invoker = true);
  grant select on {{ this }} to authenticated, synkro_analyst, service_role;
end
$hook$
{%- else -%}
do $hook$
declare
  relation regclass := '{{ this }}';
begin
  {{ _force_row_security() }}
  if not exists (select from pg_catalog.pg_policies
                 where schemaname = '{{ this.schema }}' and tablename = '{{ this.identifier }}'
                   and policyname = 'members read their tenant') then
    execute format(
      'create policy "members read their tenant" on %s for select to authenticated, synkro_analyst '
      'using (tenant_id = any (array(select synkro.my_tenants())))', relation);
  end if;
  if not (has_table_privilege('authenticated', relation, 'select')
          and has_table_privilege('synkro_analyst', relation, 'select')
          and has_table_privilege('service_role', relation, 'select')) then
    execute format('grant select on %s to authenticated, synkro_analyst, service_role', relation);
  end if;
end
$hook$
{%- endif -%}
{%- endmacro %}

{% macro lock_to_workers() -%}
do $hook$
declare
  relation regclass := '{{ this }}';
begin
  {{ _force_row_security() }}
  -- marts have this from their contract
  if exists (select from pg_catalog.pg_attribute
             where attrelid = relation and attname = 'tenant_id' and not attnotnull) then
    execute format('alter table %s alter column tenant_id set not null', relation);
  end if;
  if not has_table_privilege('service_role', relation, 'select') then
    execute format('grant select on %s to service_role', relation);
  end if;
end
$hook$
{%- endmacro %}

{# A view reads with its reader's rights, so that the policies of what lies below hold for whoever reads it. #}
{% macro read_as_the_reader() -%}
    alter view {{ this }} set (security_invoker = true)
{%- endmacro %}

{% macro grant_to_workers() -%}
    grant select on {{ this }} to service_role
{%- endmacro %}

{# A full refresh replaces a mart and takes its api view with it; the function makes the missing ones. A tenant's run
   replaces nothing. #}
{% macro refresh_api() -%}
    {%- if execute and flags.WHICH in ('run', 'build') and var('tenant_id', none) is none -%}
        select synkro.refresh_api()
    {%- endif -%}
{%- endmacro %}
