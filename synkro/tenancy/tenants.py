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
    #: of the settings in force: a company has one clock, and it is versioned with them (runtime_config)
    timezone: str
    created_at: datetime


_SELECT = (
    "select t.tenant_id, t.name, t.slug, t.status, coalesce(c.timezone, 'UTC') as timezone, t.created_at"
    " from synkro.tenants t left join synkro.tenant_runtime_configs c on c.tenant_id = t.tenant_id and c.is_current"
)


def add(connection: db.Connection, name: str, slug: str, timezone: str) -> Tenant:
    """Make a tenant; its settings, the zone among them, are ``runtime_config.start``. Raises :class:`DataError` on a bad or
    taken slug."""
    zone = windows.zone(timezone).key
    title = _title(name)
    if not _SLUG.fullmatch(slug):
        raise DataError(
            f"Код компании «{slug}» не подходит: нужны строчные латинские буквы, цифры и «_», от 2 до 31 знака, сначала буква."
        )
    try:
        row = connection.execute(
            "insert into synkro.tenants (name, slug) values (%s, %s) returning tenant_id, name, slug, status, created_at",
            (title, slug),
        ).fetchone()
    except psycopg.errors.UniqueViolation:
        raise DataError(f"Код компании «{slug}» уже занят: выберите другой.") from None
    assert row is not None
    return Tenant(**row, timezone=zone)


def by_slug(connection: db.Connection, slug: str) -> Tenant:
    """Raises :class:`NotFoundError`; for a person who may not see the tenant the answer is the same."""
    row = connection.execute(f"{_SELECT} where t.slug = %s", (slug,)).fetchone()
    if row is None:
        raise NotFoundError(f"Компания «{slug}» не найдена. Список доступных: synkro tenant list.")
    return Tenant(**row)


def by_id(connection: db.Connection, tenant_id: UUID) -> Tenant:
    row = connection.execute(f"{_SELECT} where t.tenant_id = %s", (tenant_id,)).fetchone()
    if row is None:
        raise NotFoundError("Компания не найдена.")
    return Tenant(**row)


def visible(connection: db.Connection) -> list[Tenant]:
    """All tenants the entry point lets through, by name."""
    rows = connection.execute(f"{_SELECT} order by t.name")
    return [Tenant(**row) for row in rows]


def ensure_active(tenant: Tenant) -> None:
    """Raises :class:`DataError` for a tenant that is not to be worked for now."""
    if tenant.status != "active":
        state = "приостановлена" if tenant.status == "paused" else "отключена"
        raise DataError(
            f"Компания «{tenant.name}» {state}: сначала включите её (synkro tenant pause {tenant.slug} --resume)."
        )


def rename(connection: db.Connection, tenant_id: UUID, name: str) -> None:
    """Raises :class:`DataError` for an empty name. The slug never changes."""
    connection.execute(
        "update synkro.tenants set name = %s, updated_at = now() where tenant_id = %s", (_title(name), tenant_id)
    )


def _title(name: str) -> str:
    title = name.strip()
    if not title:
        raise DataError("Название компании пустое: укажите, как она называется.")
    if len(title) > 200:
        raise DataError("Название компании длиннее 200 знаков: сократите его.")
    return title


def set_status(connection: db.Connection, tenant_id: UUID, status: Status) -> None:
    connection.execute(
        "update synkro.tenants set status = %s, updated_at = now() where tenant_id = %s", (status, tenant_id)
    )
