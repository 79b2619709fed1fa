"""Two companies with the same ids in every table, so that a query that forgets to name the company meets both.

Every table with a ``tenant_id`` gets one row a company, made from the catalogue: a table that is added is filled too. Ids,
moments and keys are equal, texts and counts say whose they are.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from synkro.core.windows import Window
from synkro.database import rls_audit

END = datetime(2026, 3, 2, 17, 1, tzinfo=UTC)
WINDOW = Window(END - timedelta(days=1), END)
DAY = date(2026, 3, 2)
AT = END - timedelta(hours=2)
CHAT = "101"


def uuid_of(name: str) -> UUID:
    return uuid5(NAMESPACE_OID, name)


#: the two; ours is stored second, so that a query without a filter meets the other one first
OURS, THEIRS = uuid_of("ours"), uuid_of("theirs")
#: every company has the same of these
RUN, REPORT, PERSON, LETTER, CALL = (
    uuid_of(name) for name in ("run_id", "report_id", "user_id", "outbox_id", "call_id")
)

_TABLES = """
select n.nspname || '.' || c.relname as name, a.attname::text as column, format_type(a.atttypid, a.atttypmod) as type,
       (a.atthasdef or a.attidentity <> '') as has_default, a.attgenerated <> '' or a.attidentity <> '' as is_made,
       exists (select from pg_index x where x.indrelid = c.oid and x.indisunique and a.attnum = any (x.indkey)) as is_key
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p') and n.nspname <> all (%s) and n.nspname not like 'pg\\_%%'
  and exists (select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant_id')
order by array_position(array['synkro.tenants', 'synkro.job_runs', 'synkro.reports'], n.nspname || '.' || c.relname), 1, a.attnum
"""

#: filled by the database itself, from the lines of the audit log
_BY_TRIGGER = ("synkro.audit_chain", "synkro.audit_heads")

#: columns that mean the same everywhere
_ANYWHERE: dict[str, Any] = {
    "window_start": WINDOW.start, "window_end": WINDOW.end, "starts_at": WINDOW.start, "ends_at": WINDOW.end,
    "from": WINDOW.start, "until": WINDOW.end, "read_from": WINDOW.start, "source": "radist", "stream": "messages",
    "dialog_id": CHAT, "chat_id": CHAT, "report_type": "daily", "mode": "amocrm_radist", "timezone": "Asia/Almaty",
    "user_id": PERSON, "is_deleted": False, "excluded_reason": None, "deleted_at": None, "closed_at": None,
    "period_start": DAY, "period_end": DAY, "history_from": None, "finished_at": None, "run_id": RUN, "report_id": REPORT,
    "entity": "messages", "is_open": True, "is_answered": False, "resolved_at": None, "weekday": 1, "hour": 9,
}  # fmt: skip
#: whoever writes, answers or is responsible in the marts is the one manager
_MANAGER = ("author_id", "replied_by", "responsible_at_open", "responsible_id", "manager_ids", "changed_by")
#: and those of one table; a default of the database stands where nothing is said
_HERE: dict[str, dict[str, Any]] = {
    "synkro.job_runs": {"trigger_type": "manual", "status": "running", "lease_token": 1, "lease_until": datetime(2100, 1, 1, tzinfo=UTC),
                        "job_type": "report", "requested_by": None, "cancel_requested_at": None, "idempotency_key": "key",
                        "created_at": AT, "attempt": 1},
    "synkro.job_run_events": {"step": "marts", "created_at": AT},
    "synkro.integration_configs": {"kind": "telegram", "updated_by": None, "status": lambda tag: "unknown" if tag == "ours" else "error",
                                   "secret_hints": lambda tag: Jsonb({"bot_token": {"tail": tag}})},
    "synkro.reports": {"version": 1, "lacks": lambda tag: [tag], "status": "ready", "created_at": AT, "is_current": True,
                       "awaits_delivery": True},
    "synkro.report_messages": {"channel": "web", "author_id": None, "created_at": AT},
    "synkro.outbox": {"destination": CHAT, "status": "pending", "next_attempt_at": AT, "claimed_until": None, "created_at": AT,
                      "provider_message_id": "55"},
    "synkro.tenant_runtime_configs": {"version": 1, "is_current": True, "created_by": None, "calendar": None, "created_at": AT,
                                      "sla_target_minutes": lambda tag: 15 if tag == "ours" else 40,
                                      "mode": lambda tag: "amocrm_radist" if tag == "ours" else "radist_only"},
    "synkro.working_intervals": {"minutes_before": 0, "ends_at": lambda tag: WINDOW.end if tag == "ours" else AT},
    "synkro.stream_loads": {"status": "complete"},
    "synkro.watermarks": {"complete_until": AT, "updated_at": AT},
    "synkro.backfills": {"updated_at": AT},
    "synkro.dialog_readings": {"content_hash": "transcript_hash", "prompt_version": "p", "model": "m", "created_at": AT,
                               "reading": lambda tag: Jsonb({"topics": [{"kind": "price", "message_ids": ["1"], "quote": f"кухня {tag}"}]})},
    "synkro.topic_lists": {"version": 1, "created_by": None, "created_at": AT, "pack": lambda tag: "furniture" if tag == "ours" else "clinic",
                           "topics": lambda tag: Jsonb([{"key": "own_1", "name": f"Шторы {tag}", "words": ["штора"]}])},
    "synkro.ai_calls": {"purpose": "reading", "status": "sending", "reserved_usd": Decimal(1), "cost_usd": Decimal(0), "created_at": AT},
    "synkro.ai_spend": {"day": date(2026, 3, 2), "reserved_usd": Decimal(1)},
    "synkro.analyst_grants": {"role_name": "analyst_twins", "created_at": AT},
    "synkro.audit_log": {"actor_id": PERSON, "created_at": AT, "action": "run.requested", "metadata": Jsonb({"run_id": str(RUN)})},
    "synkro.user_roles": {"role": "user", "created_at": AT},
    "synkro.telegram_updates": {"bot_id": 7, "update_id": 9, "handled_at": lambda tag: None if tag == "ours" else AT, "reply_started_at": AT, "reply_message_id": "66",
                                "report_message_id": uuid_of("report_message_id"), "received_at": AT, "outcome": None},
    "synkro.report_windows": {"label_date": DAY, "is_outdated": True, "created_at": AT, "updated_at": AT,
                              "missing": lambda tag: Jsonb([{"source": tag}]), "baselines": lambda tag: Jsonb([])},
    "synkro.reconciliations": {"day": DAY, "created_at": AT},
    "private.integration_secrets": {"kind": "telegram", "field": "bot_token"},
    "private.mart_builds": {"scope": "touched", "is_building": False},
    "private.raw_changes": {"kind": "chat", "since": WINDOW.start, "until": WINDOW.end},
    "private.decided_dialogs": {"version": "1"},
    "private.message_acts": {"act": "promise"},
    "private.telegram_codes": {"created_by": None, "created_at": AT, "expires_at": datetime(2100, 1, 1, tzinfo=UTC), "ended_at": None},
    "private.invitations": {"role": "user", "created_by": None, "created_at": AT, "expires_at": datetime(2100, 1, 1, tzinfo=UTC),
                            "ended_at": None, "accepted_by": None},
    "private.reconciled_dialogs": {"counted_at": None, "excluded_reason": None},
    "raw_amocrm.pipelines": {"payload": lambda tag: Jsonb({"name": f"Воронка {tag}", "_embedded": {"statuses": [{"id": 1, "name": tag}]}})},
    "raw_radist.messages": {"payload": lambda tag: Jsonb({"whose": tag, "file": {"name": f"{tag}.pdf"}})},
    "raw_whatsapp.messages": {"payload": lambda tag: Jsonb({"whose": tag, "file": {"name": f"{tag}.pdf"}})},
    "private.whatsapp_messages": {"payload": lambda tag: Jsonb({"whose": tag, "file": {"name": f"{tag}.pdf"}})},
    "marts.fct_messages": {"kind": "client", "direction": "in", "body": lambda tag: f"Сколько стоит кухня, {tag}?"},
    "marts.fct_deals": {"stage_kind": "open", "is_sales": True},
    "marts.period_usual": {"compared_with": "usual", "metric": "dialogs", "unit": "weekday"},
    "marts.period_changes": {"compared_with": "usual", "metric": "dialogs", "dimension": "manager"},
    "synkro.case_marks": {"mark": "advised", "reason": None, "channel": "report", "decided_by": "person", "marked_by": None, "marked_at": AT,
                          "as_of": AT},
    "marts.fct_case_openings": {"kind": "wait_overdue", "began_at": AT - timedelta(hours=2), "opened_at": AT - timedelta(hours=1),
                                "expires_at": datetime(2100, 1, 1, tzinfo=UTC), "due_at": None, "done_at": None, "recurred_at": None},
    "marts.fct_waits": {"dismissed_by": None, "dismissed_at": None, "opened_at": AT - timedelta(hours=1), "is_breached": True, "is_off_hours": False},
    "intermediate.int_dialogs": {"excluded_reason": lambda tag: None if tag == "ours" else "group"},
}  # fmt: skip

#: further rows of both, so that more than one question has an answer
_MORE: list[tuple[str, dict[str, Any]]] = [
    ("marts.fct_messages", {"message_id": "m-before", "sent_at": WINDOW.start - timedelta(hours=1)}),
    ("marts.fct_messages", {"message_id": "m-manager", "kind": "manager", "direction": "out", "author_source": "event"}),
    ("marts.fct_messages", {"message_id": "m-bot", "kind": "bot", "direction": "out", "author_id": None}),
    ("marts.fct_waits", {"wait_id": "w-answered", "opened_at": AT - timedelta(hours=9), "closed_at": AT - timedelta(hours=8),
                         "is_open": False, "is_answered": True, "closed_by": "manager"}),
    ("marts.fct_deals", {"deal_id": "d-won", "stage_kind": "won", "closed_at": AT}),
    ("marts.fct_deals", {"deal_id": "d-lost", "stage_kind": "lost", "closed_at": AT, "loss_reason": "Дорого"}),
    ("marts.dim_dialogs", {"dialog_id": "102"}),
]  # fmt: skip
#: what the other company alone has, stored before all else of it: whoever meets it has left the filter out
_THEIR_RUN, _THEIR_REPORT, _THEIR_MESSAGE = (uuid_of(f"their {name}") for name in ("run", "report", "message"))
_ONLY_THEIRS: list[tuple[str, dict[str, Any]]] = [
    ("synkro.job_runs", {"run_id": _THEIR_RUN, "status": "failed", "attempt": 5, "idempotency_key": "their key",
                         "report_id": _THEIR_REPORT}),
    ("synkro.stream_loads", {"run_id": _THEIR_RUN}),
    ("synkro.reports", {"report_id": _THEIR_REPORT, "run_id": _THEIR_RUN, "version": 7, "is_current": False}),
    ("synkro.report_messages", {"report_message_id": _THEIR_MESSAGE, "report_id": _THEIR_REPORT}),
    ("synkro.telegram_updates", {"update_id": 8, "report_message_id": _THEIR_MESSAGE}),
    ("synkro.outbox", {"outbox_id": uuid_of("their letter"), "report_id": _THEIR_REPORT}),
    ("synkro.outbox", {"outbox_id": uuid_of("their warning"), "report_id": None, "payload": Jsonb({"key": "k"})}),
    ("synkro.integration_configs", {"kind": "ai"}),
    ("synkro.audit_log", {"metadata": Jsonb({"run_id": str(_THEIR_RUN)})}),
    ("synkro.report_windows", {"window_start": WINDOW.start - timedelta(days=1), "window_end": WINDOW.start}),
    ("marts.period_summary", {"window_start": WINDOW.start - timedelta(days=1), "window_end": WINDOW.start}),
]  # fmt: skip


def _value(column: dict[str, Any], tag: str) -> Any:
    """A value of the column's type: the same for both where it identifies a row, the company's own elsewhere."""
    name, kind = column["column"], column["type"]
    is_shared = column["is_key"] or name.endswith(("_id", "_by", "_hash"))
    if kind == "uuid":
        return uuid_of(name)
    if kind.startswith(("text", "character")):
        return name if is_shared and name != "slug" else f"{name} {tag}"
    if kind == "numeric[]":
        return [Decimal(1 if tag == "ours" else 2)]
    if kind.startswith(("integer", "bigint", "smallint", "numeric", "double", "real")):
        return int(CHAT) if is_shared else 3 if tag == "ours" else 40
    if kind == "boolean":
        return True
    if kind.startswith("timestamp"):
        return AT if is_shared or tag == "ours" else AT - timedelta(minutes=7)
    if kind == "date":
        return DAY
    if kind == "jsonb":
        return Jsonb({"whose": tag})
    if kind == "text[]":
        return [name if is_shared else f"{name} {tag}"]
    return None


def _stored(
    table: str, columns: list[dict[str, Any]], tenant_id: UUID, tag: str, but: dict[str, Any] | None = None
) -> dict[str, Any]:
    row = {}
    is_mart = table.startswith(("marts.", "intermediate."))
    for column in columns:
        name = column["column"]
        here = _HERE.get(table, {}) | (but or {})
        if name == "tenant_id":
            row[name] = tenant_id
        elif table == "synkro.tenants" and name in ("name", "slug"):
            row[name] = tag
        elif name == "user_role_id":
            # the one key that is unique over all companies
            row[name] = uuid_of(f"{name} {tag}")
        elif column["is_made"]:
            continue
        elif is_mart and name in _MANAGER and name not in here and column["type"] == "text":
            row[name] = "manager_id"
        elif name in here or name in _ANYWHERE:
            value = here.get(name, _ANYWHERE.get(name))
            value = value(tag) if callable(value) else value
            row[name] = int(value) if value == CHAT and "int" in column["type"] else value
        elif not (column["has_default"] and column["type"] not in ("jsonb", "uuid")) or table.startswith("marts."):
            row[name] = _value(column, tag)
    return row


def fill(url: str) -> None:
    """One row of each company in every table; the rows of a person who belongs to both."""
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        tables: dict[str, list[dict[str, Any]]] = {}
        for column in connection.execute(_TABLES, (list(rls_audit.FOREIGN),)):
            tables.setdefault(column["name"], []).append(column)
        connection.execute("insert into auth.users (id, email) values (%s, 'twins@x.example')", (PERSON,))
        connection.execute(
            "insert into synkro.user_profiles (user_id, email, full_name) values (%s, 'twins@x.example', 'Оба')",
            (PERSON,),
        )
        for tenant_id, tag in ((THEIRS, "theirs"), (OURS, "ours")):
            plain = [(table, {}) for table in tables if table not in _BY_TRIGGER]
            wanted = [plain[0], *(_ONLY_THEIRS if tag == "theirs" else []), *plain[1:], *_MORE]
            for table, but in wanted:
                if table not in tables:
                    # a database without marts: they are made after the migrations
                    continue
                row = _stored(table, tables[table], tenant_id, tag, but)
                connection.execute(
                    sql.SQL("insert into {} ({}) values ({})").format(
                        sql.Identifier(*table.split(".")),
                        sql.SQL(", ").join(map(sql.Identifier, row)),
                        sql.SQL(", ").join(sql.Placeholder() * len(row)),
                    ),
                    list(row.values()),
                )

        for weeks in (1, 2, 3):
            for table in {"synkro.report_windows", "marts.period_summary"} & set(tables):
                connection.execute(
                    f"insert into {table} select (jsonb_populate_record(t, jsonb_build_object('window_start', t.window_start - %(w)s,"
                    f" 'window_end', t.window_end - %(w)s))).* from {table} t where t.window_end = %(end)s",
                    {"w": timedelta(weeks=weeks), "end": END},
                )


def tables(connection: psycopg.Connection[Any]) -> list[str]:
    """Every table that holds rows of companies."""
    return list(dict.fromkeys(row["name"] for row in connection.execute(_TABLES, (list(rls_audit.FOREIGN),))))


def checksum(connection: psycopg.Connection[Any], names: list[str], tenant_id: UUID) -> dict[str, str]:
    """By table, what the company's rows are."""
    parts = [
        f"select '{name}' as name, coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as sum"
        f" from {name} t where t.tenant_id = %(tenant)s"
        for name in names
    ]
    rows = connection.execute(" union all ".join(parts).encode(), {"tenant": tenant_id})
    return {row["name"]: row["sum"] for row in rows}


def without(connection: psycopg.Connection[Any], names: list[str], tenant_id: UUID) -> None:
    """As if the company had never been."""
    connection.execute("set local session_replication_role = replica")
    for name in names:
        connection.execute(f"delete from {name} where tenant_id = %s".encode(), (tenant_id,))
    connection.execute("set local session_replication_role = origin")
