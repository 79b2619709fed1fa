-- Which pipelines are sales: numbers of pipelines, none is all that are not in the archive. Deals of other pipelines stay in
-- fct_deals and count in no metric of sales.
alter table synkro.tenant_runtime_configs add column sales_pipelines text[] not null default '{}';

-- A report is stored whole, in the transaction that queues its messages: it is ready, and then sent. A run that fails stores none,
-- and a message that cannot be delivered says so in the outbox.
alter table synkro.reports
  drop constraint reports_status_check,
  add constraint reports_status_check check (status in ('ready', 'sent'));

-- How the Data API shows the new texts of the marts.
insert into private.api_columns (mart, column_name, form) values
  ('dim_clients', 'first_channel', 'plain'),
  ('period_channels', 'channel', 'plain'),
  ('period_stages', 'pipeline', 'plain'),
  ('period_stages', 'stage', 'plain');
