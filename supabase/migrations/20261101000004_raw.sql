-- Raw: the vendors' rows as they came, one jsonb payload each. The tables are made here, with their keys and
-- indexes; dlt only fills them (it makes no index on a merge key: an upsert into 2 M rows is five times slower).
-- No grant to people: raw is read by the workers alone.

create schema if not exists raw_amocrm;
create schema if not exists raw_radist;

create table raw_amocrm.account (
  tenant_id uuid not null, id bigint not null, payload jsonb not null, seen_at timestamptz not null,
  _dlt_load_id varchar not null, _dlt_id varchar not null, primary key (tenant_id, id)
);
create table raw_amocrm.users (like raw_amocrm.account including all);
create table raw_amocrm.pipelines (like raw_amocrm.account including all);
create table raw_amocrm.loss_reasons (like raw_amocrm.account including all);

create table raw_amocrm.leads (
  tenant_id uuid not null, id bigint not null, created_at timestamptz, updated_at timestamptz,
  payload jsonb not null, seen_at timestamptz not null,
  _dlt_load_id varchar not null, _dlt_id varchar not null, primary key (tenant_id, id)
);
create index leads_updated on raw_amocrm.leads (tenant_id, updated_at);
create table raw_amocrm.contacts (like raw_amocrm.leads including all);

create table raw_amocrm.events (
  tenant_id uuid not null, id varchar not null, type varchar not null, entity_type varchar, entity_id bigint,
  created_at timestamptz not null, payload jsonb not null, seen_at timestamptz not null,
  _dlt_load_id varchar not null, _dlt_id varchar not null, primary key (tenant_id, id)
);
create index events_by_type on raw_amocrm.events (tenant_id, type, created_at);

create table raw_amocrm.notes (
  tenant_id uuid not null, id bigint not null, entity_type varchar not null, entity_id bigint,
  note_type varchar not null, created_at timestamptz, updated_at timestamptz,
  payload jsonb not null, seen_at timestamptz not null,
  _dlt_load_id varchar not null, _dlt_id varchar not null, primary key (tenant_id, id)
);
create index notes_created on raw_amocrm.notes (tenant_id, created_at);

-- Rows of the recycle bin and of delete events: stubs, so that a deal that left the lists is not open for ever.
create table raw_amocrm.deleted (
  tenant_id uuid not null, entity_type varchar not null, id bigint not null, deleted_at timestamptz,
  payload jsonb not null, seen_at timestamptz not null,
  _dlt_load_id varchar not null, _dlt_id varchar not null, primary key (tenant_id, entity_type, id)
);

create table raw_radist.sources (
  tenant_id uuid not null, id bigint not null, type varchar not null, payload jsonb not null,
  seen_at timestamptz not null,
  _dlt_load_id varchar not null, _dlt_id varchar not null, primary key (tenant_id, id)
);
create table raw_radist.chats (
  tenant_id uuid not null, id bigint not null, contact_id bigint, connection_id bigint, updated_at timestamptz,
  payload jsonb not null, seen_at timestamptz not null,
  _dlt_load_id varchar not null, _dlt_id varchar not null, primary key (tenant_id, id)
);
-- Whether a message id is unique across chats is not known: the chat is part of the key.
create table raw_radist.messages (
  tenant_id uuid not null, chat_id bigint not null, id varchar not null, connection_id bigint,
  sent_at timestamptz not null, direction varchar not null, message_type varchar not null,
  payload jsonb not null, seen_at timestamptz not null,
  _dlt_load_id varchar not null, _dlt_id varchar not null, primary key (tenant_id, chat_id, id)
);
create index messages_sent on raw_radist.messages (tenant_id, sent_at);

do $$
declare t regclass;
begin
  for t in select c.oid::regclass from pg_class c
           where c.relnamespace in ('raw_amocrm'::regnamespace, 'raw_radist'::regnamespace) and c.relkind = 'r'
  loop
    execute format('alter table %s enable row level security', t);
    execute format('alter table %s force row level security', t);
  end loop;
end
$$;

grant usage on schema raw_amocrm, raw_radist to service_role;
grant select, delete on all tables in schema raw_amocrm, raw_radist to service_role;

-- dbt owns what is inside; people read marts and api only.
create schema if not exists staging;
create schema if not exists intermediate;
create schema if not exists marts;
create schema if not exists api;
grant usage on schema marts to authenticated, service_role, synkro_analyst;
grant usage on schema api to authenticated, service_role, synkro_analyst;
grant usage on schema intermediate, staging to service_role;
