-- What a company's clients ask about (synkro/topics.py): a pack of the product, and the company's own list where it has one.
-- Each change is a new row; the last one is in force. A company without a row has the general topics.
create table synkro.topic_lists (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  version integer not null check (version > 0),
  pack text not null,
  -- null: as the pack has them
  topics jsonb check (jsonb_typeof(topics) = 'array'),
  created_at timestamptz not null default now(),
  created_by uuid,
  primary key (tenant_id, version)
);
alter table synkro.topic_lists enable row level security;
alter table synkro.topic_lists force row level security;
create policy "members read their tenant" on synkro.topic_lists for select to authenticated
  using (tenant_id = any (array(select synkro.my_tenants())));
create policy "administrators write a new version" on synkro.topic_lists for insert to authenticated
  with check (tenant_id = any (array(select synkro.my_admin_tenants())) and created_by = (select auth.uid()));
grant select, insert on synkro.topic_lists to authenticated;
grant select, insert, update, delete on synkro.topic_lists to service_role;

-- Until now every company had the topics of a furniture shop: those that are there keep them.
insert into synkro.topic_lists (tenant_id, version, pack) select tenant_id, 1, 'furniture' from synkro.tenants;
