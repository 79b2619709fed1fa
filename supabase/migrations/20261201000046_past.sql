-- What the past is measured by, and one clock of a company.

-- A wait is judged by the target of the moment it opened. Waits older than the first version have none: they take that of the
-- version in force when the company's marts were first built, whatever it is changed to later.
alter table synkro.tenant_runtime_configs add column measures_history boolean not null default false;
comment on column synkro.tenant_runtime_configs.measures_history is
  'In force when the marts were first built: waits older than every version are judged by its target.';
create unique index tenant_runtime_configs_of_history on synkro.tenant_runtime_configs (tenant_id) where measures_history;
-- what stands is what was published
update synkro.tenant_runtime_configs as c set measures_history = true
from private.mart_builds as b where b.tenant_id = c.tenant_id and c.is_current;

comment on column synkro.report_windows.is_outdated is
  'Its numbers are no longer those of the rows: other settings, calendar or zone, or data that came late. They are built again.';

-- What a window is about: the mode in force at its end, and of a window opened later that of the run that opened it.
alter table synkro.report_windows add column mode text;
update synkro.report_windows as w set mode = (
  select c.mode from synkro.tenant_runtime_configs as c
  where c.tenant_id = w.tenant_id
  order by c.created_at <= w.window_end desc, case when c.created_at <= w.window_end then -c.version else c.version end
  limit 1
);
comment on column synkro.report_windows.mode is
  'The mode its numbers are of: what a later mode does not read is still there in the windows before it.';

-- One zone: the versioned one of the settings.
alter table synkro.tenants drop column timezone;

-- The deal shown beside a client, and the flags of a window, as clients' programs see them.
insert into private.api_columns (mart, column_name, form) values ('dim_clients', 'deal_id', 'plain');

-- What the marts show now: who waits, where dialogs are read; deals, where there is a CRM.
alter table synkro.mart_watermarks
  add column has_dialogs boolean not null default true,
  add column has_deals boolean not null default true;
