"""A company of the oracle's into a real database, its marts back out, and what differs from the oracle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from ingestion.radist.mapping import phone_of
from orchestration.dbt import project
from synkro.core import calendar, clock
from synkro.tenancy import tenants
from synkro.core.settings import settings
from synkro.core.windows import Window
from tests.transforms.oracle import Company, Table
from tests.transforms.oracle.changes import USUAL
from tests.transforms.oracle.raw import Row

RAW = {
    "sources": "raw_radist", "chats": "raw_radist", "messages": "raw_radist", "users": "raw_amocrm", "pipelines": "raw_amocrm",
    "loss_reasons": "raw_amocrm", "contacts": "raw_amocrm", "leads": "raw_amocrm", "deleted": "raw_amocrm", "events": "raw_amocrm",
    "notes": "raw_amocrm", "tasks": "raw_amocrm",
}  # fmt: skip
KEYS = {
    "fct_messages": ("dialog_id", "message_id"), "fct_waits": ("wait_id",), "fct_sessions": ("session_id",), "fct_deals": ("deal_id",),
    "dim_clients": ("client_id",), "dim_dialogs": ("dialog_id",), "period_summary": ("window_start", "window_end"),
    "period_managers": ("window_start", "window_end", "manager_id"), "period_dialogs": ("window_start", "window_end", "dialog_id"),
    "period_hours": ("window_start", "window_end", "weekday", "hour"), "period_excluded": ("window_start", "window_end", "dialog_id"),
    "period_channels": ("window_start", "window_end", "channel"),
    "period_stages": ("window_start", "window_end", "pipeline_id", "status_id"),
    "fct_funnel": ("pipeline_id", "status_id"), "fct_tasks": ("task_id",), "fct_promises": ("promise_id",), "waits_open": ("wait_id",),
    "period_usual": ("window_start", "window_end", "compared_with", "metric"),
    "period_changes": ("window_start", "window_end", "compared_with", "metric", "dimension", "part"),
}  # fmt: skip
Connection = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True)
class Difference:
    """``marts`` or ``oracle`` is None where one side has no such row; ``column`` is then empty."""

    table: str
    key: tuple[Any, ...]
    column: str
    marts: Any
    oracle: Any

    def __str__(self) -> str:
        where = " ".join(map(str, self.key))
        return f"{self.table} [{where}] {self.column}: marts {self.marts!r}, oracle {self.oracle!r}"


def load(connection: Connection, company: Company, slug: str) -> UUID:
    """A new tenant with these rows, as the connectors and the settings page would leave them."""
    tenant_id = tenants.add(connection, slug.title(), slug, company.settings.timezone).tenant_id
    _configure(connection, tenant_id, company)
    add(connection, tenant_id, company)
    windows = [
        {
            "tenant_id": tenant_id, "label_date": window["window_start"].date(), **window,
            "baselines": Jsonb(window.get("baselines", [])),
        }
        for window in company.windows
    ]  # fmt: skip
    _insert(connection, "synkro.report_windows", windows)
    return tenant_id


def add(connection: Connection, tenant_id: UUID, company: Company, before: Company | None = None) -> int:
    """A read of the connectors: rows that are new, or not as ``before``, are merged; returns how many."""
    merged = 0
    for table, schema in RAW.items():
        old = {_key(table, row): row for row in getattr(before, table)} if before else {}
        rows = [row for row in getattr(company, table) if old.get(_key(table, row)) != row]
        for row in rows:
            key = {"tenant_id": tenant_id} | dict(zip(_names(table), _key(table, row), strict=True))
            if _key(table, row) in old:
                where = " and ".join(f"{name} = %({name})s" for name in key)
                connection.execute(f"delete from {schema}.{table} where {where}", key)
        _insert(connection, f"{schema}.{table}", [_raw(table, row, tenant_id) for row in rows])
        merged += len(rows)
    connection.execute("delete from private.message_acts where tenant_id = %s", (tenant_id,))
    _insert(connection, "private.message_acts", [{"tenant_id": tenant_id, **row} for row in company.acts])
    return merged


def build(url: str, company: Company, tenant_id: UUID, work: Path) -> None:
    windows = [Window(row["window_start"], row["window_end"]) for row in company.windows]
    project.build_tenant(
        url, settings().data_dir, tenant_id=tenant_id, window_start=windows[0].start, window_end=windows[0].end,
        windows=windows, work_dir=work,
    )  # fmt: skip


def differences(connection: Connection, tenant_id: UUID, expected: dict[str, Table]) -> list[Difference]:
    """Every row and column the oracle has against the marts, both ways."""
    found: list[Difference] = []
    for name, table in expected.items():
        rows = connection.execute(f"select * from marts.{name} where tenant_id = %s", (tenant_id,)).fetchall()
        marts = {tuple(row[column] for column in KEYS[name]): row for row in rows}
        assert len(marts) == len(rows), f"{name}: two rows of one key"
        if name == "period_usual":
            # what the oracle counts itself: a usual of another number is the same mean
            marts = {key: row for key, row in marts.items() if key[-1] in USUAL}
        found += [Difference(name, key, "", row, None) for key, row in marts.items() if key not in table]
        for key, mine in table.items():
            theirs = marts.get(key)
            if theirs is None:
                found.append(Difference(name, key, "", None, mine))
            else:
                found += [
                    Difference(name, key, column, theirs[column], value)
                    for column, value in mine.items()
                    if theirs[column] != value
                ]
    return found


def _configure(connection: Connection, tenant_id: UUID, company: Company) -> None:
    """One version of the settings for each target."""
    own = company.settings
    connection.execute("delete from synkro.tenant_runtime_configs where tenant_id = %s", (tenant_id,))
    rows = [
        {
            "tenant_id": tenant_id, "version": version, "is_current": version == len(own.targets), "mode": own.mode,
            "timezone": own.timezone, "business_day_start": own.business_day_start, "sla_target_minutes": target,
            "session_gap_hours": own.session_gap_hours, "calendar": Jsonb(_versions(company)),
            "excluded_phones": own.excluded_phones, "bot_senders": own.bot_senders, "sales_pipelines": own.sales_pipelines,
            "created_at": since,
        }
        for version, (since, target) in enumerate(own.targets, 1)
    ]  # fmt: skip
    _insert(connection, "synkro.tenant_runtime_configs", rows)
    spans, passed = [], 0.0
    for starts_at, ends_at in working(company):
        spans.append({"tenant_id": tenant_id, "starts_at": starts_at, "ends_at": ends_at, "minutes_before": passed})
        passed += (ends_at - starts_at).total_seconds() / 60
    _insert(connection, "synkro.working_intervals", spans)


def working(company: Company) -> list[calendar.Interval]:
    """Working time as the product expands it."""
    return calendar.intervals(calendar.parse(_versions(company)), company.settings.timezone, *company.calendar_range)


def _versions(company: Company) -> dict[str, Any] | None:
    """The calendars set one after the other, the last version first: their order must not matter."""
    (_, kept), *later = company.settings.calendars
    for begins, value in reversed(later):
        kept = calendar.merged(kept, {**(value or {}), "valid_from": begins.isoformat()})
    return kept


def _names(table: str) -> tuple[str, ...]:
    return {"messages": ("chat_id", "id"), "deleted": ("entity_type", "id")}.get(table, ("id",))


def _key(table: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _names(table))


def _raw(table: str, row: Row, tenant_id: UUID) -> Row:
    payload = row.get("payload", {})
    if table == "chats":
        # what the connector makes of it: the oracle reads the vendor's own fields
        payload = {**payload, "_synkro": {"phone": phone_of(payload)}}
    filled = {"tenant_id": tenant_id, "seen_at": clock.now(), "_dlt_load_id": "1", "_dlt_id": "1", **row}
    return {**filled, "payload": Jsonb(payload)}


def _insert(connection: Connection, table: str, rows: list[Row]) -> None:
    if not rows:
        return
    names = list(rows[0])
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(f"copy {table} ({', '.join(names)}) from stdin") as copy,
    ):
        for row in rows:
            copy.write_row([row[name] for name in names])
