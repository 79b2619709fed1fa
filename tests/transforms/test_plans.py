"""From a list of keys to their rows of raw: each look-up of an increment is served by an index.

The expressions of the staging views and those of the indexes are the same text in two files; a difference shows nowhere
but in the seconds of a large tenant, and here.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

TENANT = "tenant_id = '00000000-0000-0000-0000-000000000001'"
LOOK_UPS = {
    "chats_by_phone": ("stg_chats", "phone = any (array(select '+7'))"),
    "chats_by_connection": ("stg_chats", "connection_id = any (array(select 1::bigint))"),
    "chats_pkey": ("stg_chats", "chat_id = any (array(select 1::bigint))"),
    "messages_pkey": ("stg_messages", "chat_id = any (array(select 1::bigint))"),
    "messages_sent": ("stg_messages", "sent_at >= now() offset 0"),
    "contacts_pkey": ("stg_amocrm__contact_phones", "raw_id = any (array(select 1::bigint))"),
    "leads_pkey": ("stg_amocrm__leads", "raw_id = any (array(select 1::bigint))"),
    "deleted_by_id": ("stg_amocrm__deleted", "raw_id = any (array(select 1::bigint))"),
    "events_of_contact": ("stg_amocrm__chat_events", "contact_id = any (array(select '1'))"),
    "events_of_deal": ("stg_amocrm__chat_events", "deal_id = any (array(select '1'))"),
    "events_pkey": ("stg_amocrm__stage_changes", "event_id = any (array(select '1'))"),
    "owners_of_deal": ("stg_amocrm__responsible_changes", "deal_id = any (array(select '1'))"),
    "calls_of": ("stg_amocrm__calls", "entity_id = any (array(select '1'))"),
}


#: some rows of every kind: over an empty table every plan costs the same
ROWS = f"""
set local session_replication_role = replica;
insert into raw_amocrm.events (tenant_id, id, type, entity_type, entity_id, created_at, payload, seen_at, _dlt_load_id, _dlt_id)
select {TENANT.partition(" = ")[2]}, 'e' || n,
       (array['outgoing_chat_message', 'lead_status_changed', 'entity_responsible_changed'])[n % 3 + 1],
       (array['lead', 'contact'])[n % 2 + 1], n, now() - n * interval '1 minute', '{{}}', now(), '1', n
from generate_series(1, 6000) n;
insert into raw_amocrm.notes (tenant_id, id, entity_type, entity_id, note_type, created_at, payload, seen_at, _dlt_load_id, _dlt_id)
select {TENANT.partition(" = ")[2]}, n, 'contact', n, 'call_in', now() - n * interval '1 minute', '{{}}', now(), '1', n
from generate_series(1, 3000) n;
insert into raw_radist.messages (tenant_id, chat_id, id, connection_id, sent_at, direction, message_type, payload, seen_at, _dlt_load_id, _dlt_id)
select {TENANT.partition(" = ")[2]}, n % 300, 'm' || n, 1, now() - n * interval '1 minute', 'inbound', 'text', '{{}}', now(), '1', n
from generate_series(1, 6000) n;
analyze raw_amocrm.events, raw_amocrm.notes, raw_radist.messages;
"""


@pytest.mark.parametrize("index", LOOK_UPS)
def test_a_look_up_in_raw_has_its_index(index: str, connection: psycopg.Connection[Any]) -> None:
    view, condition = LOOK_UPS[index]
    with connection.transaction(force_rollback=True):
        connection.execute(ROWS.encode())
        # the tables are small: ask what could be used, not what is cheapest
        connection.execute("set local enable_seqscan = off")
        rows = connection.execute(f"explain select * from staging.{view} where {TENANT} and {condition}".encode())
        plan = "\n".join(row["QUERY PLAN"] for row in rows)

    assert f" {index} " in plan, plan
    key = condition.split(" ")[0]
    if index not in ("messages_sent", "deleted_by_id"):
        # the key leads to the rows, it does not filter them
        assert "ANY" in next(line for line in plan.splitlines() if "Index Cond" in line), (key, plan)
