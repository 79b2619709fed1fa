-- The audit log is chained: every line holds the hash of the line before it, company by company, so that an edited, deleted, moved or
-- smuggled line is found by recomputing (synkro audit verify). What a rewritten chain would hide is found by the anchors that are kept
-- outside the database (synkro/audit/anchors.py).

-- tenant_id: the line's, and the zero id for lines of the whole installation
create table synkro.audit_chain (
  tenant_id uuid not null,
  position bigint not null,
  audit_id bigint not null references synkro.audit_log (audit_id),
  hash bytea not null,
  primary key (tenant_id, position)
);
create index audit_chain_by_line on synkro.audit_chain (audit_id);
alter table synkro.audit_chain enable row level security;
alter table synkro.audit_chain force row level security;

-- the last link of each chain; whoever appends holds its row until the commit
create table synkro.audit_heads (
  tenant_id uuid primary key,
  position bigint not null,
  hash bytea not null
);
alter table synkro.audit_heads enable row level security;
alter table synkro.audit_heads force row level security;

create trigger audit_chain_is_append_only before update or delete on synkro.audit_chain
  for each row execute function synkro.refuse_audit_change();
create trigger audit_chain_is_never_emptied before truncate on synkro.audit_chain
  for each statement execute function synkro.refuse_audit_change();

-- «length:value,» for a value and «-,» for none: no two lists of values have one text
create function synkro.audit_field(value text) returns text language sql immutable set search_path = '' as $$
  select coalesce(octet_length(convert_to(value, 'UTF8')) || ':' || value, '-') || ','
$$;

-- Repeated in synkro/audit/chain.py, which recomputes it without the database's functions.
create function synkro.audit_hash(line synkro.audit_log, place bigint, previous bytea) returns bytea
language sql immutable set search_path = '' as $$
  select sha256(convert_to(
    synkro.audit_field(encode(previous, 'hex')) || synkro.audit_field(place::text) || synkro.audit_field(line.audit_id::text)
    || synkro.audit_field(line.tenant_id::text) || synkro.audit_field(line.actor_id::text) || synkro.audit_field(line.actor)
    || synkro.audit_field(line.action) || synkro.audit_field(line.message) || synkro.audit_field(line.metadata::text)
    || synkro.audit_field(line.ip_address)
    || synkro.audit_field(((extract(epoch from line.created_at) * 1000000)::bigint)::text), 'UTF8'))
$$;

create function synkro.chain_audit_line(line synkro.audit_log) returns void language plpgsql set search_path = '' as $$
declare
  chain constant uuid := coalesce(line.tenant_id, '00000000-0000-0000-0000-000000000000');
  head synkro.audit_heads;
  made bytea;
begin
  insert into synkro.audit_heads (tenant_id, position, hash) values (chain, 0, '') on conflict do nothing;
  select h.* into head from synkro.audit_heads h where h.tenant_id = chain for update;
  made := synkro.audit_hash(line, head.position + 1, head.hash);
  insert into synkro.audit_chain (tenant_id, position, audit_id, hash) values (chain, head.position + 1, line.audit_id, made);
  update synkro.audit_heads set position = head.position + 1, hash = made where tenant_id = chain;
end
$$;

create function synkro.chain_new_audit_line() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  perform synkro.chain_audit_line(new);
  return null;
end
$$;

do $$
declare line synkro.audit_log;
begin
  for line in select * from synkro.audit_log order by audit_id loop
    perform synkro.chain_audit_line(line);
  end loop;
end
$$;

-- at the commit: the head's row is the last lock a transaction takes, so writers wait for each other and never in a circle
create constraint trigger audit_log_is_chained after insert on synkro.audit_log
  deferrable initially deferred for each row execute function synkro.chain_new_audit_line();

revoke execute on function synkro.audit_field(text), synkro.audit_hash(synkro.audit_log, bigint, bytea),
  synkro.chain_audit_line(synkro.audit_log), synkro.chain_new_audit_line() from public;
grant select on synkro.audit_chain, synkro.audit_heads to service_role;
