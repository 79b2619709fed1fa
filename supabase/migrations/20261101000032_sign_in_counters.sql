-- Attempts to sign in are counted where no two of them can read the same count: one statement looks and takes a place.
-- An account or an address is named by a keyed hash: what people type into the field of the e-mail is not kept.

create table private.sign_in_counters (
  bucket text not null check (bucket in ('account', 'device', 'code', 'change', 'address', 'everybody')),
  key_hash text not null,
  -- moments of the attempts under way and of those that failed, of the last window
  taken timestamptz[] not null,
  used_at timestamptz not null default now(),
  primary key (bucket, key_hash)
);

-- One row for an account (or for all addresses nobody has) and a window: it becomes one line of the audit log.
create table private.sign_in_failures (
  -- the account; zeros for addresses that nobody has
  subject uuid not null,
  window_start timestamptz not null,
  -- the password or the code was looked at and is wrong
  failures integer not null default 0,
  -- refused without a look: too many before
  refused integer not null default 0,
  addresses text[] not null default '{}',
  primary key (subject, window_start)
);

alter table private.sign_in_counters enable row level security;
alter table private.sign_in_counters force row level security;
alter table private.sign_in_failures enable row level security;
alter table private.sign_in_failures force row level security;
grant select, insert, update, delete on private.sign_in_counters, private.sign_in_failures to service_role;

-- Held every typed e-mail in clear, for ever. The counters above take its place.
drop table private.login_attempts;
