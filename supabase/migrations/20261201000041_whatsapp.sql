-- A third connector: chats exported from WhatsApp, uploaded as files. An upload leaves rows in private.whatsapp_*; the next
-- run reads them into raw as it reads any other source, and takes out what raw holds.

create schema if not exists raw_whatsapp;
-- The columns, keys and indexes of dialogs are the same whoever brings them: the staging views put them together.
create table raw_whatsapp.chats (like raw_radist.chats including all);
create table raw_whatsapp.messages (like raw_radist.messages including all);
-- dlt's own, as in the other schemas
create table raw_whatsapp._dlt_loads (like raw_radist._dlt_loads including all);
create table raw_whatsapp._dlt_version (like raw_radist._dlt_version including all);

-- What was uploaded and no run has read yet.
create table private.whatsapp_chats (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  id bigint not null,
  -- the last line of the longest export of this chat
  exported_until timestamptz not null,
  payload jsonb not null,
  primary key (tenant_id, id)
);
create table private.whatsapp_messages (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  chat_id bigint not null,
  id text not null,
  sent_at timestamptz not null,
  direction text not null,
  message_type text not null,
  payload jsonb not null,
  primary key (tenant_id, chat_id, id)
);

do $$
declare t regclass; name text; source text;
begin
  for t in select c.oid::regclass from pg_class c where c.relnamespace = 'raw_whatsapp'::regnamespace and c.relkind = 'r' loop
    execute format('alter table %s enable row level security', t);
    execute format('alter table %s force row level security', t);
  end loop;
  foreach name in array array['whatsapp_chats', 'whatsapp_messages'] loop
    execute format('alter table private.%I enable row level security', name);
    execute format('alter table private.%I force row level security', name);
    execute format('grant select, insert, update, delete on private.%I to service_role', name);
  end loop;
  foreach name in array array['raw_whatsapp.chats', 'raw_whatsapp.messages'] loop
    execute format('create trigger note_inserted after insert on %s referencing new table as new_rows '
                   'for each statement execute function private.note_raw_changes()', name);
    execute format('create trigger note_updated after update on %s referencing old table as old_rows new table as new_rows '
                   'for each statement execute function private.note_raw_changes()', name);
    execute format('create trigger note_deleted after delete on %s referencing old table as old_rows '
                   'for each statement execute function private.note_raw_changes()', name);
    execute format('create trigger note_truncated after truncate on %s '
                   'for each statement execute function private.note_raw_changes()', name);
  end loop;
  -- a source is the name of a connector
  foreach source in array array['watermarks', 'stream_loads', 'reconciliations', 'backfills'] loop
    execute format('alter table synkro.%I drop constraint %I, add constraint %I check (source in (%L, %L, %L))',
      source, source || '_source_check', source || '_source_check', 'amocrm', 'radist', 'whatsapp');
  end loop;
  foreach name in array array['tenant_runtime_configs', 'job_runs'] loop
    execute format('alter table synkro.%I drop constraint %I, add constraint %I check (mode in (%L, %L, %L, %L, %L))',
      name, name || '_mode_check', name || '_mode_check',
      'amocrm_radist', 'amocrm_whatsapp', 'radist_only', 'whatsapp_only', 'amocrm_only');
  end loop;
end
$$;
grant usage on schema raw_whatsapp to service_role;
grant select, delete on raw_whatsapp.chats, raw_whatsapp.messages to service_role;

alter table synkro.integration_configs
  drop constraint integration_configs_kind_check,
  add constraint integration_configs_kind_check check (kind in ('supabase', 'amocrm', 'radist', 'whatsapp', 'ai', 'telegram'));

-- The client of a labelled message is rebuilt by the next run, whoever brought the message.
create or replace function private.note_reply_label() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  chat bigint := case when new.dialog_id ~ '^[0-9]{1,18}$' then new.dialog_id::bigint end;
begin
  insert into private.raw_changes (tenant_id, kind, id, since, until)
  select new.tenant_id, 'chat', new.dialog_id, m.sent_at, m.sent_at
  from (
    select r.sent_at from raw_radist.messages as r
    where r.tenant_id = new.tenant_id and r.chat_id = chat and r.id = new.message_id
    union all
    select w.sent_at from raw_whatsapp.messages as w
    where w.tenant_id = new.tenant_id and w.chat_id = chat and w.id = new.message_id
  ) as m;
  return null;
end
$$;
