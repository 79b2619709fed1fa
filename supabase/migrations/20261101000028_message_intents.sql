-- Whether a client's message needs an answer is decided before the marts are built (analysis/intents), and by people:
-- who disagrees says so on the page of the dialog, and the marts take their word.

-- What was decided, as the marts read it. No rows of a dialog: the marts fall back on their own rule.
create table private.message_intents (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  dialog_id text not null,
  message_id text not null,
  needs_reply boolean not null,
  reason text not null,
  -- the chance that needs_reply is right
  confidence real not null,
  primary key (tenant_id, dialog_id, message_id)
);

-- What the decisions of a dialog were made of: another version or another text is decided anew.
create table private.decided_dialogs (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  dialog_id text not null,
  version text not null,
  messages_hash text not null,
  primary key (tenant_id, dialog_id)
);

do $$
declare t text;
begin
  foreach t in array array['message_intents', 'decided_dialogs'] loop
    execute format('alter table private.%I enable row level security', t);
    execute format('alter table private.%I force row level security', t);
    execute format('grant select, insert, update, delete on private.%I to service_role', t);
  end loop;
end
$$;

-- A person's word on one message: the last one counts. Kept as a label of the reader's quality, too.
create table synkro.reply_labels (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  dialog_id text not null,
  message_id text not null,
  needs_reply boolean not null,
  -- what the product had said until then
  was_needs_reply boolean not null,
  was_reason text,
  author_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, dialog_id, message_id)
);
alter table synkro.reply_labels enable row level security;
alter table synkro.reply_labels force row level security;
create policy reply_labels_read on synkro.reply_labels for select
  using (tenant_id = any (array(select synkro.my_tenants())));
create policy reply_labels_write on synkro.reply_labels for insert
  with check (tenant_id = any (array(select synkro.my_tenants())) and author_id = (select auth.uid()));
create policy reply_labels_change on synkro.reply_labels for update
  using (tenant_id = any (array(select synkro.my_tenants())))
  with check (tenant_id = any (array(select synkro.my_tenants())) and author_id = (select auth.uid()));
grant select, insert, update on synkro.reply_labels to authenticated;
grant select, insert, update, delete on synkro.reply_labels to service_role;

-- The client of a labelled message is rebuilt by the next run, like one whose message changed.
create function private.note_reply_label() returns trigger
  language plpgsql security definer set search_path = '' as $$
begin
  insert into private.raw_changes (tenant_id, kind, id, since, until)
  select new.tenant_id, 'chat', new.dialog_id, m.sent_at, m.sent_at
  from raw_radist.messages as m
  where m.tenant_id = new.tenant_id and m.id = new.message_id
    and m.chat_id = case when new.dialog_id ~ '^[0-9]{1,18}$' then new.dialog_id::bigint end;
  return null;
end
$$;
revoke execute on function private.note_reply_label() from public;
create trigger note_label after insert or update on synkro.reply_labels
  for each row execute function private.note_reply_label();
