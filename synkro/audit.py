"""The audit log: who did what, from where. Append-only; the database refuses any change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro import db


@dataclass(frozen=True)
class Entry:
    audit_id: int
    tenant_id: UUID | None
    actor: str
    action: str
    message: str
    metadata: dict[str, Any]
    ip_address: str | None
    created_at: datetime


def write(
    connection: db.Connection,
    action: str,
    *,
    tenant_id: UUID | None = None,
    actor_id: UUID | None = None,
    actor: str = "",
    message: str = "",
    metadata: Mapping[str, Any] | None = None,
    ip_address: str | None = None,
) -> None:
    """Add one line in the caller's transaction, so that a rolled back action leaves no line."""
    connection.execute(
        "insert into synkro.audit_log (tenant_id, actor_id, actor, action, message, metadata, ip_address)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        (tenant_id, actor_id, actor, action, message, Jsonb(dict(metadata or {})), ip_address),
    )


def recent(
    connection: db.Connection, *, tenant_id: UUID | None = None, limit: int = 100, before: int | None = None
) -> list[Entry]:
    """Newest first; ``before`` is the last ``audit_id`` of the page above."""
    rows = connection.execute(
        "select audit_id, tenant_id, actor, action, message, metadata, ip_address, created_at from synkro.audit_log"
        " where (%(tenant)s::uuid is null or tenant_id = %(tenant)s) and (%(before)s::bigint is null or audit_id < %(before)s)"
        " order by audit_id desc limit %(limit)s",
        {"tenant": tenant_id, "before": before, "limit": limit},
    )
    return [Entry(**row) for row in rows]
