-- The Data API shows people what the pages show them: every person, whatever their role, sees the last four digits of a client's
-- phone (app/words.py). Workers (service_role) and analysts' logins read the values themselves: docs/analysts.md promises them that.
-- marts itself stays out of the exposed schemas; the app reads it and masks on the page.

-- Clear values are for the roles named here; whoever else comes sees the mask.
create function synkro.sees_contacts() returns boolean
  language sql stable set search_path = '' as $$
  select current_user = 'service_role' or starts_with(session_user, 'analyst_')
$$;

-- synkro.phones.mask
create function synkro.masked_phone(phone text) returns text
  language plpgsql immutable strict parallel safe set search_path = '' as $$
declare
  digits text := regexp_replace(phone, '[^0-9\u0660-\u0669\u06F0-\u06F9\u0966-\u096F\uFF10-\uFF19]', '', 'g');
begin
  return case when phone = '' then '' when length(digits) >= 8 then '•••• ' || right(digits, 4) else '••••' end;
end
$$;

-- synkro.phones.IN_TEXT. Classes by number: \w and \d mean other letters in another locale.
create function synkro.phone_in_text() returns text
  language plpgsql immutable parallel safe set search_path = '' as $$
declare
  digit constant text := '0-9\u0660-\u0669\u06F0-\u06F9\u0966-\u096F\uFF10-\uFF19';
  word constant text := digit || 'A-Za-z_\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u024F\u0400-\u0481\u048A-\u052F';
  gap constant text := '[ \t\n\v\f\r\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000().\u2011\u2013-]{0,2}';
begin
  return format('(?<![%s/#=-])(?![0-9]{4}-[0-9]{2}-[0-9]{2})\+?[%s](?:%s[%s]){5,10}', word, digit, gap, digit)
      || repeat(format('%s([%s])', gap, digit), 4) || format('(?![%s/-])', word);
end
$$;

-- synkro.phones.mask_in
create function synkro.masked(words text) returns text
  language plpgsql immutable strict parallel safe set search_path = '' as $$
begin
  return case when words ~ '[0-9\u0660-\u0669\u06F0-\u06F9\u0966-\u096F\uFF10-\uFF19]'
    then regexp_replace(words, synkro.phone_in_text(), '•••• \1\2\3\4', 'g') else words end;
end
$$;

-- The same of every text inside; numbers stay numbers.
create function synkro.masked(document jsonb) returns jsonb
  language plpgsql immutable strict parallel safe set search_path = '' as $$
begin
  return case jsonb_typeof(document)
    when 'string' then to_jsonb(synkro.masked(document #>> '{}'))
    when 'array' then (
      select coalesce(jsonb_agg(synkro.masked(part.value) order by part.place), '[]')
      from jsonb_array_elements(document) with ordinality as part (value, place)
    )
    when 'object' then (
      select coalesce(jsonb_object_agg(synkro.masked(part.key), synkro.masked(part.value)), '{}')
      from jsonb_each(document) as part
    )
    else document
  end;
end
$$;

-- client_id is the phone itself where there is one. A person gets a key in its place: the same in every view, so that views can be
-- joined; not to be turned back without the salt, which nobody but the owner reads.
create table private.pseudonym_salt (
  is_the_one boolean primary key default true check (is_the_one),
  salt text not null
);
alter table private.pseudonym_salt enable row level security;
alter table private.pseudonym_salt force row level security;
insert into private.pseudonym_salt (salt) values (gen_random_uuid()::text || gen_random_uuid()::text);

create function synkro.client_key(of_tenant uuid, client_id text) returns text
  language plpgsql stable strict parallel safe security definer set search_path = '' as $$
begin
  return (
    select 'client:' || encode(substr(sha256(convert_to(s.salt || ':' || of_tenant || ':' || client_id, 'utf8')), 1, 12), 'hex')
    from private.pseudonym_salt as s
  );
end
$$;

-- How a column of a mart is shown. Texts that are not named are masked like words of people: a column that is added is closed until
-- somebody decides (tests/transforms/test_api_views.py demands the decision).
create function synkro.api_forms() returns table (mart text, column_name text, form text)
  language sql immutable set search_path = '' as $$
  select split_part(named.column, '.', 1), split_part(named.column, '.', 2), forms.form
  from (values
    ('phone', array['dim_clients.phone']),
    ('client', array[
      'dim_clients.client_id', 'dim_dialogs.client_id', 'fct_deals.client_id', 'fct_messages.client_id', 'fct_sessions.client_id',
      'fct_waits.client_id', 'period_dialogs.client_id'
    ]),
    ('words', array[
      'dim_clients.name', 'dim_dialogs.contact_name', 'fct_deals.name', 'fct_messages.body', 'period_excluded.contact_name'
    ]),
    -- ids of the vendors, our own vocabulary, the company's dictionaries and its own people
    ('plain', array[
      'dim_clients.contact_id', 'dim_clients.match_status',
      'dim_dialogs.dialog_id', 'dim_dialogs.channel', 'dim_dialogs.source_type',
      'dim_managers.manager_id', 'dim_managers.name', 'dim_managers.email',
      'fct_deal_stage_changes.event_id', 'fct_deal_stage_changes.deal_id', 'fct_deal_stage_changes.changed_by',
      'fct_deals.deal_id', 'fct_deals.contact_id', 'fct_deals.pipeline', 'fct_deals.stage', 'fct_deals.stage_kind',
      'fct_deals.currency', 'fct_deals.responsible_id', 'fct_deals.loss_reason',
      'fct_funnel.pipeline', 'fct_funnel.stage',
      'fct_messages.message_id', 'fct_messages.dialog_id', 'fct_messages.session_id', 'fct_messages.channel',
      'fct_messages.direction', 'fct_messages.kind', 'fct_messages.bot_sign', 'fct_messages.author_id',
      'fct_messages.author_source', 'fct_messages.message_type', 'fct_messages.needs_reply_reason',
      'fct_sessions.session_id', 'fct_sessions.initiated_by', 'fct_sessions.state', 'fct_sessions.manager_ids',
      'fct_waits.wait_id', 'fct_waits.dialog_id', 'fct_waits.session_id', 'fct_waits.opened_by_message_id', 'fct_waits.closed_by',
      'fct_waits.replied_by', 'fct_waits.replied_by_source', 'fct_waits.responsible_at_open',
      'period_dialogs.dialog_id', 'period_dialogs.deal_id', 'period_dialogs.manager_id', 'period_dialogs.transcript_hash',
      'period_excluded.dialog_id', 'period_excluded.channel', 'period_excluded.reason',
      'period_managers.manager_id', 'period_summary.report_type'
    ])
  ) as forms (form, columns)
  cross join lateral unnest(forms.columns) as named ("column")
$$;

revoke execute on function synkro.sees_contacts(), synkro.masked_phone(text), synkro.phone_in_text(), synkro.masked(text),
  synkro.masked(jsonb), synkro.client_key(uuid, text), synkro.api_forms() from public;
grant execute on function synkro.sees_contacts(), synkro.masked_phone(text), synkro.phone_in_text(), synkro.masked(text),
  synkro.masked(jsonb), synkro.client_key(uuid, text) to authenticated, service_role, synkro_analyst;

create or replace function synkro.refresh_api() returns integer language plpgsql set search_path = '' as $$
declare
  mart record;
  shown text;
  made integer := 0;
begin
  for mart in
    select c.oid, c.relname from pg_catalog.pg_class c
    where c.relnamespace = 'marts'::regnamespace and c.relkind in ('r', 'p')
      and not exists (select from pg_catalog.pg_class v
                      where v.relnamespace = 'api'::regnamespace and v.relkind = 'v' and v.relname = c.relname)
  loop
    select pg_catalog.string_agg(
      case
        -- who asks is looked up once a statement, not once a row
        when col.mask is null then pg_catalog.format('m.%I', col.attname)
        else pg_catalog.format('case when (select synkro.sees_contacts()) then m.%1$I else %2$s end as %1$I', col.attname, col.mask)
      end, ', ' order by col.attnum)
      into shown
    from (
      select a.attnum, a.attname,
        case
          when f.form = 'plain' or a.atttypid in (
            'uuid'::regtype, 'boolean'::regtype, 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype,
            'real'::regtype, 'double precision'::regtype, 'date'::regtype, 'timestamptz'::regtype, 'interval'::regtype
          ) then null
          when f.form = 'phone' then pg_catalog.format('synkro.masked_phone(m.%I)', a.attname)
          when f.form = 'client' then pg_catalog.format('synkro.client_key(m.tenant_id, m.%I)', a.attname)
          -- another type has no mask: the view is not made, and the deploy says why
          else pg_catalog.format('synkro.masked(m.%I)', a.attname)
        end as mask
      from pg_catalog.pg_attribute a
      left join synkro.api_forms() f on f.mart = mart.relname and f.column_name = a.attname
      where a.attrelid = mart.oid and a.attnum > 0 and not a.attisdropped
    ) as col;
    execute pg_catalog.format(
      'create view api.%1$I with (security_invoker = true) as select %2$s from marts.%1$I as m', mart.relname, shown);
    execute pg_catalog.format('grant select on api.%I to authenticated, service_role, synkro_analyst', mart.relname);
    made := made + 1;
  end loop;
  return made;
end
$$;

-- The views that stand show everything: make them anew now, not at the next deploy.
do $$
declare mart name;
begin
  for mart in
    select v.relname from pg_class v
    join pg_class t on t.relname = v.relname and t.relnamespace = 'marts'::regnamespace and t.relkind in ('r', 'p')
    where v.relnamespace = 'api'::regnamespace and v.relkind = 'v'
  loop
    execute format('drop view api.%I', mart);
  end loop;
  perform synkro.refresh_api();
end
$$;

create or replace view api.reports with (security_invoker = true) as
  select tenant_id, report_id, report_type, period_start, period_end, window_start, window_end, version, is_current,
         status, as_of, is_complete,
         case when (select synkro.sees_contacts()) then summary_text else synkro.masked(summary_text) end as summary_text,
         numbers,
         case when (select synkro.sees_contacts()) then coverage else synkro.masked(coverage) end as coverage,
         case when (select synkro.sees_contacts()) then claims else synkro.masked(claims) end as claims,
         created_at, sent_at
  from synkro.reports;
create or replace view api.job_runs with (security_invoker = true) as
  select tenant_id, run_id, mode, trigger_type, report_type, status, current_step,
         case when (select synkro.sees_contacts()) then progress else synkro.masked(progress) end as progress,
         case when (select synkro.sees_contacts()) then error else synkro.masked(error) end as error,
         window_start, window_end, attempt, report_id, created_at, started_at, finished_at
  from synkro.job_runs;
