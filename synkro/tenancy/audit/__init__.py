"""The audit log: who did what, from where. Append-only: the database refuses any change, and chains every line (:mod:`.chain`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from synkro.core import phones
from synkro.core.log import redact
from synkro.database import db
from synkro.tenancy.audit.actions import Action

#: characters of one value in a line's metadata; the whole value stands in the versions of the settings
MOST_OF_A_VALUE = 500
_EMAIL = re.compile(r"([^\s@]{1,64})@([^\s@]{1,255})")
_EXPORT_FETCH = 2_000


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
    action: Action,
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


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[str | None]]:
    """``{field: [old, new]}`` of the public fields that differ, as a line may keep them: phones, e-mails and tokens masked."""
    names = sorted({*before, *after})
    return {
        name: [_kept(before.get(name)), _kept(after.get(name))] for name in names if before.get(name) != after.get(name)
    }


def _kept(value: Any) -> str | None:
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = _EMAIL.sub(lambda found: f"{found[1][0]}…@{found[2]}", phones.mask_in(redact(text)))
    return text if len(text) <= MOST_OF_A_VALUE else text[:MOST_OF_A_VALUE] + "…"


def every(
    connection: db.Connection, tenant_id: UUID | None = None, *, with_links: bool = False
) -> Iterator[dict[str, Any]]:
    """Every line, oldest first, a few thousand at a time. ``with_links``: its place and hash too, which workers alone read."""
    place = ", c.position, encode(c.hash, 'hex') as hash" if with_links else ""
    link = "left join synkro.audit_chain c on c.audit_id = l.audit_id" if with_links else ""
    with connection.cursor("audit_export") as cursor:
        cursor.itersize = _EXPORT_FETCH
        yield from cursor.execute(
            "select l.audit_id, l.tenant_id, l.actor_id, l.actor, l.action, l.message, l.metadata, l.ip_address, l.created_at"
            f"{place} from synkro.audit_log l {link}"
            " where %(tenant)s::uuid is null or l.tenant_id = %(tenant)s order by l.audit_id",
            {"tenant": tenant_id},
        )
