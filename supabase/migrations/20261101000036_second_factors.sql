-- The second step of a sign-in: a code of an authenticator application (RFC 6238) after the password, for accounts of both keepers.

create table private.second_factors (
  user_id uuid primary key references auth.users (id) on delete cascade,
  key_id text not null,
  -- the shared secret, sealed with the installation's keys and bound to the person
  ciphertext text not null,
  created_at timestamptz not null default now(),
  -- null: shown, but no code of it was entered yet
  confirmed_at timestamptz,
  -- the half-minute of the last accepted code: no code of it or of an earlier one is accepted again
  last_step bigint not null default 0
);

create table private.recovery_codes (
  user_id uuid not null references private.second_factors (user_id) on delete cascade,
  -- sha256 of the code
  code_hash text not null,
  used_at timestamptz,
  primary key (user_id, code_hash)
);

alter table private.second_factors enable row level security;
alter table private.second_factors force row level security;
alter table private.recovery_codes enable row level security;
alter table private.recovery_codes force row level security;
grant select, insert, update, delete on private.second_factors, private.recovery_codes to service_role;

-- when the session proved the second step; null: it has not
alter table private.web_sessions add column second_factor_at timestamptz;

-- Whether a sign-in of this person takes the second step: they turned it on, or they are an operator.
create function private.needs_second_factor(wanted uuid, are_operators_exempt boolean) returns boolean
  language sql stable set search_path = '' as $$
  select exists (select from private.second_factors f where f.user_id = wanted and f.confirmed_at is not null)
      or (not are_operators_exempt and exists (
        select from synkro.user_roles r where r.user_id = wanted and r.role = 'super_admin' and r.is_active))
$$;
revoke execute on function private.needs_second_factor(uuid, boolean) from public;
grant execute on function private.needs_second_factor(uuid, boolean) to service_role;
