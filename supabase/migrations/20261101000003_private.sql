-- What only the service role may touch: ciphertexts, browser sessions, counters of log-in attempts.

create schema if not exists private;

create table private.integration_secrets (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  kind text not null check (kind in ('supabase', 'amocrm', 'radist', 'ai', 'telegram')),
  field text not null,
  key_id text not null,
  ciphertext text not null,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, kind, field)
);

create table private.web_sessions (
  -- sha256 of the opaque id in the cookie: a stolen dump opens nothing
  session_hash text primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  ip_address text,
  user_agent text
);
create index web_sessions_by_user on private.web_sessions (user_id) where revoked_at is null;

create table private.login_attempts (
  attempt_id bigint generated always as identity primary key,
  email text not null,
  ip_address text,
  was_successful boolean not null,
  created_at timestamptz not null default now()
);
create index login_attempts_recent on private.login_attempts (lower(email), created_at desc);

-- One row per vendor account: every process of the installation takes its next free moment from here.
create table private.vendor_limits (
  account_key text primary key,
  next_at timestamptz not null default now(),
  blocked_until timestamptz,
  blocked_reason text,
  updated_at timestamptz not null default now()
);

do $$
declare t regclass;
begin
  for t in select c.oid::regclass from pg_class c where c.relnamespace = 'private'::regnamespace and c.relkind = 'r'
  loop
    execute format('alter table %s enable row level security', t);
    execute format('alter table %s force row level security', t);
  end loop;
end
$$;

grant usage on schema private to service_role;
grant select, insert, update, delete on all tables in schema private to service_role;
grant usage on all sequences in schema private to service_role;
