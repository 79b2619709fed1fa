-- Who waits now, and when a report is told. What a window's numbers say stays at the window's end; what people are told to do
-- comes from the data as it was read last.

-- Up to which moment the marts show a company, as the last build that stood has left them.
create table synkro.mart_watermarks (
  tenant_id uuid primary key references synkro.tenants (tenant_id) on delete cascade,
  as_of timestamptz not null,
  built_at timestamptz not null default now()
);
alter table synkro.mart_watermarks enable row level security;
alter table synkro.mart_watermarks force row level security;
create policy "members read their tenant" on synkro.mart_watermarks for select to authenticated, synkro_analyst
  using (tenant_id = any (array(select synkro.my_tenants())));
grant select on synkro.mart_watermarks to authenticated, synkro_analyst;
grant select, insert, update, delete on synkro.mart_watermarks to service_role;
insert into synkro.mart_watermarks (tenant_id, as_of, built_at)
  select tenant_id, as_of, built_at from private.mart_builds where as_of is not null and not is_building;

-- Until when the chats were read once more after the run, before its report was sent; null: they were not.
alter table synkro.report_windows add column looked_at timestamptz;

alter table synkro.tenant_runtime_configs
  -- when a report that a schedule has built is sent; null: right after it is built
  add column delivery_time time,
  -- mon … sun; empty: the days on which anybody works
  add column delivery_days text[] not null default '{}'
    check (delivery_days <@ array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']);

-- The report waits for the company's delivery time: no message about it has been composed yet.
alter table synkro.reports add column awaits_delivery boolean not null default false;
create index reports_awaiting_delivery on synkro.reports (tenant_id, window_end) where awaits_delivery;

-- delivery: the chats are read once more, then the message is composed and sent
alter table synkro.job_runs
  drop constraint job_runs_job_type,
  add constraint job_runs_job_type check (job_type in ('report', 'followup', 'rebuild', 'delivery'));

-- How the columns of marts.waits_open are shown to people's programs.
insert into private.api_columns (mart, column_name, form) values
  ('waits_open', 'wait_id', 'plain'), ('waits_open', 'dialog_id', 'plain'), ('waits_open', 'deal_id', 'plain'),
  ('waits_open', 'responsible_id', 'plain'), ('waits_open', 'client_id', 'client');
