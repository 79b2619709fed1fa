-- What was said of a case (marts.fct_cases): a report advised it, a person dismissed it, or took that back. Rows are added and never
-- changed: the last word counts, and who said what before it stays readable.
create table synkro.case_marks (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  mark_id bigint generated always as identity,
  case_id text not null,
  mark text not null check (mark in ('advised', 'dismissed', 'undone')),
  -- why a case was dismissed
  reason text check (reason in ('no_reply_needed', 'not_relevant', 'done')),
  -- the dialog whose waits are judged anew when the case is dismissed
  dialog_id text,
  report_id uuid,
  -- advised: what the case was worth and what was known then, so that a later report can tell whether it got worse
  money numeric,
  as_of timestamptz,
  channel text not null check (channel in ('report', 'web', 'telegram', 'command')),
  decided_by text not null default 'person' check (decided_by in ('person', 'ai')),
  marked_by uuid,
  marked_by_name text not null default '',
  marked_at timestamptz not null,
  primary key (tenant_id, mark_id),
  foreign key (tenant_id, report_id) references synkro.reports (tenant_id, report_id) on delete cascade,
  check ((mark = 'dismissed') = (reason is not null)),
  check (mark <> 'advised' or report_id is not null)
);
create index case_marks_of_case on synkro.case_marks (tenant_id, case_id, mark_id);
create index case_marks_of_report on synkro.case_marks (tenant_id, report_id);
-- a report advises a case once, however often its publishing is tried
create unique index case_marks_advised_once on synkro.case_marks (tenant_id, report_id, case_id) where mark = 'advised';

alter table synkro.case_marks enable row level security;
alter table synkro.case_marks force row level security;
-- analysts too: marts.fct_cases reads it with its reader's rights
create policy case_marks_read on synkro.case_marks for select to authenticated, synkro_analyst
  using (tenant_id = any (array(select synkro.my_tenants())));
create policy case_marks_write on synkro.case_marks for insert to authenticated
  with check (
    tenant_id = any (array(select synkro.my_tenants())) and mark <> 'advised' and channel = 'web' and decided_by = 'person'
    and marked_by = (select auth.uid()));
grant select on synkro.case_marks to authenticated, synkro_analyst;
grant insert on synkro.case_marks to authenticated;
grant select, insert, update, delete on synkro.case_marks to service_role;

-- A dismissed wait is closed in the marts: its client is rebuilt by the next run, like one whose dialog changed.
create function private.note_case_mark() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into private.raw_changes (tenant_id, kind, id) values (new.tenant_id, 'chat', new.dialog_id);
  return null;
end
$$;
revoke execute on function private.note_case_mark() from public;
create trigger note_mark after insert on synkro.case_marks
  for each row when (new.mark <> 'advised' and new.dialog_id ~ '^[0-9]{1,18}$')
  execute function private.note_case_mark();

-- A press of a button under a report is an update like a question.
alter table synkro.telegram_updates drop constraint telegram_updates_outcome_check,
  add constraint telegram_updates_outcome_check check (outcome in ('bound', 'known', 'taken', 'wrong', 'stopped', 'limited', 'case'));

insert into private.api_columns (mart, column_name, form) values
  ('fct_waits', 'dismissed_by', 'plain'),
  ('fct_case_openings', 'case_id', 'plain'), ('fct_case_openings', 'kind', 'plain'), ('fct_case_openings', 'subject_id', 'client'),
  ('fct_case_openings', 'client_id', 'client'), ('fct_case_openings', 'deal_id', 'plain'), ('fct_case_openings', 'dialog_id', 'plain'),
  ('fct_case_openings', 'evidence_message_id', 'plain'), ('fct_case_openings', 'what', 'plain'),
  ('fct_case_openings', 'responsible_id', 'plain'), ('fct_case_openings', 'closed_by_dialog_id', 'plain'),
  ('fct_case_openings', 'closed_by_message_id', 'plain'), ('fct_case_openings', 'closed_by_event_id', 'plain'),
  ('fct_case_openings', 'closed_by_deal_id', 'plain'), ('fct_case_openings', 'closed_by_task_id', 'plain'),
  ('fct_cases', 'client_id', 'client'),
  ('fct_cases', 'case_id', 'plain'), ('fct_cases', 'kind', 'plain'), ('fct_cases', 'deal_id', 'plain'),
  ('fct_cases', 'dialog_id', 'plain'), ('fct_cases', 'what', 'plain'), ('fct_cases', 'state', 'plain'),
  ('fct_cases', 'responsible_id', 'plain'), ('fct_cases', 'evidence_message_id', 'plain'), ('fct_cases', 'closed_by_dialog_id', 'plain'),
  ('fct_cases', 'closed_by_message_id', 'plain'), ('fct_cases', 'closed_by_event_id', 'plain'), ('fct_cases', 'closed_by_deal_id', 'plain'),
  ('fct_cases', 'closed_by_task_id', 'plain'), ('fct_cases', 'dismissed_reason', 'plain'), ('fct_cases', 'dismissed_by', 'plain');
