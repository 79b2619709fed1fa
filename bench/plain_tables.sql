-- Where plain.sql writes; the last days of the history are there already.
create schema if not exists bench;
create table if not exists bench.messages as
  select tenant_id, client_id, session_id, dialog_id, message_id, kind, author_id, sent_at, body from marts.fct_messages where false;
create index if not exists messages_client on bench.messages (tenant_id, client_id);
create index if not exists messages_sent on bench.messages (tenant_id, sent_at);
create table if not exists bench.waits as
  select tenant_id, client_id, wait_id, session_id, opened_at, closed_at, closed_by, replied_by, response_minutes, sla_deadline_at, is_breached
  from marts.fct_waits where false;
create index if not exists waits_client on bench.waits (tenant_id, client_id);
create index if not exists waits_opened on bench.waits (tenant_id, opened_at);
create table if not exists bench.sessions as
  select tenant_id, client_id, session_id, started_at, ended_at, message_count from marts.fct_sessions where false;
create index if not exists sessions_client on bench.sessions (tenant_id, client_id);
create table if not exists bench.periods (
  tenant_id uuid, window_start timestamptz, window_end timestamptz, messages bigint, clients bigint, sessions bigint, waits bigint,
  answered bigint, breached bigint, response_p50 float, response_p90 float, unanswered bigint, at_risk numeric);
insert into bench.messages
  select tenant_id, client_id, session_id, dialog_id, message_id, kind, author_id, sent_at, body
  from marts.fct_messages where tenant_id = %(tenant)s and sent_at >= %(since)s;
insert into bench.waits
  select tenant_id, client_id, wait_id, session_id, opened_at, closed_at, closed_by, replied_by, response_minutes, sla_deadline_at, is_breached
  from marts.fct_waits where tenant_id = %(tenant)s and opened_at >= %(since)s;
insert into bench.sessions
  select tenant_id, client_id, session_id, started_at, ended_at, message_count
  from marts.fct_sessions where tenant_id = %(tenant)s and started_at >= %(since)s;
