-- dlt's own tables, as dlt 1.31 would make them: made here, so that they are born under row level security and
-- no run of a tenant ever creates anything in a shared schema. No grant: only the schemas' owner, dlt, uses them.

do $$
declare s text; t text;
begin
  foreach s in array array['raw_amocrm', 'raw_radist'] loop
    -- one row per load; the status is written last, so a load without a row did not end
    execute format(
      'create table %I._dlt_loads (
         load_id varchar not null, schema_name varchar, status bigint not null,
         inserted_at timestamptz not null, schema_version_hash varchar)', s);
    execute format(
      'create table %I._dlt_version (
         version bigint not null, engine_version bigint not null, inserted_at timestamptz not null,
         schema_name varchar not null, version_hash varchar not null, schema varchar not null)', s);
    foreach t in array array['_dlt_loads', '_dlt_version'] loop
      execute format('alter table %I.%I enable row level security', s, t);
      execute format('alter table %I.%I force row level security', s, t);
    end loop;
  end loop;
end
$$;
