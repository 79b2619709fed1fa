-- A calendar that changes for days past changes their numbers: the windows it concerns are built again by the next run.

alter table synkro.report_windows
  -- the calendar says something else of its days than when its numbers were built
  add column is_outdated boolean not null default false;
create index report_windows_outdated on synkro.report_windows (tenant_id) where is_outdated;

comment on column synkro.tenant_runtime_configs.calendar is
  'Working hours; null is around the clock. "versions" hold from a date on, each a calendar whole (synkro/calendar.py).';
