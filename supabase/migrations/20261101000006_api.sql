-- The one schema exposed to the Supabase Data API. Its views are made over whatever marts exist, with the
-- rights of the asker (security_invoker). dbt replaces a mart on a full rebuild and takes the views with it,
-- so the same function runs at deploy and at the end of every dbt invocation; it changes nothing when all stand.

create function synkro.refresh_api() returns integer language plpgsql set search_path = '' as $$
declare
  mart record;
  made integer := 0;
begin
  for mart in
    select c.relname from pg_catalog.pg_class c
    where c.relnamespace = 'marts'::regnamespace and c.relkind in ('r', 'p')
      and not exists (select from pg_catalog.pg_class v
                      where v.relnamespace = 'api'::regnamespace and v.relkind = 'v' and v.relname = c.relname)
  loop
    execute format('create view api.%I with (security_invoker = true) as select * from marts.%I', mart.relname, mart.relname);
    execute format('grant select on api.%I to authenticated, service_role, synkro_analyst', mart.relname);
    made := made + 1;
  end loop;
  return made;
end
$$;
revoke execute on function synkro.refresh_api() from public;

create view api.reports with (security_invoker = true) as
  select tenant_id, report_id, report_type, period_start, period_end, window_start, window_end, version, is_current,
         status, as_of, is_complete, summary_text, numbers, coverage, claims, created_at, sent_at
  from synkro.reports;
create view api.job_runs with (security_invoker = true) as
  select tenant_id, run_id, mode, trigger_type, report_type, status, current_step, progress, error, window_start,
         window_end, attempt, report_id, created_at, started_at, finished_at
  from synkro.job_runs;
grant select on api.reports, api.job_runs to authenticated, service_role;
