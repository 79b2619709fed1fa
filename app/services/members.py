"""People of a tenant: invite, change the role, take it away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.services import access
from app.services.access import Viewer
from synkro import accounts, audit, db, users
from synkro.errors import DataError, NotFoundError
from synkro.tenants import Tenant
from synkro.users import Role, User


@dataclass(frozen=True)
class Invited:
    user: User
    #: shown once; empty when the person has a password already, or got a letter
    one_time_password: str
    got_letter: bool = False


def invite(who: Viewer, slug: str, email: str, full_name: str, role: str, *, by_letter: bool = False) -> Invited:
    """Give a person a role in the tenant; a new person gets an account with a one-time password, or a letter."""
    tenant = access.administered(who, slug)
    wanted = _role(role)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
    invited = _person(email, full_name, by_letter)
    user = invited.user
    with db.as_user(who.user_id) as connection:
        row = connection.execute(
            "select role from synkro.user_roles where user_id = %s and tenant_id = %s and is_active",
            (user.user_id, tenant.tenant_id),
        ).fetchone()
        if row is not None:
            raise DataError(f"У {user.email} уже есть роль в этой компании. Измените её в списке.")
        users.grant(connection, user.user_id, tenant.tenant_id, wanted, created_by=who.user_id)
        _note_person(connection, who, tenant, "person.invited", user.user_id, {"email": user.email, "role": wanted})
    return invited


def _person(email: str, full_name: str, by_letter: bool) -> Invited:
    """Whoever has this address, known or made now."""
    with db.as_service("invite") as connection:
        try:
            return Invited(users.by_email(connection, email), "")
        except NotFoundError:
            pass
    if by_letter:
        return Invited(accounts.invite_by_letter(email, full_name), "", got_letter=True)
    made = accounts.add(email, full_name=full_name)
    return Invited(made.user, made.one_time_password)


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
    connection: db.Connection, who: Viewer, tenant: Tenant, action: str, user_id: UUID, detail: dict[str, Any]
) -> None:
    audit.write(
        connection,
        action,
        tenant_id=tenant.tenant_id,
        actor_id=who.user_id,
        actor=who.user.email,
        metadata={"user_id": str(user_id), **detail},
        ip_address=who.ip_address,
    )
