-- The week is reported on Monday, the month on its first working day, by the same schedule as the days.

alter table synkro.tenant_runtime_configs
  add column is_weekly_enabled boolean not null default true,
  add column is_monthly_enabled boolean not null default true;

-- Since when a tenant is active: what fell due while it was paused is not caught up.
alter table synkro.tenants add column status_since timestamptz not null default now();

create function synkro.note_status_change() returns trigger language plpgsql set search_path = '' as $$
begin
  new.status_since := now();
  return new;
end
$$;
revoke execute on function synkro.note_status_change() from public;
create trigger note_status_change before update of status on synkro.tenants
  for each row when (new.status is distinct from old.status) execute function synkro.note_status_change();
