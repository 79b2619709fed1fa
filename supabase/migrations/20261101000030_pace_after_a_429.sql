-- A slowed account keeps the vendor's whole second too: after a short block the burst that was refused is still counted.

-- Meter n lets p_counts[n] requests go in any p_spans[n] seconds. p_turn: the turn this caller slept towards, or, with
-- p_late, was granted and came too late for; null for a newcomer. A turn within p_lead seconds is granted: it is
-- written down as the moment the request leaves, and the caller sleeps the rest. A later one is kept for the caller,
-- unless it is more than p_max_wait seconds away.
create or replace function private.take_turn(
  p_keys text[], p_counts integer[], p_spans double precision[],
  p_turn timestamptz, p_late boolean, p_lead double precision, p_max_wait double precision,
  out granted boolean, out turn timestamptz, out wait double precision,
  out blocked double precision, out reason text
) language plpgsql set search_path = '' as $$
declare
  remembered constant integer := 50;
  account private.vendor_limits;
  moment timestamptz;
  soon timestamptz;
  abandoned timestamptz;
  gone timestamptz[];
  places integer;
  span interval;
  free timestamptz[];
begin
  -- these rows need not survive a power cut, and waiting for the disk would make the turn stale
  perform set_config('synchronous_commit', 'off', true);
  insert into private.vendor_limits (account_key) select k from unnest(p_keys) k order by k on conflict do nothing;
  perform from private.vendor_limits where account_key = any (p_keys) order by account_key for update;
  -- now() would be the time before the rows were waited for
  moment := clock_timestamp();
  soon := moment + p_lead * interval '1 second';
  abandoned := moment - interval '1 second';
  for n in 1 .. cardinality(p_keys) loop
    update private.vendor_limits l set
      -- what lies in the future was written before the clock was set back
      let_go = array(select least(m, soon) from unnest(l.let_go) m where not p_late or m <> p_turn),
      waiting = array(
        select m from unnest(l.waiting) m
        where m between abandoned and moment + interval '10 minutes' and (p_turn is null or m <> p_turn)
      ),
      updated_at = moment
    where l.account_key = p_keys[n] returning * into strict account;
    if account.blocked_until > moment then
      if blocked is null or account.blocked_until = 'infinity' then
        reason := account.blocked_reason;
      end if;
      blocked := greatest(blocked, extract(epoch from account.blocked_until) - extract(epoch from moment));
    end if;
    places := p_counts[n];
    span := p_spans[n] * interval '1 second';
    gone := array(
      select m from unnest(account.let_go || case when p_turn is null then account.waiting else '{}' end) m
      order by m desc limit places
    );
    free[n] := moment;
    if cardinality(gone) = places then
      free[n] := greatest(
        moment, least(gone[places] + span, moment + span * (2 + cardinality(account.waiting) / places))
      );
    end if;
    if account.slowed_until > moment and cardinality(gone) > 0 then
      -- one at a time: a meter that counts otherwise than we think may refuse the burst, not the pace.
      -- The burst before the 429 still counts in the vendor's second, so the rule above holds too
      span := span / places / account.share;
      free[n] := greatest(free[n], least(gone[1] + span, moment + span * (2 + cardinality(account.waiting))));
    end if;
  end loop;
  turn := (select max(m) from unnest(free) m);
  -- a turn is known by its moment
  while exists (
    select from private.vendor_limits l where l.account_key = any (p_keys) and turn = any (l.let_go || l.waiting)
  ) loop
    turn := turn + interval '1 microsecond';
  end loop;
  wait := extract(epoch from turn) - extract(epoch from moment);
  granted := blocked is null and turn <= soon;
  if granted then
    update private.vendor_limits l
    set let_go = array(select m from unnest(array_append(l.let_go, turn)) m order by m desc limit remembered)
    where account_key = any (p_keys);
  elsif blocked is not null or wait > p_max_wait then
    turn := null;
  else
    -- kept where it is waited for: a place in a wider meter would stand empty until then
    update private.vendor_limits l set waiting = array_append(l.waiting, turn)
    from unnest(p_keys, free) as meter (key, free)
    where l.account_key = meter.key and meter.free > turn - interval '1 millisecond';
  end if;
end
$$;
revoke execute on function private.take_turn from public;
grant execute on function private.take_turn to service_role;
