"""People of a tenant: invite, change the role, take it away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services import access
from services.access import Viewer
from synkro import accounts
from synkro.core.errors import DataError, NotFoundError
from synkro.database import db
from synkro.tenancy import invitations, users
from synkro.tenancy.invitations import Invitation
from synkro.tenancy.tenants import Tenant
from synkro.tenancy.users import Role


@dataclass(frozen=True)
class Invited:
    """The answer is the same whether somebody has this address or not."""

    email: str
    #: shown once
    link: str
    is_written: bool = False


def invite(who: Viewer, slug: str, email: str, full_name: str, role: str, *, by_letter: bool = False) -> Invited:
    """A link that gives the role to whoever holds the account of this address, once they accept; and a letter with it."""
    tenant = access.administered(who, slug)
    wanted = _role(role)
    address = users.checked_email(email)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
    with db.as_service("invite") as connection:
        invitation_id, link = invitations.make(
            connection, tenant.tenant_id, address, full_name, wanted, created_by=who.user_id
        )
    with db.as_user(who.user_id) as connection:
        _note_person(connection, who, tenant, "person.invited", None, {"email": address, "role": wanted})
    if by_letter and accounts.write_invitation(address, link):
        with db.as_service("invite") as connection:
            invitations.written_to(connection, tenant.tenant_id, invitation_id)
    return Invited(address, link, is_written=by_letter)


def open_invitations(who: Viewer, slug: str) -> list[Invitation]:
    """Those nobody has accepted yet."""
    tenant = access.administered(who, slug)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
    with db.as_service("invite") as connection:
        return invitations.open_of(connection, tenant.tenant_id)


def take_back(who: Viewer, slug: str, invitation_id: UUID) -> None:
    """The link works no more."""
    tenant = access.administered(who, slug)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
    with db.as_service("invite") as connection:
        email = invitations.take_back(connection, tenant.tenant_id, invitation_id)
    if email is None:
        raise NotFoundError("Приглашение уже принято или отозвано.")
    with db.as_user(who.user_id) as connection:
        _note_person(connection, who, tenant, "person.invitation_taken_back", None, {"email": email})


def change_role(who: Viewer, slug: str, user_id: UUID, role: str) -> None:
    tenant = access.administered(who, slug)
    wanted = _role(role)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
        _keep_an_admin(connection, tenant, user_id, wanted)
        users.grant(connection, user_id, tenant.tenant_id, wanted, created_by=who.user_id)
        _note_person(connection, who, tenant, "person.role_changed", user_id, {"role": wanted})


def revoke(who: Viewer, slug: str, user_id: UUID) -> None:
    tenant = access.administered(who, slug)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
        _keep_an_admin(connection, tenant, user_id, None)
        # written before: one who takes their own role away may not sign it afterwards
        _note_person(connection, who, tenant, "person.revoked", user_id, {})
        users.revoke(connection, user_id, tenant.tenant_id)


def _role(role: str) -> Role:
    if role not in ("admin_lite", "user"):
        raise DataError("Выберите роль: администратор или пользователь.")
    return role  # type: ignore[return-value]


def _keep_an_admin(connection: db.Connection, tenant: Tenant, user_id: UUID, role: str | None) -> None:
    """The last administrator stays: otherwise nobody of the company could let the next one in."""
    rows = connection.execute(
        "select user_id, role from synkro.user_roles where tenant_id = %s and is_active", (tenant.tenant_id,)
    ).fetchall()
    admins = {row["user_id"] for row in rows if row["role"] == "admin_lite"}
    if admins == {user_id} and role != "admin_lite":
        raise DataError("Это последний администратор компании. Сначала назначьте другого.")
    if user_id not in {row["user_id"] for row in rows} and role is None:
        raise NotFoundError("Человек не найден.")


def _note_person(
    connection: db.Connection, who: Viewer, tenant: Tenant, action: str, user_id: UUID | None, detail: dict[str, Any]
) -> None:
    access.note(
        connection,
        who,
        action,
        tenant_id=tenant.tenant_id,
        metadata={**({"user_id": str(user_id)} if user_id else {}), **detail},
    )
