"""The audit log as people read it, its export, and the line an operator leaves who looks into a company."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services import access
from services.access import Actor, Viewer
from services.machine import Operator
from synkro.database import db
from synkro.tenancy import audit
from synkro.tenancy.audit import Entry
from synkro.tenancy.tenants import Tenant

PAGE = 50


@dataclass(frozen=True)
class AuditPage:
    entries: list[Entry]
    #: id to pass as ``before`` for the next page; ``None`` on the last one
    next_before: int | None
    names: dict[UUID, str]


def audit_page(who: Viewer, slug: str | None = None, before: int | None = None) -> AuditPage:
    """Newest first. Administrators see their tenants' lines, the operator all of them; ``Forbidden`` for others."""
    tenant = _readable(who, slug)
    with db.as_user(who.user_id) as connection:
        _check_now(connection, who, tenant)
        entries = audit.recent(
            connection, tenant_id=tenant.tenant_id if tenant else None, limit=PAGE + 1, before=before
        )
    shown = entries[:PAGE]
    return AuditPage(
        shown,
        shown[-1].audit_id if len(entries) > PAGE else None,
        {tenant.tenant_id: tenant.name for tenant in who.tenants},
    )


def exported(who: Viewer, slug: str | None = None) -> tuple[str, list[list[object]]]:
    """``(file name without its ending, lines)``: when, action, actor, company, detail, address of every line that
    :func:`audit_page` shows. Audited as ``audit.exported``."""
    tenant = _readable(who, slug)
    names = {tenant.tenant_id: tenant.name for tenant in who.tenants}
    rows: list[list[object]] = []
    with db.as_user(who.user_id) as connection:
        _check_now(connection, who, tenant)
        for line in audit.every(connection, tenant.tenant_id if tenant else None):
            detail = json.dumps(line["metadata"], ensure_ascii=False) if line["metadata"] else ""
            rows.append(
                [
                    line["created_at"],
                    line["action"],
                    line["actor"],
                    names.get(line["tenant_id"], ""),
                    " ".join(filter(None, (line["message"], detail))),
                    line["ip_address"],
                ]
            )
        _note_export(connection, who, tenant, len(rows))
    return f"synkro-audit-{tenant.slug if tenant else 'all'}", rows


def audit_lines(who: Operator, slug: str | None = None) -> Iterator[dict[str, Any]]:
    """Every line with its place in the chain, oldest first. For the machine's operator; audited as ``audit.exported``.

    The line about the export is written once the last one was taken: it is not among them.
    """
    access.check_machine(who)
    tenant = access.tenant(who, slug) if slug else None
    number = 0
    with access.transaction(who) as connection:
        for line in audit.every(connection, tenant.tenant_id if tenant else None, with_links=True):
            number += 1
            yield line
        _note_export(connection, who, tenant, number)


def _note_export(connection: db.Connection, who: Actor, tenant: Tenant | None, lines: int) -> None:
    tenant_id = tenant.tenant_id if tenant else None
    access.note(connection, who, "audit.exported", tenant_id=tenant_id, metadata={"lines": lines})


def note_look(who: Viewer, tenant: str | UUID, address: str) -> None:
    """An operator opened a page of a company he has no role in: the company's own log says so. ``tenant``: slug or id."""
    if not who.is_operator:
        return
    found = next((one for one in who.tenants if tenant in (one.slug, one.tenant_id)), None)
    if found is None or found.tenant_id in who.roles:
        return
    with db.as_user(who.user_id) as connection:
        access.note(
            connection,
            who,
            "operator.looked",
            tenant_id=found.tenant_id,
            message=address[:300],
        )


def _readable(who: Viewer, slug: str | None) -> Tenant | None:
    if not who.is_any_admin:
        raise access.Forbidden(access.ADMINS_READ)
    return access.administered(who, slug) if slug else None


def _check_now(connection: db.Connection, who: Viewer, tenant: Tenant | None) -> None:
    if tenant:
        access.check_admin_now(connection, who, tenant.tenant_id)
    else:
        access.check_any_admin_now(connection, who)
