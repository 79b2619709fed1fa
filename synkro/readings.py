"""Readings: what was understood of one dialog, kept per content, prompt and model, so that nothing is read twice.

Also the journal of calls to a model (sizes and hashes, never text) and the sums that the caps are checked against.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro import db
from synkro.log import redact


@dataclass(frozen=True)
class StoredReading:
    dialog_id: str
    content_hash: str
    prompt_version: str
    model: str
    reading: dict[str, Any]
    dropped_claims: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True)
class Call:
    """One call to a model, as journalled."""

    purpose: str
    model: str
    prompt_hash: str
    prompt_chars: int
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)
    seconds: float = 0.0
    status: str = "ok"
    error: str | None = None
    created_at: datetime | None = field(default=None, compare=False)


def cached(
    connection: db.Connection,
    tenant_id: UUID,
    keys: Iterable[tuple[str, str]],
    prompt_version: str,
    model: str,
) -> dict[str, StoredReading]:
    """Readings by dialog id for the ``(dialog_id, content_hash)`` pairs that were read before."""
    pairs = list(keys)
    rows = connection.execute(
        "select r.dialog_id, r.content_hash, r.prompt_version, r.model, r.reading, r.dropped_claims, r.tokens_in,"
        " r.tokens_out, r.cost_usd from synkro.dialog_readings r"
        " join unnest(%s::text[], %s::text[]) as k (dialog_id, content_hash) using (dialog_id, content_hash)"
        " where r.tenant_id = %s and r.prompt_version = %s and r.model = %s",
        ([d for d, _ in pairs], [h for _, h in pairs], tenant_id, prompt_version, model),
    )
    return {row["dialog_id"]: StoredReading(**row) for row in rows}


def store(connection: db.Connection, tenant_id: UUID, reading: StoredReading) -> None:
    connection.execute(
        "insert into synkro.dialog_readings (tenant_id, dialog_id, content_hash, prompt_version, model, reading,"
        " dropped_claims, tokens_in, tokens_out, cost_usd) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " on conflict (tenant_id, dialog_id, content_hash, prompt_version, model) do nothing",
        (
            tenant_id,
            reading.dialog_id,
            reading.content_hash,
            reading.prompt_version,
            reading.model,
            Jsonb(reading.reading),
            reading.dropped_claims,
            reading.tokens_in,
            reading.tokens_out,
            reading.cost_usd,
        ),
    )


def latest(connection: db.Connection, tenant_id: UUID, dialog_id: str) -> dict[str, Any] | None:
    """The newest reading of a dialog, for its page."""
    row = connection.execute(
        "select reading, model, created_at from synkro.dialog_readings where tenant_id = %s and dialog_id = %s"
        " order by created_at desc limit 1",
        (tenant_id, dialog_id),
    ).fetchone()
    return dict(row) if row else None


def journal(connection: db.Connection, tenant_id: UUID, run_id: UUID | None, call: Call) -> None:
    connection.execute(
        "insert into synkro.ai_calls (tenant_id, run_id, purpose, model, prompt_hash, prompt_chars, tokens_in, tokens_out,"
        " cost_usd, seconds, status, error) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            tenant_id,
            run_id,
            call.purpose,
            call.model,
            call.prompt_hash,
            call.prompt_chars,
            call.tokens_in,
            call.tokens_out,
            call.cost_usd,
            round(call.seconds, 3),
            call.status,
            redact(call.error) if call.error else None,
        ),
    )


def spent(connection: db.Connection, tenant_id: UUID | None, since: datetime) -> Decimal:
    """US dollars spent since then by the tenant, or by the whole installation."""
    row = connection.execute(
        "select coalesce(sum(cost_usd), 0) as total from synkro.ai_calls"
        " where (%(tenant)s::uuid is null or tenant_id = %(tenant)s) and created_at >= %(since)s",
        {"tenant": tenant_id, "since": since},
    ).fetchone()
    assert row is not None
    return Decimal(row["total"])
