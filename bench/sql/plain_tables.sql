-- Where plain.sql writes: the marts' own columns and indexes, and the history as the models left it.
create schema if not exists plain;
-- Working seconds from the start of the calendar to a moment.
create or replace function plain.worked(tenant uuid, moment timestamptz) returns numeric language sql stable as $$
    select coalesce((
        select w.minutes_before * 60 + extract(epoch from least(moment, w.ends_at) - w.starts_at)
        from synkro.working_intervals as w where w.tenant_id = tenant and w.starts_at <= moment
        order by w.starts_at desc limit 1), 0)
$$;
create table if not exists plain.fct_messages (like marts.fct_messages including indexes);
create table if not exists plain.fct_waits (like marts.fct_waits including indexes);
create table if not exists plain.fct_sessions (like marts.fct_sessions including indexes);
create table if not exists plain.fct_deals (like marts.fct_deals including indexes);
create table if not exists plain.fct_deal_stage_changes (like marts.fct_deal_stage_changes including indexes);
create table if not exists plain.fct_tasks (like marts.fct_tasks including indexes);
create table if not exists plain.fct_promises (like marts.fct_promises including indexes);
create table if not exists plain.fct_funnel (like marts.fct_funnel including indexes);
create table if not exists plain.dim_clients (like marts.dim_clients including indexes);
create table if not exists plain.dim_dialogs (like marts.dim_dialogs including indexes);
create table if not exists plain.dim_managers (like marts.dim_managers including indexes);
create table if not exists plain.period_summary (like marts.period_summary including indexes);
create table if not exists plain.period_managers (like marts.period_managers including indexes);
create table if not exists plain.period_dialogs (like marts.period_dialogs including indexes);
create table if not exists plain.period_hours (like marts.period_hours including indexes);
create table if not exists plain.period_excluded (like marts.period_excluded including indexes);
create table if not exists plain.period_usual (like marts.period_usual including indexes);
create table if not exists plain.period_changes (like marts.period_changes including indexes);
create table if not exists plain.window_parts (like intermediate.int_window_parts including indexes);
create table if not exists plain.period_channels (like marts.period_channels including indexes);
create table if not exists plain.period_stages (like marts.period_stages including indexes);
insert into plain.fct_messages select * from marts.fct_messages where tenant_id = %(tenant)s;
insert into plain.fct_waits select * from marts.fct_waits where tenant_id = %(tenant)s;
insert into plain.fct_sessions select * from marts.fct_sessions where tenant_id = %(tenant)s;
insert into plain.fct_deals select * from marts.fct_deals where tenant_id = %(tenant)s;
insert into plain.fct_deal_stage_changes select * from marts.fct_deal_stage_changes where tenant_id = %(tenant)s;
insert into plain.fct_funnel select * from marts.fct_funnel where tenant_id = %(tenant)s;
insert into plain.dim_clients select * from marts.dim_clients where tenant_id = %(tenant)s;
insert into plain.dim_dialogs select * from marts.dim_dialogs where tenant_id = %(tenant)s;
insert into plain.dim_managers select * from marts.dim_managers where tenant_id = %(tenant)s;
insert into plain.period_summary select * from marts.period_summary where tenant_id = %(tenant)s;
insert into plain.period_managers select * from marts.period_managers where tenant_id = %(tenant)s;
insert into plain.period_dialogs select * from marts.period_dialogs where tenant_id = %(tenant)s;
insert into plain.period_hours select * from marts.period_hours where tenant_id = %(tenant)s;
insert into plain.period_excluded select * from marts.period_excluded where tenant_id = %(tenant)s;
insert into plain.period_usual select * from marts.period_usual where tenant_id = %(tenant)s;
insert into plain.period_changes select * from marts.period_changes where tenant_id = %(tenant)s;
insert into plain.window_parts select * from intermediate.int_window_parts where tenant_id = %(tenant)s;
insert into plain.period_channels select * from marts.period_channels where tenant_id = %(tenant)s;
insert into plain.period_stages select * from marts.period_stages where tenant_id = %(tenant)s;
analyze plain.fct_messages, plain.fct_waits, plain.fct_sessions, plain.fct_deals, plain.fct_deal_stage_changes, plain.dim_clients, plain.dim_dialogs, plain.window_parts;
