"""Readings: what was understood of one dialog, kept per content, prompt and model, so that nothing is read twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro.database import db


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


def last_of(
    connection: db.Connection, tenant_id: UUID, dialog_ids: Iterable[str], prompt_version: str, model: str
) -> dict[str, dict[str, Any]]:
    """The newest reading of each dialog by this prompt and model, whatever its content was."""
    rows = connection.execute(
        "select distinct on (dialog_id) dialog_id, reading from synkro.dialog_readings"
        " where tenant_id = %s and dialog_id = any (%s) and prompt_version = %s and model = %s"
        " order by dialog_id, created_at desc",
        (tenant_id, list(dialog_ids), prompt_version, model),
    )
    return {row["dialog_id"]: row["reading"] for row in rows}


def judged(connection: db.Connection, tenant_id: UUID, reading: StoredReading) -> None:
    """What a second reader left of a reading, and what that cost."""
    connection.execute(
        "update synkro.dialog_readings set reading = %s, dropped_claims = %s, tokens_in = tokens_in + %s, tokens_out = tokens_out + %s,"
        " cost_usd = cost_usd + %s where tenant_id = %s and dialog_id = %s and content_hash = %s and prompt_version = %s and model = %s",
        (
            Jsonb(reading.reading), reading.dropped_claims, reading.tokens_in, reading.tokens_out, reading.cost_usd, tenant_id,
            reading.dialog_id, reading.content_hash, reading.prompt_version, reading.model,
        ),
    )  # fmt: skip


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
