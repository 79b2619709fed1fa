-- The control plane: tenants, people, settings, runs, reports. One schema, tenant_id first in every key.
-- Row level security is declared per table in 20261101000005_policies.sql.

create schema if not exists synkro;

create table synkro.tenants (
  tenant_id uuid primary key default gen_random_uuid(),
  name text not null check (length(btrim(name)) between 1 and 200),
  -- part of Dagster's partition keys and of dlt's schema names: no '|', short, never changed
  slug text not null unique check (slug ~ '^[a-z][a-z0-9_]{1,30}$'),
  status text not null default 'active' check (status in ('active', 'paused', 'disabled')),
  timezone text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create function synkro.refuse_slug_change() returns trigger language plpgsql set search_path = '' as $$
begin
  if new.slug is distinct from old.slug then
    raise exception 'the slug of a tenant never changes' using errcode = 'check_violation';
  end if;
  return new;
end
$$;
create trigger tenants_slug_is_fixed before update on synkro.tenants
  for each row execute function synkro.refuse_slug_change();

create table synkro.user_roles (
  user_role_id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  -- null: a role over the whole installation, for super_admin only
  tenant_id uuid references synkro.tenants (tenant_id) on delete cascade,
  role text not null check (role in ('super_admin', 'admin_lite', 'user')),
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  created_by uuid,
  check ((tenant_id is null) = (role = 'super_admin')),
  unique nulls not distinct (tenant_id, user_id)
);
create index user_roles_by_user on synkro.user_roles (user_id) where is_active;

create table synkro.user_profiles (
  user_id uuid primary key references auth.users (id) on delete cascade,
  email text not null,
  full_name text not null default '',
  phone text,
  timezone text not null default 'Asia/Almaty',
  language text not null default 'ru' check (language in ('ru', 'en')),
  must_change_password boolean not null default false,
  updated_at timestamptz not null default now()
);

create table synkro.integration_configs (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  kind text not null check (kind in ('supabase', 'amocrm', 'radist', 'ai', 'telegram')),
  status text not null default 'unknown' check (status in ('unknown', 'ok', 'error', 'pending')),
  public_config jsonb not null default '{}',
  -- what the last good check learned: the account's id and name; a run refuses another account
  bound jsonb not null default '{}',
  -- names of the stored secret fields with the last four characters and the date; never a secret
  secret_hints jsonb not null default '{}',
  last_error text,
  last_checked_at timestamptz,
  updated_at timestamptz not null default now(),
  updated_by uuid,
  primary key (tenant_id, kind)
);

create table synkro.tenant_runtime_configs (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  version integer not null check (version >= 1),
  is_current boolean not null default true,
  mode text not null default 'amocrm_radist' check (mode in ('amocrm_radist', 'radist_only', 'amocrm_only')),
  timezone text not null,
  business_day_start time not null default '22:01',
  scheduled_run_time time not null default '22:10',
  is_schedule_enabled boolean not null default false,
  radist_fetch_limit integer not null default 0 check (radist_fetch_limit >= 0),
  min_dialogs_for_report integer not null default 1 check (min_dialogs_for_report >= 0),
  max_force_lookback_days integer not null default 3 check (max_force_lookback_days between 0 and 3650),
  max_force_window_hours integer not null default 24 check (max_force_window_hours between 1 and 8784),
  telegram_followup_minutes integer not null default 60 check (telegram_followup_minutes between 0 and 10080),
  sla_target_minutes integer not null default 15 check (sla_target_minutes between 1 and 10080),
  session_gap_hours integer not null default 24 check (session_gap_hours between 1 and 720),
  calendar jsonb,
  excluded_phones text[] not null default '{}',
  bot_senders text[] not null default '{}',
  created_at timestamptz not null default now(),
  created_by uuid,
  primary key (tenant_id, version)
);
create unique index tenant_runtime_configs_current on synkro.tenant_runtime_configs (tenant_id) where is_current;

-- The calendar of the current configuration, expanded to UTC by synkro/calendar.py, with the working
-- minutes that passed before each interval: the marts turn a wait into two index look-ups.
create table synkro.working_intervals (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  starts_at timestamptz not null,
  ends_at timestamptz not null check (ends_at > starts_at),
  minutes_before numeric not null check (minutes_before >= 0),
  primary key (tenant_id, starts_at)
);

-- Windows are rows: daily, weekly, monthly and forced pass through the same models.
create table synkro.report_windows (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  window_start timestamptz not null,
  window_end timestamptz not null check (window_end > window_start),
  report_type text not null default 'daily' check (report_type in ('daily', 'forced', 'weekly', 'monthly')),
  label_date date not null,
  -- the earliest of the connectors' last complete reads, set by the run before the marts are built
  as_of timestamptz,
  is_complete boolean not null default false,
  -- [{"source", "from", "until", "reason"}] for what could not be read
  missing jsonb not null default '[]',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, window_start, window_end)
);

create table synkro.job_runs (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  run_id uuid not null default gen_random_uuid(),
  job_type text not null default 'report',
  mode text not null check (mode in ('amocrm_radist', 'radist_only', 'amocrm_only')),
  trigger_type text not null check (trigger_type in ('scheduled', 'manual', 'system')),
  report_type text not null default 'daily' check (report_type in ('daily', 'forced', 'weekly', 'monthly')),
  status text not null default 'pending'
    check (status in ('pending', 'running', 'cancelling', 'success', 'failed', 'cancelled')),
  current_step text not null default 'queued',
  -- {"step", "done", "total", "percent"}
  progress jsonb not null default '{}',
  error text,
  error_detail text,
  window_start timestamptz not null,
  window_end timestamptz not null check (window_end > window_start),
  idempotency_key text,
  attempt integer not null default 1 check (attempt >= 1),
  -- the fencing token: grows with each take-over; a worker that holds an older one commits nothing
  lease_token bigint not null default 0,
  lease_until timestamptz,
  heartbeat_at timestamptz,
  dagster_run_id text,
  report_id uuid,
  requested_by uuid,
  cancel_requested_at timestamptz,
  created_at timestamptz not null default now(),
  picked_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  primary key (tenant_id, run_id)
);
create unique index job_runs_one_active on synkro.job_runs (tenant_id, window_start, window_end)
  where status in ('pending', 'running', 'cancelling');
create unique index job_runs_attempts on synkro.job_runs (tenant_id, window_start, window_end, attempt);
create unique index job_runs_idempotency on synkro.job_runs (tenant_id, idempotency_key)
  where idempotency_key is not null;
create index job_runs_recent on synkro.job_runs (tenant_id, created_at desc);
-- the sensor and the reaper look over all tenants at once
create index job_runs_active on synkro.job_runs (status, created_at) where status in ('pending', 'running', 'cancelling');

create table synkro.job_run_events (
  tenant_id uuid not null,
  run_id uuid not null,
  event_id bigint generated always as identity,
  level text not null default 'info' check (level in ('debug', 'info', 'warning', 'error')),
  step text not null,
  message text not null,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, run_id, event_id),
  foreign key (tenant_id, run_id) references synkro.job_runs (tenant_id, run_id) on delete cascade
);

create table synkro.reports (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  report_id uuid not null default gen_random_uuid(),
  run_id uuid,
  report_type text not null check (report_type in ('daily', 'forced', 'weekly', 'monthly')),
  -- first and last business date the window covers
  period_start date not null,
  period_end date not null,
  window_start timestamptz not null,
  window_end timestamptz not null,
  version integer not null check (version >= 1),
  is_current boolean not null default true,
  status text not null default 'ready' check (status in ('draft', 'ready', 'sent', 'failed')),
  as_of timestamptz,
  is_complete boolean not null default false,
  summary_text text not null default '',
  telegram_text text not null default '',
  -- the one structure both texts are made from: headline, actions, managers, risks, topics, …
  body jsonb not null default '{}',
  numbers jsonb not null default '{}',
  coverage jsonb not null default '{}',
  claims jsonb not null default '[]',
  metadata jsonb not null default '{}',
  data_ref jsonb not null default '{}',
  cost_usd numeric(12, 6) not null default 0,
  followup_deadline_at timestamptz,
  created_at timestamptz not null default now(),
  sent_at timestamptz,
  primary key (tenant_id, report_id),
  unique (tenant_id, window_start, window_end, version)
);
create unique index reports_one_current on synkro.reports (tenant_id, window_start, window_end) where is_current;
create index reports_recent on synkro.reports (tenant_id, window_end desc);

create table synkro.report_messages (
  tenant_id uuid not null,
  report_message_id uuid not null default gen_random_uuid(),
  report_id uuid not null,
  question text not null,
  answer text,
  author_id uuid,
  author_name text not null default '',
  channel text not null check (channel in ('web', 'telegram')),
  evidence jsonb not null default '[]',
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  answered_at timestamptz,
  primary key (tenant_id, report_message_id),
  foreign key (tenant_id, report_id) references synkro.reports (tenant_id, report_id) on delete cascade
);
create index report_messages_thread on synkro.report_messages (tenant_id, report_id, created_at);

create table synkro.outbox (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  outbox_id uuid not null default gen_random_uuid(),
  report_id uuid,
  channel text not null default 'telegram' check (channel in ('telegram')),
  destination text not null,
  -- {"text", "parse_mode", "buttons": [[{"text", "url"}]]}
  payload jsonb not null,
  status text not null default 'pending' check (status in ('pending', 'sending', 'sent', 'failed')),
  attempts integer not null default 0,
  -- an attempt went out and its answer never came: the next one says «повтор»
  maybe_delivered boolean not null default false,
  next_attempt_at timestamptz not null default now(),
  claimed_until timestamptz,
  last_error text,
  provider_message_id text,
  created_at timestamptz not null default now(),
  sent_at timestamptz,
  primary key (tenant_id, outbox_id)
);
create index outbox_due on synkro.outbox (next_attempt_at) where status in ('pending', 'sending');
create index outbox_by_report on synkro.outbox (tenant_id, report_id);

create table synkro.audit_log (
  audit_id bigint generated always as identity primary key,
  tenant_id uuid,
  actor_id uuid,
  actor text not null default '',
  action text not null,
  message text not null default '',
  metadata jsonb not null default '{}',
  ip_address text,
  created_at timestamptz not null default now()
);
create index audit_log_by_tenant on synkro.audit_log (tenant_id, created_at desc);

create function synkro.refuse_audit_change() returns trigger language plpgsql set search_path = '' as $$
begin
  raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_log_is_append_only before update or delete on synkro.audit_log
  for each row execute function synkro.refuse_audit_change();
create trigger audit_log_is_never_emptied before truncate on synkro.audit_log
  for each statement execute function synkro.refuse_audit_change();

-- How far each stream of each tenant is known to be complete. Moved only after the loaded rows were counted.
create table synkro.watermarks (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  source text not null check (source in ('amocrm', 'radist')),
  stream text not null,
  complete_until timestamptz not null,
  cursor jsonb not null default '{}',
  updated_at timestamptz not null default now(),
  primary key (tenant_id, source, stream)
);

-- One row per run and stream: what the vendor showed, what was refused, what stands in raw.
create table synkro.stream_loads (
  tenant_id uuid not null,
  run_id uuid not null,
  source text not null check (source in ('amocrm', 'radist')),
  stream text not null,
  status text not null check (status in ('complete', 'incomplete', 'failed')),
  requests integer not null default 0,
  seen bigint not null default 0,
  rejected bigint not null default 0,
  loaded bigint not null default 0,
  reasons jsonb not null default '{}',
  error text,
  read_from timestamptz,
  read_until timestamptz,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  primary key (tenant_id, run_id, source, stream),
  foreign key (tenant_id, run_id) references synkro.job_runs (tenant_id, run_id) on delete cascade
);

-- One dialog read once per content, prompt and model.
create table synkro.dialog_readings (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  dialog_id text not null,
  content_hash text not null,
  prompt_version text not null,
  model text not null,
  reading jsonb not null,
  dropped_claims integer not null default 0,
  tokens_in integer not null default 0,
  tokens_out integer not null default 0,
  cost_usd numeric(12, 6) not null default 0,
  created_at timestamptz not null default now(),
  primary key (tenant_id, dialog_id, content_hash, prompt_version, model)
);

-- What was sent to a model: sizes and hashes, never text.
create table synkro.ai_calls (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  call_id uuid not null default gen_random_uuid(),
  run_id uuid,
  purpose text not null check (purpose in ('check', 'reading', 'writing', 'asking')),
  model text not null,
  prompt_hash text not null,
  prompt_chars integer not null,
  tokens_in integer not null default 0,
  tokens_out integer not null default 0,
  cost_usd numeric(12, 6) not null default 0,
  seconds numeric(8, 3) not null default 0,
  status text not null check (status in ('ok', 'error', 'refused')),
  error text,
  created_at timestamptz not null default now(),
  primary key (tenant_id, call_id)
);
create index ai_calls_by_day on synkro.ai_calls (tenant_id, created_at);

create table synkro.analyst_grants (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  role_name text not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, role_name)
);
