-- Where an unfinished read of a stream stands: written with every part that was loaded, gone when the stream is whole.
-- A read that was cut, however, goes on from here and does not begin again.

create table synkro.backfills (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  source text not null check (source in ('amocrm', 'radist')),
  stream text not null,
  -- how far back the read goes; null: from the beginning of the account
  read_from timestamptz,
  -- when the first attempt of this read began
  started_at timestamptz not null,
  -- the stream's own words: a second of a walk, the dialogs already read whole
  position jsonb not null,
  -- rows, days or dialogs, whatever the stream counts; the total is null where nobody knows it before the end
  done bigint not null default 0,
  total bigint,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, source, stream)
);

alter table synkro.backfills enable row level security;
alter table synkro.backfills force row level security;
grant select, insert, update, delete on synkro.backfills to service_role;
grant select on synkro.backfills to authenticated;
create policy "members read their tenant" on synkro.backfills for select to authenticated
  using (tenant_id = any (array(select synkro.my_tenants())));
