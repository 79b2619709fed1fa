-- An operator's rights hold in the app alone, which asks for the second step of the sign-in. Supabase's Data API logs in as authenticator and
-- asks for none: there a password opened the masked rows of every company. What an operator is in a company by a role of it stays.
create or replace function synkro.is_super_admin() returns boolean
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select session_user <> 'authenticator' and exists (
    select from synkro.user_roles r join auth.users u on u.id = r.user_id
    where r.user_id = synkro.claimed_user() and r.role = 'super_admin' and r.is_active
      and (u.banned_until is null or u.banned_until <= now())
  )
$$;
