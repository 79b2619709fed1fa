-- Who is alive: each long-running process writes a heartbeat, so that the page can say «nobody picks runs up»
-- and the health check can name what is unwell. Installation-wide, seen through the service door only.

create table private.services (
  service text primary key,
  heartbeat_at timestamptz not null default now(),
  detail jsonb not null default '{}'
);
alter table private.services enable row level security;
alter table private.services force row level security;
grant select, insert, update, delete on private.services to service_role;
