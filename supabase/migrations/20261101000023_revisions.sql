-- A report that lacks something is revised by itself: when, how often, what it lacks.

alter table synkro.tenant_runtime_configs
  -- runs that try to complete a report, after the one that made it; 0 = none
  add column followup_attempts integer not null default 4 check (followup_attempts between 0 and 10),
  -- before the first of them; the pause doubles with each
  add column followup_pause_minutes integer not null default 30 check (followup_pause_minutes between 5 and 1440);

alter table synkro.reports
  -- sources that were not read whole, and «ai»
  add column lacks text[] not null default '{}',
  -- when the next run tries to complete it; null: nothing is planned
  add column revise_at timestamptz;
create index reports_to_revise on synkro.reports (revise_at) where is_current and revise_at is not null;

-- report: asked for or due; followup: completes a report; rebuild: history by a Dagster backfill, nobody is written to
alter table synkro.job_runs
  add constraint job_runs_job_type check (job_type in ('report', 'followup', 'rebuild'));
grant insert (job_type) on synkro.job_runs to authenticated;
create policy "members ask for reports only" on synkro.job_runs as restrictive for insert to authenticated
  with check (job_type = 'report');
