-- The door of the initial history, and the account of what raw holds against what the marts hold.

-- Set: the run first reads the history from this moment on. Null: the usual increment (or first load).
alter table synkro.job_runs add column history_from timestamptz
  check (history_from is null or history_from <= window_start);

-- Years of history keep a vendor busy for hours: members ask for reports, administrators for history.
grant insert (history_from) on synkro.job_runs to authenticated;
create policy "administrators load history" on synkro.job_runs as restrictive for insert to authenticated
  with check (history_from is null or tenant_id = any (array(select synkro.my_admin_tenants())));

-- Raw against marts, counted by the run once its marts stand: people may not read raw themselves.
create table synkro.reconciliations (
  tenant_id uuid not null,
  run_id uuid not null,
  source text not null check (source in ('amocrm', 'radist')),
  entity text not null check (entity in ('messages', 'dialogs', 'leads')),
  -- a business day of the run's window; null: everything read so far
  day date,
  raw_rows bigint not null,
  -- {reason: rows} left out on purpose: group, internal, deleted
  left_out jsonb not null default '{}',
  mart_rows bigint not null,
  created_at timestamptz not null default now(),
  unique nulls not distinct (tenant_id, run_id, source, entity, day),
  foreign key (tenant_id, run_id) references synkro.job_runs (tenant_id, run_id) on delete cascade
);
alter table synkro.reconciliations enable row level security;
alter table synkro.reconciliations force row level security;
grant select, insert, update, delete on synkro.reconciliations to service_role;
grant select on synkro.reconciliations to authenticated;
create policy "members read their tenant" on synkro.reconciliations for select to authenticated
  using (tenant_id = any (array(select synkro.my_tenants())));
