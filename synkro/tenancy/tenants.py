"""Tenants: the companies Synkro works for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import psycopg

from synkro.core import windows
from synkro.core.errors import DataError, NotFoundError
from synkro.database import db

Status = Literal["active", "paused", "disabled"]
_SLUG = re.compile(r"[a-z][a-z0-9_]{1,30}")


@dataclass(frozen=True)
class Tenant:
    tenant_id: UUID
    name: str
    slug: str
    status: Status
    timezone: str
    created_at: datetime


_COLUMNS = "tenant_id, name, slug, status, timezone, created_at"


def add(connection: db.Connection, name: str, slug: str, timezone: str) -> Tenant:
    """Make a tenant with the default runtime configuration; raises :class:`DataError` on a bad or taken slug."""
    windows.zone(timezone)
    if not name.strip():
        raise DataError("Название компании пустое: укажите, как она называется.")
    if not _SLUG.fullmatch(slug):
        raise DataError(
            f"Код компании «{slug}» не подходит: нужны строчные латинские буквы, цифры и «_», от 2 до 31 знака, сначала буква."
        )
    try:
        row = connection.execute(
            f"insert into synkro.tenants (name, slug, timezone) values (%s, %s, %s) returning {_COLUMNS}",
            (name.strip(), slug, timezone),
        ).fetchone()
    except psycopg.errors.UniqueViolation:
        raise DataError(f"Код компании «{slug}» уже занят: выберите другой.") from None
    assert row is not None
    return Tenant(**row)


def by_slug(connection: db.Connection, slug: str) -> Tenant:
    """Raises :class:`NotFoundError`; for a person who may not see the tenant the answer is the same."""
    row = connection.execute(
        f"select {_COLUMNS} from synkro.tenants where slug = %s",
        (slug,),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"Компания «{slug}» не найдена. Список доступных: synkro tenant list.")
    return Tenant(**row)


def by_id(connection: db.Connection, tenant_id: UUID) -> Tenant:
    row = connection.execute(
        f"select {_COLUMNS} from synkro.tenants where tenant_id = %s",
        (tenant_id,),
    ).fetchone()
    if row is None:
        raise NotFoundError("Компания не найдена.")
    return Tenant(**row)


def visible(connection: db.Connection) -> list[Tenant]:
    """All tenants the entry point lets through, by name."""
    rows = connection.execute(f"select {_COLUMNS} from synkro.tenants order by name")
    return [Tenant(**row) for row in rows]


def ensure_active(tenant: Tenant) -> None:
    """Raises :class:`DataError` for a tenant that is not to be worked for now."""
    if tenant.status != "active":
        state = "приостановлена" if tenant.status == "paused" else "отключена"
        raise DataError(
            f"Компания «{tenant.name}» {state}: сначала включите её (synkro tenant pause {tenant.slug} --resume)."
        )


def set_status(connection: db.Connection, tenant_id: UUID, status: Status) -> None:
    connection.execute(
        "update synkro.tenants set status = %s, updated_at = now() where tenant_id = %s", (status, tenant_id)
    )
