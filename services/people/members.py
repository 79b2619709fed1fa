"""People of a tenant: invite, change the role, take it away. For the company's administrators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services import access
from services.access import Actor
from synkro import accounts
from synkro.core.errors import DataError, NotFoundError
from synkro.database import db
from synkro.tenancy import invitations, users
from synkro.tenancy.audit.actions import Action
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


def invite(who: Actor, slug: str, email: str, full_name: str, role: str, *, by_letter: bool = False) -> Invited:
    """A link that gives the role to whoever holds the account of this address, once they accept; and a letter with it.

    Audited as ``person.invited``. Raises :class:`DataError` for what is no address or role, somebody who has a role already
    and too many open invitations.
    """
    tenant = access.administered(who, slug)
    wanted = _role(role)
    address = users.checked_email(email)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
    with db.as_service("invite") as connection:
        invitation_id, link = invitations.make(
            connection, tenant.tenant_id, address, full_name, wanted, created_by=who.user_id
        )
        _note_person(connection, who, tenant, "person.invited", None, {"email": address, "role": wanted})
    if by_letter and accounts.write_invitation(address, link):
        with db.as_service("invite") as connection:
            invitations.written_to(connection, tenant.tenant_id, invitation_id)
    return Invited(address, link, is_written=by_letter)


def open_invitations(who: Actor, slug: str) -> list[Invitation]:
    """Those nobody has accepted yet."""
    tenant = access.administered(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
    with db.as_service("invite") as connection:
        return invitations.open_of(connection, tenant.tenant_id)


def take_back(who: Actor, slug: str, invitation_id: UUID) -> None:
    """The link works no more. Audited as ``person.invitation_taken_back``; raises :class:`NotFoundError` when it is over."""
    tenant = access.administered(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
    with db.as_service("invite") as connection:
        email = invitations.take_back(connection, tenant.tenant_id, invitation_id)
        if email is None:
            raise NotFoundError("Приглашение уже принято или отозвано.")
        _note_person(connection, who, tenant, "person.invitation_taken_back", None, {"email": email})


def change_role(who: Actor, slug: str, user_id: UUID, role: str) -> None:
    """Another role in the company. Audited as ``person.role_changed``; raises :class:`DataError` for its last administrator."""
    tenant = access.administered(who, slug)
    wanted = _role(role)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
        _keep_an_admin(connection, tenant, user_id, wanted)
        users.grant(connection, user_id, tenant.tenant_id, wanted, created_by=who.user_id)
        _note_person(connection, who, tenant, "person.role_changed", user_id, {"role": wanted})


def revoke(who: Actor, slug: str, user_id: UUID) -> None:
    """Take the role in the company away. Audited as ``person.revoked``.

    Raises :class:`NotFoundError` for somebody without one and :class:`DataError` for its last administrator.
    """
    tenant = access.administered(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
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
    connection: db.Connection, who: Actor, tenant: Tenant, action: Action, user_id: UUID | None, detail: dict[str, Any]
) -> None:
    access.note(
        connection,
        who,
        action,
        tenant_id=tenant.tenant_id,
        metadata={**({"user_id": str(user_id)} if user_id else {}), **detail},
    )
