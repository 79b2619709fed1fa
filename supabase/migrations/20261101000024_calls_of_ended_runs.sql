-- A run that died in the middle of its readings never says what became of its calls. They held the company's places for three
-- minutes, and the run in its stead waited for them until its own time for the AI was over. Calls of a run that ended are nobody's;
-- what they reserved stays counted. The rest is word for word as before.
create or replace function synkro.reserve_ai_call(
  for_tenant uuid, new_call uuid, of_run uuid, of_purpose text, of_model text, of_hash text, of_chars integer,
  worst numeric, tenant_day_cap numeric, tenant_month_cap numeric, installation_day_cap numeric, most_at_once integer
) returns text language plpgsql set search_path = '' as $$
declare
  today date;
  why text := '';
begin
  perform pg_catalog.pg_advisory_xact_lock(7266152001);
  today := (pg_catalog.clock_timestamp() at time zone 'utc')::date;
  if (select count(*) from synkro.ai_calls c
      where c.tenant_id = for_tenant and c.status = 'sending' and c.created_at > pg_catalog.clock_timestamp() - interval '3 minutes'
        and not exists (select from synkro.job_runs r
                        where r.tenant_id = for_tenant and r.run_id = c.run_id and r.finished_at is not null)) >= most_at_once then
    return 'busy';
  end if;
  select case
      when coalesce(sum(reserved_usd + spent_usd), 0) + worst > installation_day_cap then 'installation_day'
      when coalesce(sum(reserved_usd + spent_usd) filter (where tenant_id = for_tenant), 0) + worst > tenant_day_cap then 'tenant_day'
      else '' end
    into why from synkro.ai_spend where day = today;
  if why = '' and tenant_month_cap is not null then
    select case when coalesce(sum(reserved_usd + spent_usd), 0) + worst > tenant_month_cap then 'tenant_month' else '' end
      into why from synkro.ai_spend where tenant_id = for_tenant and day >= pg_catalog.date_trunc('month', today)::date;
  end if;
  insert into synkro.ai_calls (tenant_id, call_id, run_id, purpose, model, prompt_hash, prompt_chars, reserved_usd, status, error, created_at)
    values (for_tenant, new_call, of_run, of_purpose, of_model, of_hash, of_chars, case when why = '' then worst else 0 end,
            case when why = '' then 'sending' else 'refused' end, nullif('budget: ' || why, 'budget: '), pg_catalog.clock_timestamp());
  insert into synkro.ai_spend as s (tenant_id, day, reserved_usd, refused)
    values (for_tenant, today, case when why = '' then worst else 0 end, case when why = '' then 0 else 1 end)
    on conflict (tenant_id, day) do update set reserved_usd = s.reserved_usd + excluded.reserved_usd, refused = s.refused + excluded.refused;
  return why;
end
$$;
