-- For a local stack (`supabase start`, `supabase db reset`): a company to connect sandbox vendors to, with the settings a new company
-- has. Its schedule is off. No person and no password: those in a file of the repository would be known to everybody, and
-- `supabase db push --include-seed` brings this file to a hosted project. Where there is a company already, nothing is added.
with made as (
  insert into synkro.tenants (name, slug)
  select 'Учебная компания', 'local' where not exists (select from synkro.tenants)
  returning tenant_id
)
insert into synkro.tenant_runtime_configs (tenant_id, version, timezone)
select tenant_id, 1, 'Asia/Almaty' from made;
