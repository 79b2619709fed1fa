-- The rubric of a tenant, versioned with its other settings: one criterion a line, empty for the product's own.
alter table synkro.tenant_runtime_configs add column quality_rubric text[] not null default '{}';

-- What was understood of a dialog is searched by the words of its quotes.
create function synkro.reading_words(reading jsonb) returns tsvector language sql immutable parallel safe set search_path = '' as $$
  select to_tsvector('pg_catalog.russian', coalesce(string_agg(quote #>> '{}', ' '), ''))
  from jsonb_path_query(reading, '$.**.quote') quote
$$;
alter table synkro.dialog_readings add column words tsvector generated always as (synkro.reading_words(reading)) stored;
create index dialog_readings_words on synkro.dialog_readings using gin (words);
