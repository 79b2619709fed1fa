-- Invitations: a link gives the role to whoever holds the account of the address, when they accept it.
create table private.invitations (
  invitation_id uuid not null default gen_random_uuid(),
  -- sha256 of the token in the link: a stolen dump opens nothing
  link_hash text not null,
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  email text not null check (email = lower(email)),
  full_name text not null default '',
  role text not null check (role in ('admin_lite', 'user')),
  -- null: by the operator's command line
  created_by uuid references auth.users (id) on delete cascade,
  -- Supabase wrote to the address, which no account had: opening that letter accepts as well
  by_letter boolean not null default false,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- accepted, taken back, or replaced by a newer one
  ended_at timestamptz,
  accepted_by uuid references auth.users (id) on delete set null,
  primary key (tenant_id, invitation_id)
);
create index invitations_by_link on private.invitations (link_hash);
create index invitations_open on private.invitations (tenant_id, email) where ended_at is null;
create index invitations_by_creator on private.invitations (created_by);
create index invitations_by_acceptor on private.invitations (accepted_by);
alter table private.invitations enable row level security;
alter table private.invitations force row level security;
grant select, insert, update, delete on private.invitations to service_role;
