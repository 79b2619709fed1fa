-- A chat becomes a recipient by a one-time code that was sent in it. A typed number proves nothing: it may be somebody else's.

create table private.telegram_codes (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  -- sha256 of the code: a stolen dump binds nothing
  code_hash text not null,
  -- null: by the operator's command line
  created_by uuid references auth.users (id) on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- used, or replaced by a newer one
  ended_at timestamptz,
  -- the chat it bound
  chat_id text,
  primary key (tenant_id, code_hash)
);
create index telegram_codes_by_code on private.telegram_codes (code_hash);
create index telegram_codes_by_creator on private.telegram_codes (created_by);
alter table private.telegram_codes enable row level security;
alter table private.telegram_codes force row level security;
grant select, insert, update, delete on private.telegram_codes to service_role;

-- What came of an update that is no question: a second delivery gets the first one's answer, tries are counted.
alter table synkro.telegram_updates
  add column outcome text check (outcome in ('bound', 'known', 'taken', 'wrong', 'stopped', 'limited'));
create index telegram_updates_by_chat on synkro.telegram_updates (tenant_id, chat_id, received_at);
create index telegram_updates_wrong on synkro.telegram_updates (bot_id, received_at) where outcome = 'wrong';

alter table synkro.tenant_runtime_configs
  -- what one chat may ask: an answer costs a call of the AI
  add column telegram_questions_per_hour integer not null default 20
    check (telegram_questions_per_hour between 1 and 1000),
  add column telegram_questions_per_day integer not null default 100
    check (telegram_questions_per_day between 1 and 10000);

-- The recipients of a telegram integration: one number, a list, or a text with commas.
create function synkro.telegram_recipients(public_config jsonb) returns text[]
  language sql immutable set search_path = '' as $$
  select coalesce(pg_catalog.array_agg(distinct pg_catalog.btrim(part)) filter (where pg_catalog.btrim(part) <> ''), '{}')
  from pg_catalog.unnest(case pg_catalog.jsonb_typeof(public_config -> 'chat_id')
    when 'array' then array(select pg_catalog.jsonb_array_elements_text(public_config -> 'chat_id'))
    else pg_catalog.string_to_array(public_config ->> 'chat_id', ',')
  end) part
$$;
revoke execute on function synkro.telegram_recipients(jsonb) from public;
grant execute on function synkro.telegram_recipients(jsonb) to authenticated, service_role;

-- The bot of a telegram integration, as far as it may be told without the token: null without one. A bot of a local sandbox is
-- another at each address; outside there is one address, however it is written.
create function synkro.telegram_bot(public_config jsonb, secret_hints jsonb) returns text
  language sql immutable set search_path = '' as $$
  select coalesce(pg_catalog."substring"(public_config ->> 'base_url', '^http://(?:127[.]0[.]0[.]1|localhost|\[::1\])(?::[0-9]+)?'), '')
    || ' ' || (secret_hints #>> '{bot_token,tail}')
$$;
revoke execute on function synkro.telegram_bot(jsonb, jsonb) from public;
grant execute on function synkro.telegram_bot(jsonb, jsonb) to authenticated, service_role;

-- Whoever writes the row: people add no recipient by themselves, a recipient is a number, and one that another company has
-- from the same bot stays with it. What was there before stays as it is.
create function synkro.guard_telegram_recipients() returns trigger
  language plpgsql set search_path = '' as $$
declare
  before synkro.integration_configs;
  is_new boolean;
  chat text;
begin
  -- not the old row: an insert that turns into an update on conflict comes here as an insert first
  select c.* into before from synkro.integration_configs c where c.tenant_id = new.tenant_id and c.kind = 'telegram';
  foreach chat in array synkro.telegram_recipients(new.public_config) loop
    is_new := not coalesce(chat = any (synkro.telegram_recipients(before.public_config)), false);
    continue when not is_new and synkro.telegram_bot(before.public_config, before.secret_hints)
      is not distinct from synkro.telegram_bot(new.public_config, new.secret_hints);
    if is_new and current_user = 'authenticated' then
      raise insufficient_privilege using message = 'a chat is bound by a code sent in it';
    end if;
    if is_new and chat !~ '^-?[1-9][0-9]{0,18}$' then
      raise check_violation using message = 'a chat is named by its number';
    end if;
    -- people change no recipients, and may not take the lock
    continue when current_user = 'authenticated';
    -- two companies at once: the second waits and then sees the first
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('telegram chat:' || chat, 0));
    if exists (
      select from synkro.integration_configs c
      where c.kind = 'telegram' and c.tenant_id <> new.tenant_id and chat = any (synkro.telegram_recipients(c.public_config))
        and synkro.telegram_bot(c.public_config, c.secret_hints) = synkro.telegram_bot(new.public_config, new.secret_hints)
    ) then
      raise unique_violation using message = 'the chat belongs to another company';
    end if;
  end loop;
  return new;
end
$$;
revoke execute on function synkro.guard_telegram_recipients() from public;

create trigger guard_telegram_recipients before insert or update on synkro.integration_configs
  for each row when (new.kind = 'telegram') execute function synkro.guard_telegram_recipients();

-- Two companies may have one account at a vendor. Its pace is theirs together; a refusal concerns the key of one of them, so
-- each is stopped, and goes on, by itself.
create table private.vendor_stops (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  account_key text not null,
  reason text not null,
  stopped_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, account_key)
);
alter table private.vendor_stops enable row level security;
alter table private.vendor_stops force row level security;
grant select, insert, update, delete on private.vendor_stops to service_role;

-- Stops of whole accounts, as they were: whoever is refused still is told so by the next request, and stops alone.
update private.vendor_limits set blocked_until = null, blocked_reason = null where blocked_until = 'infinity';

-- Administrators see the people of their company, not those whose role there has ended.
alter policy "people read their own profile and administrators their people's" on synkro.user_profiles
  using (user_id = (select auth.uid()) or (select synkro.is_super_admin())
         or user_id in (select r.user_id from synkro.user_roles r
                        where r.is_active and r.tenant_id = any (array(select synkro.my_admin_tenants()))));
