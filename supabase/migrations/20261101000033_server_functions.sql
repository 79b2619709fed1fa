-- Whoever may connect may take any advisory lock, write large objects and fill the disk with temporary tables: Postgres
-- gives these to PUBLIC. An analyst's login writes its own SQL, so they are taken from PUBLIC and given to ours by name.

-- What this login may change it changes; on a hosted project it is no superuser, and the functions belong to one. Nothing
-- fails then: the sweep over the catalogue says what is left, and private.end_analyst_sessions() ends whoever uses it.
create function private.close_server_functions() returns void
  language plpgsql set search_path = '' as $$
declare
  keepers constant text := (
    select pg_catalog.string_agg(pg_catalog.quote_ident(r.rolname), ', ')
    from pg_catalog.pg_roles r
    where r.rolname in ('service_role', 'authenticator', 'dashboard_user', 'pgbouncer', current_user, session_user)
      or pg_catalog.starts_with(r.rolname, 'supabase_')
      -- synkro_app, and whatever login of ours is made later: run again after it
      or (pg_catalog.starts_with(r.rolname, 'synkro_') and r.rolname <> 'synkro_analyst')
      or r.oid = (select d.datdba from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
      -- Dagster keeps its tables under a login of its own where it is given one
      or r.oid in (select n.nspowner from pg_catalog.pg_namespace n where n.nspname in ('synkro', 'dagster'))
  );
  closed regprocedure;
begin
  for closed in
    select p.oid::regprocedure from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'pg_catalog'
      and p.proname ~ '^(pg_(try_)?advisory_.*|lo_.*|loread|lowrite|pg_logical_emit_message)$'
      and pg_catalog.pg_has_role(current_user, p.proowner, 'usage')
      -- files of the server are the superuser's, and were nobody's before
      and p.proname not in ('lo_import', 'lo_export')
  loop
    execute pg_catalog.format('grant execute on function %s to %s', closed, keepers);
    execute pg_catalog.format('revoke execute on function %s from public', closed);
  end loop;
  if (select pg_catalog.pg_has_role(current_user, d.datdba, 'usage') from pg_catalog.pg_database d
      where d.datname = pg_catalog.current_database()) then
    execute pg_catalog.format('grant temporary on database %I to %s', pg_catalog.current_database(), keepers);
    execute pg_catalog.format('revoke temporary on database %I from public', pg_catalog.current_database());
  end if;
end
$$;
revoke execute on function private.close_server_functions() from public;

select private.close_server_functions();

-- A login may raise its own statement_timeout, so the limit that binds is kept from outside: a session is ended when a
-- statement runs longer than the login's own setting says, when it holds a transaction open, or when it holds an advisory
-- lock. Called every few seconds.
create function private.end_analyst_sessions() returns table (login text, reason text)
  language plpgsql security definer set search_path = '' as $$
declare
  found record;
begin
  for found in
    with logins as (
      select r.oid, r.rolname::text as name, coalesce((
          select pg_catalog.regexp_replace(setting, '^statement_timeout=', '')::interval
          from pg_catalog.unnest(r.rolconfig) setting where setting ~ '^statement_timeout=[1-9][0-9]*(ms|s|min|h)$'
        ), interval '60 seconds') as allowed
      from pg_catalog.pg_roles r where pg_catalog.starts_with(r.rolname, 'analyst_')
    )
    select a.pid, l.name, case
        when exists (select from pg_catalog.pg_locks k where k.pid = a.pid and k.locktype = 'advisory') then 'advisory lock'
        -- the session's own timeout comes first: it tells the analyst what happened
        when a.state = 'active' and a.query_start < pg_catalog.clock_timestamp() - l.allowed - interval '5 seconds'
          then 'statement'
        when a.state like 'idle in transaction%' and a.state_change < pg_catalog.clock_timestamp() - interval '65 seconds'
          then 'idle in transaction'
        when a.xact_start < pg_catalog.clock_timestamp() - l.allowed - interval '15 minutes' then 'transaction'
      end as why
    from pg_catalog.pg_stat_activity a join logins l on l.oid = a.usesysid
    where a.backend_type = 'client backend'
  loop
    continue when found.why is null;
    begin
      if pg_catalog.pg_terminate_backend(found.pid) then
        login := found.name;
        reason := found.why;
        return next;
      end if;
    exception when insufficient_privilege then
      login := found.name;
      reason := 'not permitted';
      return next;
    end;
  end loop;
end
$$;
revoke execute on function private.end_analyst_sessions() from public;
grant execute on function private.end_analyst_sessions() to service_role;

-- Logins made before have the limits of those made now. The last one only a superuser may give.
do $$
declare
  login text;
  change text;
begin
  for login in select rolname from pg_catalog.pg_roles where pg_catalog.starts_with(rolname, 'analyst_') loop
    foreach change in array array[
      'connection limit 5', 'set lock_timeout to ''10s''', 'set work_mem to ''16MB''', 'set temp_file_limit to ''2GB'''
    ] loop
      begin
        execute pg_catalog.format('alter role %I %s', login, change);
      exception when insufficient_privilege then
        raise notice 'role %: this login may not %', login, change;
      end;
    end loop;
  end loop;
end
$$;
