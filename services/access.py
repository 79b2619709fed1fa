"""Who acts and what they may do; the tenant behind a slug; the line of the audit log.

Two kinds of actors. A :class:`Viewer` is a signed-in person: row level security decides what their transaction sees, and
each right is asked of the database once more in the transaction that writes. An :class:`~services.machine.Operator` runs
the command line: its transaction is the service's, so each function here and behind filters by tenant itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from services.machine import Operator
from synkro.core.errors import DataError, NotFoundError, SynkroError
from synkro.database import db
from synkro.tenancy import audit, tenants, users
from synkro.tenancy.audit.actions import Action
from synkro.tenancy.tenants import Tenant
from synkro.tenancy.users import User

ADMINS_DO = "Это может администратор компании. Попросите его или оператора."
ADMINS_READ = "Журнал видят администраторы."
OPERATORS_DO = "Это может только оператор установки."
MACHINES_DO = "Это делается командой synkro на сервере установки."


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

    @property
    def name(self) -> str:
        return self.user.email

    def is_admin(self, tenant_id: UUID) -> bool:
        return self.is_operator or self.roles.get(tenant_id) == "admin_lite"

    @property
    def is_any_admin(self) -> bool:
        return self.is_operator or "admin_lite" in self.roles.values()

    def role_in(self, tenant_id: UUID) -> str:
        return "super_admin" if self.is_operator else self.roles.get(tenant_id, "user")


Actor: TypeAlias = Viewer | Operator


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


def transaction(who: Actor) -> AbstractContextManager[db.Connection]:
    """One transaction by the actor's entry point: a person's under row level security, the machine's as the service."""
    return db.as_user(who.user_id) if isinstance(who, Viewer) else db.as_service("command line")


# --- companies --------------------------------------------------------------------------------------------


def visible(who: Actor) -> tuple[Tenant, ...]:
    """The companies the actor sees, by name."""
    if isinstance(who, Viewer):
        return who.tenants
    with transaction(who) as connection:
        return tuple(tenants.visible(connection))


def tenant(who: Actor, slug: str) -> Tenant:
    """Raises :class:`NotFoundError`, the same for a foreign and for an absent tenant."""
    if isinstance(who, Operator):
        with transaction(who) as connection:
            return tenants.by_slug(connection, slug)
    for found in who.tenants:
        if found.slug == slug:
            return found
    raise NotFoundError("Компания не найдена.")


def tenant_of(who: Actor, tenant_id: UUID) -> Tenant:
    """The company of a row the actor has read; raises :class:`NotFoundError` like :func:`tenant`."""
    for found in visible(who):
        if found.tenant_id == tenant_id:
            return found
    raise NotFoundError("Компания не найдена.")


def administered(who: Actor, slug: str) -> Tenant:
    """The tenant, for its administrators; :class:`Forbidden` for its other people."""
    found = tenant(who, slug)
    if not is_admin(who, found.tenant_id):
        raise Forbidden(ADMINS_DO)
    return found


def is_admin(who: Actor, tenant_id: UUID) -> bool:
    """Whether the actor administers the company, as far as an open page knows."""
    return isinstance(who, Operator) or who.is_admin(tenant_id)


def ensure_active(who: Actor, found: Tenant) -> None:
    """Raises :class:`DataError` for a company that is not worked for now; it says what this actor can do about it."""
    if isinstance(who, Operator):
        tenants.ensure_active(found)
    elif found.status != "active":
        state = "на паузе" if found.status == "paused" else "отключена"
        raise DataError(f"Компания {state}: отчёты не строятся. Включить её может оператор.")


# --- rights, asked once more ------------------------------------------------------------------------------


def check_admin_now(connection: db.Connection, who: Actor, tenant_id: UUID) -> None:
    """Ask the database again, inside the transaction that writes: roles may have changed since the page was opened."""
    _ask(connection, who, "%s = any (array(select synkro.my_admin_tenants()))", ADMINS_DO, tenant_id)


def check_any_admin_now(connection: db.Connection, who: Actor) -> None:
    """The same of somebody who asks for no company in particular."""
    _ask(connection, who, "exists (select from synkro.my_admin_tenants())", ADMINS_READ)


def check_operator_now(connection: db.Connection, who: Actor) -> None:
    """The same of the installation's operator."""
    _ask(connection, who, "synkro.is_super_admin()", OPERATORS_DO)


def check_operator(who: Actor) -> None:
    """The operator's right, asked in a transaction of its own: for what goes on by the service entry point."""
    if not who.is_operator:
        raise Forbidden(OPERATORS_DO)
    with transaction(who) as connection:
        check_operator_now(connection, who)


def check_machine(who: Actor) -> None:
    """For what the machine's operator alone does; :class:`Forbidden` for every person, whatever their role."""
    if not isinstance(who, Operator):
        raise Forbidden(MACHINES_DO)


def _ask(connection: db.Connection, who: Actor, condition: str, refusal: str, *values: Any) -> None:
    if isinstance(who, Operator):
        # the machine has no role that could be taken away: whoever has the owner's address gives and takes the roles
        return
    row = connection.execute(f"select {condition} as allowed".encode(), values).fetchone()
    if not row or not row["allowed"]:
        raise Forbidden(refusal)


# --- the audit log ----------------------------------------------------------------------------------------


def note(
    connection: db.Connection,
    who: Actor,
    action: Action,
    *,
    tenant_id: UUID | None = None,
    message: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """One line of the audit log in the actor's name, in the caller's transaction."""
    audit.write(
        connection,
        action,
        tenant_id=tenant_id,
        actor_id=who.user_id,
        actor=who.name,
        message=message,
        metadata=metadata,
        ip_address=who.ip_address,
    )
