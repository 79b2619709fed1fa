-- Roles and the auth shim. On Supabase the roles and the auth schema exist already: every statement here
-- looks first, so the same file changes nothing there except for our own two roles.

do $$
begin
  if not exists (select from pg_roles where rolname = 'anon') then
    create role anon nologin noinherit;
  end if;
  if not exists (select from pg_roles where rolname = 'authenticated') then
    create role authenticated nologin noinherit;
  end if;
  if not exists (select from pg_roles where rolname = 'service_role') then
    create role service_role nologin noinherit bypassrls;
  end if;
  -- The app's login: owns nothing, inherits nothing. Each transaction takes one of the two roles below.
  if not exists (select from pg_roles where rolname = 'synkro_app') then
    create role synkro_app login noinherit;
  end if;
  -- What every analyst's login is a member of: may read marts and api, under the same policies.
  if not exists (select from pg_roles where rolname = 'synkro_analyst') then
    create role synkro_analyst nologin noinherit;
  end if;
end
$$;

grant authenticated, service_role to synkro_app;

create schema if not exists auth;
grant usage on schema auth to anon, authenticated, service_role;

do $$
begin
  if to_regclass('auth.users') is null then
    create table auth.users (
      id uuid primary key default gen_random_uuid(),
      email text not null,
      encrypted_password text,
      email_confirmed_at timestamptz,
      last_sign_in_at timestamptz,
      banned_until timestamptz,
      raw_app_meta_data jsonb not null default '{}',
      raw_user_meta_data jsonb not null default '{}',
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    );
    create unique index users_email_key on auth.users (lower(email));
    alter table auth.users enable row level security;
    alter table auth.users force row level security;
    grant select, insert, update, delete on auth.users to service_role;
  end if;

  if to_regprocedure('auth.jwt()') is null then
    create function auth.jwt() returns jsonb language sql stable set search_path = '' as
      $f$ select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb $f$;
  end if;
  if to_regprocedure('auth.uid()') is null then
    create function auth.uid() returns uuid language sql stable set search_path = '' as
      $f$ select nullif(auth.jwt() ->> 'sub', '')::uuid $f$;
  end if;
end
$$;
