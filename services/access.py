"""Who is looking and what they may do; the tenant behind a slug."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from synkro.core.errors import NotFoundError, SynkroError
from synkro.database import db
from synkro.tenancy import audit, tenants, users
from synkro.tenancy.tenants import Tenant
from synkro.tenancy.users import User

ADMINS_READ = "Журнал видят администраторы."


class Forbidden(SynkroError):
    """The person may see the thing but not do this to it."""

    kind = "forbidden"


@dataclass(frozen=True)
class Viewer:
    """A signed-in person with what the database lets them see."""

    user: User
    tenants: tuple[Tenant, ...] = ()
    #: tenant → admin_lite or user
    roles: dict[UUID, str] = field(default_factory=dict)
    is_operator: bool = False
    ip_address: str | None = None

    @property
    def user_id(self) -> UUID:
        return self.user.user_id

    def is_admin(self, tenant_id: UUID) -> bool:
        return self.is_operator or self.roles.get(tenant_id) == "admin_lite"

    @property
    def is_any_admin(self) -> bool:
        return self.is_operator or "admin_lite" in self.roles.values()

    def role_in(self, tenant_id: UUID) -> str:
        return "super_admin" if self.is_operator else self.roles.get(tenant_id, "user")


def viewer(user: User, ip_address: str | None = None) -> Viewer:
    """Roles and tenants as they are now; one transaction."""
    with db.as_user(user.user_id) as connection:
        memberships = users.memberships(connection, user.user_id)
        return Viewer(
            user=user,
            tenants=tuple(tenants.visible(connection)),
            roles={m.tenant_id: m.role for m in memberships if m.tenant_id is not None},
            is_operator=any(m.role == "super_admin" for m in memberships),
            ip_address=ip_address,
        )


def tenant(who: Viewer, slug: str) -> Tenant:
    """Raises :class:`NotFoundError`, the same for a foreign and for an absent tenant."""
    for found in who.tenants:
        if found.slug == slug:
            return found
    raise NotFoundError("Компания не найдена.")


def administered(who: Viewer, slug: str) -> Tenant:
    """The tenant, for its administrators; :class:`Forbidden` for its other people."""
    found = tenant(who, slug)
    if not who.is_admin(found.tenant_id):
        raise Forbidden("Это может администратор компании. Попросите его или оператора.")
    return found


def check_admin_now(connection: db.Connection, tenant_id: UUID) -> None:
    """Ask the database again, inside the transaction that writes: roles may have changed since the page was opened."""
    row = connection.execute(
        "select %s = any (array(select synkro.my_admin_tenants())) as allowed", (tenant_id,)
    ).fetchone()
    if not row or not row["allowed"]:
        raise Forbidden("Это может администратор компании. Попросите его или оператора.")


def check_any_admin_now(connection: db.Connection) -> None:
    """The same of somebody who asks for no company in particular."""
    row = connection.execute("select exists (select from synkro.my_admin_tenants()) as allowed").fetchone()
    if not row or not row["allowed"]:
        raise Forbidden(ADMINS_READ)


def check_operator_now(connection: db.Connection) -> None:
    row = connection.execute("select synkro.is_super_admin() as allowed").fetchone()
    if not row or not row["allowed"]:
        raise Forbidden("Это может только оператор установки.")


def note(
    connection: db.Connection,
    who: Viewer,
    action: str,
    *,
    tenant_id: UUID | None = None,
    message: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """One line of the audit log in the viewer's name, in the caller's transaction."""
    audit.write(
        connection,
        action,
        tenant_id=tenant_id,
        actor_id=who.user_id,
        actor=who.user.email,
        message=message,
        metadata=metadata,
        ip_address=who.ip_address,
    )
