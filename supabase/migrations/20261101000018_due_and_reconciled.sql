-- What is asked every five seconds, for all tenants at once, leads to the windows of the last days and not through the
-- years before (orchestration/schedules.py; tests/orchestration/test_schedule_plans.py looks).
create index job_runs_by_window_end on synkro.job_runs (window_end);
create index reports_whole on synkro.reports (window_end) include (tenant_id, window_start) where is_current and is_complete;

-- Raw and marts counted dialog by dialog, so that a run counts the dialogs its build touched and adds up the others
-- (synkro/reconciliation.py). The build that stands empties the counts of what it touched, in the transaction of its
-- mark; a build of everything deletes them all.
create table private.reconciled_dialogs (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  dialog_id text not null,
  -- messages of the dialog; null: to be counted
  raw_rows bigint,
  mart_rows bigint,
  -- group, internal; null: it counts
  excluded_reason text,
  counted_at timestamptz,
  primary key (tenant_id, dialog_id)
);
-- those to be counted, and of the others those counted longest ago
create index reconciled_dialogs_oldest on private.reconciled_dialogs (tenant_id, counted_at nulls first);
alter table private.reconciled_dialogs enable row level security;
alter table private.reconciled_dialogs force row level security;
grant select, insert, update, delete on private.reconciled_dialogs to service_role;
