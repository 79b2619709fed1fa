-- An analyst's login writes its own SQL, so it can set any claim it likes: claims count for nobody whose login is an
-- analyst's. The name tells (synkro analyst add makes no other), the login cannot change it.

create function synkro.claimed_user() returns uuid
  language sql stable set search_path = '' as $$
  select case when starts_with(session_user, 'analyst_') then null else auth.uid() end
$$;
revoke execute on function synkro.claimed_user() from public;
grant execute on function synkro.claimed_user() to authenticated, service_role;

create or replace function synkro.is_super_admin() returns boolean
  language sql stable security definer set search_path = '' as $$
  select exists (
    select from synkro.user_roles r join auth.users u on u.id = r.user_id
    where r.user_id = synkro.claimed_user() and r.role = 'super_admin' and r.is_active
      and (u.banned_until is null or u.banned_until <= now())
  )
$$;

create or replace function synkro.my_tenants() returns setof uuid
  language sql stable security definer set search_path = '' as $$
  select t.tenant_id from synkro.tenants t where synkro.is_super_admin()
  union
  select r.tenant_id
  from synkro.user_roles r
  join auth.users u on u.id = r.user_id
  join synkro.tenants t on t.tenant_id = r.tenant_id and t.status <> 'disabled'
  where r.user_id = synkro.claimed_user() and r.is_active and (u.banned_until is null or u.banned_until <= now())
  union
  -- session_user is the login itself: a SET ROLE or a claim cannot change it
  select g.tenant_id
  from synkro.analyst_grants g
  join synkro.tenants t on t.tenant_id = g.tenant_id and t.status <> 'disabled'
  where g.role_name = session_user
$$;

alter table synkro.analyst_grants
  add constraint analyst_grants_role_name_check check (starts_with(role_name, 'analyst_'));
