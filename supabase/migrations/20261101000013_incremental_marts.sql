-- What the marts need to rebuild only what changed: the changes of raw since a tenant's last successful build, and a
-- mark of what that build was made of.
--
-- Changes are noted by triggers, in the transaction of the change itself. A time stamp of the load would not do: it is
-- set when a reading begins and seen when it commits, hours apart, it says nothing of a deleted row, and it moves with
-- every row that comes again unchanged.

-- A run takes the changes it can see (is_claimed), rebuilds what they touch and deletes exactly them once it stands. A
-- run that died leaves them claimed for the next. No foreign key: the last change of a tenant is that its rows go.
create table private.raw_changes (
  tenant_id uuid not null,
  change_id bigint generated always as identity,
  -- chat, connection, contact, deal, phone: what may have changed; event: a deal moved between stages
  kind text not null check (kind in ('chat', 'connection', 'contact', 'deal', 'phone', 'event')),
  id text not null,
  -- chat: the moments of the messages that changed; null when only the dialog itself did
  since timestamptz,
  until timestamptz,
  is_claimed boolean not null default false,
  primary key (tenant_id, change_id)
);

-- One row a tenant: what the marts as they stand were made of. Whatever differs at the next build and concerns every
-- client (settings, calendar, the models themselves) makes it start from nothing.
create table private.mart_builds (
  tenant_id uuid primary key references synkro.tenants (tenant_id) on delete cascade,
  -- all: every row was rebuilt; touched: the rows of the clients something happened to
  scope text not null check (scope in ('all', 'touched')),
  -- set when a build begins, cleared when it stands
  is_building boolean not null,
  -- hashes of the dbt project, of the settings, of amoCRM's dictionaries; null: no build ever stood
  project text,
  settings text,
  dictionaries text,
  -- the calendar from calendar_from to calendar_until, as a hash
  calendar text,
  calendar_from timestamptz,
  calendar_until timestamptz,
  -- the data watermark the open waits were judged by
  as_of timestamptz,
  built_at timestamptz
);

do $$
declare t text;
begin
  foreach t in array array['raw_changes', 'mart_builds'] loop
    execute format('alter table private.%I enable row level security', t);
    execute format('alter table private.%I force row level security', t);
    execute format('grant select, delete on private.%I to service_role', t);
  end loop;
end
$$;

-- Which clients a statement on a raw table may touch: one row a chat, contact, deal or phone, however many rows changed.
-- Rows that come again as they were leave no trace: seen_at and dlt's columns are no content.
create function private.note_raw_changes() returns trigger
  language plpgsql security definer set search_path = '' as $$
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
      'null::timestamptz, null::timestamptz from versions where entity_type in (''lead'', ''leads'', ''contact'', ''contacts'')'
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
      'and (v.type <> ''lead_status_changed'' or e.kind = ''event'')'
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

do $$
declare t text;
begin
  foreach t in array array[
    'raw_radist.messages', 'raw_radist.chats', 'raw_radist.sources', 'raw_amocrm.contacts', 'raw_amocrm.leads',
    'raw_amocrm.events', 'raw_amocrm.notes', 'raw_amocrm.deleted'
  ] loop
    execute format('create trigger note_inserted after insert on %s referencing new table as new_rows '
                   'for each statement execute function private.note_raw_changes()', t);
    execute format('create trigger note_updated after update on %s referencing old table as old_rows new table as new_rows '
                   'for each statement execute function private.note_raw_changes()', t);
    execute format('create trigger note_deleted after delete on %s referencing old table as old_rows '
                   'for each statement execute function private.note_raw_changes()', t);
    execute format('create trigger note_truncated after truncate on %s '
                   'for each statement execute function private.note_raw_changes()', t);
  end loop;
end
$$;

-- From a client to its rows of raw. The expressions are those of the staging views, word for word: an index serves
-- the expression it was made of and no other (tests/transforms/test_plans.py looks).
create index chats_by_phone on raw_radist.chats (tenant_id, (nullif(payload #>> '{_synkro,phone}', '')));
create index chats_by_connection on raw_radist.chats (tenant_id, connection_id);
create index events_of_contact on raw_amocrm.events (tenant_id, (
  coalesce(
    nullif(payload #>> '{_embedded,entity,linked_talk_contact_id}', '0'),
    case when coalesce(entity_type, payload ->> 'entity_type') in ('contact', 'contacts') then coalesce(entity_id::text, payload ->> 'entity_id') end
  )
)) where type = 'outgoing_chat_message';
create index events_of_deal on raw_amocrm.events (tenant_id, (
  case when coalesce(entity_type, payload ->> 'entity_type') in ('lead', 'leads') then coalesce(entity_id::text, payload ->> 'entity_id') end
)) where type = 'outgoing_chat_message';
create index owners_of_deal on raw_amocrm.events (tenant_id, (coalesce(entity_id::text, payload ->> 'entity_id')))
  where type = 'entity_responsible_changed';
create index calls_of on raw_amocrm.notes (tenant_id, (coalesce(entity_id::text, payload ->> 'entity_id')))
  where note_type in ('call_in', 'call_out');
create index deleted_by_id on raw_amocrm.deleted (tenant_id, id);
-- the first deal ever, which every run asks for
create index leads_created on raw_amocrm.leads (tenant_id, created_at);
