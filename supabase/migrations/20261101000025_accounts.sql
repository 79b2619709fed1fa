-- Accounts belong to Supabase Auth where there is one: its table `auth.users` may be read by the owner of the schemas
-- and by nobody else of ours. Two functions answer what the service role has to know about an account, and a browser
-- session remembers which password it was opened with.

do $$
begin
  -- the shim is ours and takes the one column of Supabase's table that is asked for and was missing
  if exists (
    select from pg_catalog.pg_class c join pg_catalog.pg_roles r on r.oid = c.relowner
    where c.oid = 'auth.users'::regclass and r.rolname = current_user
  ) then
    alter table auth.users add column if not exists deleted_at timestamptz;
  end if;
end
$$;

-- The mark changes with the password, whoever changes it: a person here, an administrator in Supabase's dashboard.
create function private.account_state(wanted uuid)
  returns table (mark text, is_blocked boolean)
  language sql stable security definer set search_path = '' as $$
  select encode(sha256(convert_to(coalesce(u.encrypted_password, ''), 'UTF8')), 'hex'),
         u.deleted_at is not null or coalesce(u.banned_until > now(), false)
  from auth.users u
  where u.id = wanted
$$;
revoke execute on function private.account_state(uuid) from public;
grant execute on function private.account_state(uuid) to service_role;

create function private.account_of(wanted text) returns uuid
  language sql stable security definer set search_path = '' as $$
  select u.id from auth.users u where lower(u.email) = lower(btrim(wanted)) and u.deleted_at is null
  order by u.created_at limit 1
$$;
revoke execute on function private.account_of(text) from public;
grant execute on function private.account_of(text) to service_role;

alter table private.web_sessions
  add column account_mark text,
  -- opened by a link of a letter: its person may set a password without naming the present one
  add column may_set_password boolean not null default false;
update private.web_sessions s set account_mark = (select a.mark from private.account_state(s.user_id) a);

-- Links of the embedded accounts: an invitation, a forgotten password, another address. Supabase keeps its own.
create table private.account_links (
  -- sha256 of the token in the link: a stolen dump opens nothing
  link_hash text primary key,
  kind text not null check (kind in ('invite', 'recovery', 'email_change')),
  user_id uuid not null references auth.users (id) on delete cascade,
  -- the address that is proved by opening the link
  email text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz
);
create index account_links_by_user on private.account_links (user_id) where used_at is null;
alter table private.account_links enable row level security;
alter table private.account_links force row level security;
grant select, insert, update, delete on private.account_links to service_role;
