"""One's own profile, and the audit log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from app.services import access
from app.services.access import Viewer
from app.texts import LANGUAGES
from synkro import audit, db, users, windows
from synkro.audit import Entry
from synkro.errors import DataError
from synkro.phones import normalise
from synkro.users import User

AUDIT_PAGE = 50


def save_profile(who: Viewer, full_name: str, phone: str, timezone: str, language: str) -> User:
    """Raises :class:`DataError` naming the field."""
    if len(full_name) > 200:
        raise DataError("Имя длиннее 200 знаков. Сократите его.")
    number = normalise(phone) if phone.strip() else None
    if phone.strip() and number is None:
        raise DataError("Телефон не похож на номер. Укажите его целиком, например +77000000001.")
    if language not in LANGUAGES:
        raise DataError("Выберите язык из списка.")
    user = replace(
        who.user,
        full_name=full_name.strip(),
        phone=number,
        timezone=windows.zone(timezone).key,
        language=language,
    )
    with db.as_user(who.user_id) as connection:
        users.update_profile(connection, user)
        audit.write(
            connection, "profile.changed", actor_id=who.user_id, actor=who.user.email, ip_address=who.ip_address
        )
    return user


@dataclass(frozen=True)
class AuditPage:
    entries: list[Entry]
    #: id to pass as ``before`` for the next page; ``None`` on the last one
    next_before: int | None
    names: dict[UUID, str]


def audit_page(who: Viewer, slug: str | None = None, before: int | None = None) -> AuditPage:
    """Newest first. Administrators see their tenants' lines, the operator all of them."""
    if not who.is_any_admin:
        raise access.Forbidden(access.ADMINS_READ)
    tenant = access.administered(who, slug) if slug else None
    with db.as_user(who.user_id) as connection:
        if tenant:
            access.check_admin_now(connection, tenant.tenant_id)
        else:
            access.check_any_admin_now(connection)
        entries = audit.recent(
            connection, tenant_id=tenant.tenant_id if tenant else None, limit=AUDIT_PAGE + 1, before=before
        )
    shown = entries[:AUDIT_PAGE]
    return AuditPage(
        shown,
        shown[-1].audit_id if len(entries) > AUDIT_PAGE else None,
        {tenant.tenant_id: tenant.name for tenant in who.tenants},
    )
