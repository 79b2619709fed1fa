-- Tasks of amoCRM, and what each message does: promises, offers, complaints. Both are read by the marts of promises.

create table raw_amocrm.tasks (
  tenant_id uuid not null, id bigint not null, entity_type varchar, entity_id bigint,
  created_at timestamptz, updated_at timestamptz,
  payload jsonb not null, seen_at timestamptz not null,
  _dlt_load_id varchar not null, _dlt_id varchar not null, primary key (tenant_id, id)
);
create index tasks_of on raw_amocrm.tasks (tenant_id, entity_id) where entity_type in ('lead', 'leads');
-- amoCRM keeps no moment of completion: its log does
create index events_of_task on raw_amocrm.events (tenant_id, entity_id) where type = 'task_completed';
alter table raw_amocrm.tasks enable row level security;
alter table raw_amocrm.tasks force row level security;
grant select, delete on raw_amocrm.tasks to service_role;

-- Which clients a statement on a raw table may touch. A task, its completion and its deletion touch the client of its deal.
create or replace function private.note_raw_changes() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  -- a tombstone without a moment counts from when it was seen
  content text := case TG_TABLE_NAME
    when 'sources' then 'tenant_id, id, type'
    when 'deleted' then 'tenant_id, entity_type, id, coalesce(deleted_at, seen_at) as deleted_at'
    else (
      select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
      from pg_catalog.pg_attribute as a
      where a.attrelid = TG_RELID and a.attnum > 0 and not a.attisdropped
        and a.attname not in ('seen_at', '_dlt_load_id', '_dlt_id')
    ) end;
  versions text := case TG_OP
    when 'INSERT' then format('select true as is_new, %s from new_rows', content)
    when 'DELETE' then format('select false as is_new, %s from old_rows', content)
    else format(
      'select true as is_new, n.* from (select %1$s from new_rows except all select %1$s from old_rows) as n '
      'union all select false, o.* from (select %1$s from old_rows except all select %1$s from new_rows) as o', content)
    end;
  found text := case TG_TABLE_NAME
    when 'messages' then
      'select tenant_id, ''chat'', chat_id::text, min(sent_at), max(sent_at) from versions group by tenant_id, chat_id'
    when 'chats' then
      'select distinct tenant_id, ''chat'', id::text, null::timestamptz, null::timestamptz from versions '
      'union all select tenant_id, ''phone'', payload #>> ''{_synkro,phone}'', null, null from versions '
      'where payload #>> ''{_synkro,phone}'' <> '''' group by tenant_id, id, 3 having count(distinct is_new) = 1'
    when 'sources' then
      'select distinct tenant_id, ''connection'', id::text, null::timestamptz, null::timestamptz from versions'
    when 'contacts' then
      'select distinct tenant_id, ''contact'', id::text, null::timestamptz, null::timestamptz from versions '
      'union all select v.tenant_id, ''phone'', p.phone, null, null from versions as v, '
      'lateral jsonb_array_elements_text(case jsonb_typeof(v.payload #> ''{_synkro,phones}'') when ''array'' '
      'then v.payload #> ''{_synkro,phones}'' end) as p (phone) '
      'group by v.tenant_id, v.id, p.phone having count(distinct v.is_new) = 1'
    when 'leads' then
      'select distinct tenant_id, ''deal'', id::text, null::timestamptz, null::timestamptz from versions'
    when 'deleted' then
      'select distinct tenant_id, case when entity_type like ''lead%'' then ''deal'' else ''contact'' end, id::text, '
      'null::timestamptz, null::timestamptz from versions where entity_type in (''lead'', ''leads'', ''contact'', ''contacts'') '
      -- a task is its deal's business
      'union select v.tenant_id, ''deal'', t.entity_id::text, null, null from versions as v '
      'join raw_amocrm.tasks as t on t.tenant_id = v.tenant_id and t.id = v.id '
      'where v.entity_type in (''task'', ''tasks'') and t.entity_type in (''lead'', ''leads'') and t.entity_id is not null'
    when 'tasks' then
      'select distinct tenant_id, ''deal'', entity_id::text, null::timestamptz, null::timestamptz from versions '
      'where entity_type in (''lead'', ''leads'') and entity_id is not null'
    when 'notes' then
      'select distinct tenant_id, case when entity_type like ''lead%'' then ''deal'' else ''contact'' end, '
      'coalesce(entity_id::text, payload ->> ''entity_id''), null::timestamptz, null::timestamptz from versions '
      'where note_type in (''call_in'', ''call_out'') and entity_type in (''lead'', ''leads'', ''contact'', ''contacts'') '
      'and coalesce(entity_id::text, payload ->> ''entity_id'') is not null'
    when 'events' then
      'select distinct v.tenant_id, e.kind, e.id, null::timestamptz, null::timestamptz from versions as v, lateral (values '
      '(''event'', case when v.type = ''lead_status_changed'' then v.id end), '
      '(''contact'', nullif(v.payload #>> ''{_embedded,entity,linked_talk_contact_id}'', ''0'')), '
      '(case when coalesce(v.entity_type, v.payload ->> ''entity_type'') in (''lead'', ''leads'') then ''deal'' '
      'when coalesce(v.entity_type, v.payload ->> ''entity_type'') in (''contact'', ''contacts'') then ''contact'' end, '
      'coalesce(v.entity_id::text, v.payload ->> ''entity_id''))) as e (kind, id) '
      'where v.type in (''outgoing_chat_message'', ''entity_responsible_changed'', ''lead_status_changed'') '
      'and e.kind is not null and e.id is not null '
      -- a move between stages is told by the event itself
      'and (v.type <> ''lead_status_changed'' or e.kind = ''event'') '
      'union select v.tenant_id, ''deal'', t.entity_id::text, null, null from versions as v '
      'join raw_amocrm.tasks as t on t.tenant_id = v.tenant_id and t.id = v.entity_id '
      'where v.type = ''task_completed'' and t.entity_type in (''lead'', ''leads'') and t.entity_id is not null'
    end;
begin
  if TG_OP = 'TRUNCATE' then
    -- nobody can say what was there
    delete from private.mart_builds;
  else
    execute format(
      'with versions as (%s) insert into private.raw_changes (tenant_id, kind, id, since, until) %s', versions, found);
  end if;
  return null;
end
$$;
revoke execute on function private.note_raw_changes() from public;

create trigger note_inserted after insert on raw_amocrm.tasks referencing new table as new_rows
  for each statement execute function private.note_raw_changes();
create trigger note_updated after update on raw_amocrm.tasks referencing old table as old_rows new table as new_rows
  for each statement execute function private.note_raw_changes();
create trigger note_deleted after delete on raw_amocrm.tasks referencing old table as old_rows
  for each statement execute function private.note_raw_changes();
create trigger note_truncated after truncate on raw_amocrm.tasks
  for each statement execute function private.note_raw_changes();

-- What a message does, decided with message_intents and kept in step with it (private.decided_dialogs).
create table private.message_acts (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  dialog_id text not null,
  message_id text not null,
  act text not null check (act in (
    'promise', 'client_promise', 'offer', 'complaint', 'payment_claimed', 'asks_to_buy', 'refusal'
  )),
  -- of a promise: document, call, price, photo, discount, delivery, answer, other; of an offer: sum, file; else empty
  what text not null default '',
  -- of a promise: when it falls due
  due_at timestamptz,
  primary key (tenant_id, dialog_id, message_id, act, what)
);
alter table private.message_acts enable row level security;
alter table private.message_acts force row level security;
grant select, insert, update, delete on private.message_acts to service_role;

-- How a column of a mart is shown stands in a table: who adds a mart adds its rows and leaves those of others alone.
create table private.api_columns (
  mart text not null,
  column_name text not null,
  form text not null check (form in ('phone', 'client', 'words', 'plain')),
  primary key (mart, column_name)
);
alter table private.api_columns enable row level security;
alter table private.api_columns force row level security;
insert into private.api_columns (mart, column_name, form) select mart, column_name, form from synkro.api_forms();
create or replace function synkro.api_forms() returns table (mart text, column_name text, form text)
  language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.mart, c.column_name, c.form from private.api_columns as c
$$;
revoke execute on function synkro.api_forms() from public;

insert into private.api_columns (mart, column_name, form) values
  ('fct_tasks', 'task_id', 'plain'), ('fct_tasks', 'deal_id', 'plain'), ('fct_tasks', 'responsible_id', 'plain'),
  ('fct_tasks', 'client_id', 'client'), ('fct_tasks', 'text', 'words'), ('fct_tasks', 'result', 'words');
