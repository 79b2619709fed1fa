-- Money of the AI. A call is written down before it is sent: its worst cost is reserved, and replaced by the real one when
-- the answer is there. One row a tenant and day (UTC) holds the sums, so that a cap costs one look and not a scan; it always
-- equals the sums of synkro.ai_calls. A process that died leaves its reserve counted: the provider may have charged for it.

alter table synkro.ai_calls drop constraint ai_calls_status_check;
alter table synkro.ai_calls
  add constraint ai_calls_status_check check (status in ('sending', 'ok', 'error', 'refused')),
  add column reserved_usd numeric(12, 6) not null default 0,
  -- no usage came back though the provider may have charged: counted at the estimate
  add column is_estimate boolean not null default false,
  add column answer_chars integer not null default 0,
  add column answer_hash text;
create index ai_calls_sending on synkro.ai_calls (tenant_id, created_at) where status = 'sending';
create index ai_calls_of_run on synkro.ai_calls (tenant_id, run_id) where run_id is not null;

create table synkro.ai_spend (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  day date not null,
  calls integer not null default 0,
  refused integer not null default 0,
  reserved_usd numeric(14, 6) not null default 0,
  spent_usd numeric(14, 6) not null default 0,
  primary key (tenant_id, day)
);
create index ai_spend_by_day on synkro.ai_spend (day);

insert into synkro.ai_spend (tenant_id, day, calls, refused, spent_usd)
  select tenant_id, (created_at at time zone 'utc')::date, count(*) filter (where status <> 'refused'),
         count(*) filter (where status = 'refused'), sum(cost_usd)
  from synkro.ai_calls group by 1, 2;

alter table synkro.ai_spend enable row level security;
alter table synkro.ai_spend force row level security;
grant select, insert, update, delete on synkro.ai_spend to service_role;
grant select on synkro.ai_spend to authenticated;
create policy "administrators read the cost of their tenant" on synkro.ai_spend for select to authenticated
  using (tenant_id = any (array(select synkro.my_admin_tenants())));

-- '' when the call may be sent (it is journalled as 'sending'), 'busy' when the tenant has enough calls on the way, else the cap
-- that forbids it. Callers queue on one lock: two of them never count the same free cent twice.
create function synkro.reserve_ai_call(
  for_tenant uuid, new_call uuid, of_run uuid, of_purpose text, of_model text, of_hash text, of_chars integer,
  worst numeric, tenant_day_cap numeric, tenant_month_cap numeric, installation_day_cap numeric, most_at_once integer
) returns text language plpgsql set search_path = '' as $$
declare
  today date;
  why text := '';
begin
  perform pg_catalog.pg_advisory_xact_lock(7266152001);
  today := (pg_catalog.clock_timestamp() at time zone 'utc')::date;
  if (select count(*) from synkro.ai_calls
      where tenant_id = for_tenant and status = 'sending' and created_at > pg_catalog.clock_timestamp() - interval '3 minutes') >= most_at_once then
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

-- The real cost in place of the reserve; a second call for the same row changes nothing.
create function synkro.settle_ai_call(
  for_tenant uuid, of_call uuid, real_in integer, real_out integer, real_cost numeric, took numeric, new_status text, new_error text,
  estimated boolean, of_answer_chars integer, of_answer_hash text
) returns boolean language plpgsql set search_path = '' as $$
declare
  was record;
begin
  select reserved_usd, (created_at at time zone 'utc')::date as day into was from synkro.ai_calls
    where tenant_id = for_tenant and call_id = of_call and status = 'sending' for update;
  if not found then
    return false;
  end if;
  update synkro.ai_calls set tokens_in = real_in, tokens_out = real_out, cost_usd = real_cost, seconds = took, status = new_status,
         error = new_error, is_estimate = estimated, answer_chars = of_answer_chars, answer_hash = of_answer_hash
    where tenant_id = for_tenant and call_id = of_call;
  update synkro.ai_spend set reserved_usd = reserved_usd - was.reserved_usd, spent_usd = spent_usd + real_cost, calls = calls + 1
    where tenant_id = for_tenant and day = was.day;
  return true;
end
$$;
revoke execute on function synkro.reserve_ai_call(uuid, uuid, uuid, text, text, text, integer, numeric, numeric, numeric, numeric, integer) from public;
revoke execute on function synkro.settle_ai_call(uuid, uuid, integer, integer, numeric, numeric, text, text, boolean, integer, text) from public;
grant execute on function synkro.reserve_ai_call(uuid, uuid, uuid, text, text, text, integer, numeric, numeric, numeric, numeric, integer) to service_role;
grant execute on function synkro.settle_ai_call(uuid, uuid, integer, integer, numeric, numeric, text, text, boolean, integer, text) to service_role;
