-- Updates of the Telegram bots: which were taken, what came of them. No text of anybody's is kept here: the question
-- lives in report_messages. Installation-internal, seen through the service door only.

create table synkro.telegram_updates (
  tenant_id uuid not null references synkro.tenants (tenant_id) on delete cascade,
  -- a new bot counts its updates anew
  bot_id bigint not null,
  update_id bigint not null,
  chat_id text,
  report_message_id uuid,
  received_at timestamptz not null default now(),
  -- set before the answer leaves: a second try after a crash says «повтор»
  reply_started_at timestamptz,
  reply_message_id text,
  -- until then the update is not confirmed to Telegram and comes again
  handled_at timestamptz,
  primary key (tenant_id, bot_id, update_id)
);
create index telegram_updates_by_bot on synkro.telegram_updates (bot_id, update_id);
create index telegram_updates_replies on synkro.telegram_updates (tenant_id, chat_id, reply_message_id)
  where reply_message_id is not null;

alter table synkro.telegram_updates enable row level security;
alter table synkro.telegram_updates force row level security;
grant select, insert, update, delete on synkro.telegram_updates to service_role;
