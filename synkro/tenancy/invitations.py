"""Invitations into a company: a link, opened by its holder, gives the role to their own account.

Whoever invites sees the link once and learns nothing of the address: no account is made, found or given a password before
the invited person accepts. A link works once, within its time, for the account of its address alone, and only while the
one who invited could still invite.

Every function takes a connection of the service entry point.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from synkro.core.errors import DataError
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy import users
from synkro.tenancy.users import Role, User

LIFETIME = timedelta(hours=72)
PATH = "/invite"
#: open invitations of a company at once
MAX_OPEN = 200
STALE = "Приглашение уже использовано, отозвано или устарело. Попросите новое."

#: … and the one who invited may still do so
_OPEN = (
    " i.ended_at is null and i.expires_at > now()"
    " and exists (select from synkro.tenants t where t.tenant_id = i.tenant_id and t.status <> 'disabled')"
    " and (i.created_by is null or exists (select from synkro.user_roles r where r.user_id = i.created_by and r.is_active"
    "  and (r.role = 'super_admin' or (r.role = 'admin_lite' and r.tenant_id = i.tenant_id)))"
    "  and exists (select from private.account_state(i.created_by) a where not a.is_blocked))"
)


@dataclass(frozen=True)
class Invitation:
    """What a link offers."""

    invitation_id: UUID
    tenant_id: UUID
    tenant_name: str
    email: str
    full_name: str
    role: Role
    expires_at: datetime


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def make(
    connection: db.Connection,
    tenant_id: UUID,
    email: str,
    full_name: str,
    role: Role,
    *,
    created_by: UUID | None,
) -> tuple[UUID, str]:
    """A new invitation and its link. An earlier one of the same address ends.

    Raises :class:`DataError` at the limit, and for somebody who has a role in the company.
    """
    if any(user.email == email and role.is_active for user, role in users.people_of(connection, tenant_id)):
        raise DataError(f"У {email} уже есть роль в этой компании. Измените её в списке.")
    row = connection.execute(
        f"select count(*) as n from private.invitations i where i.tenant_id = %s and i.email <> %s and {_OPEN}",
        (tenant_id, email),
    ).fetchone()
    if row and row["n"] >= MAX_OPEN:
        raise DataError(f"Открытых приглашений уже {MAX_OPEN}. Отзовите ненужные.")
    earlier = connection.execute(
        "update private.invitations set ended_at = now() where tenant_id = %s and email = %s and ended_at is null"
        " returning by_letter",
        (tenant_id, email),
    ).fetchall()
    # a letter of the earlier one may still be on its way
    by_letter = any(row["by_letter"] for row in earlier)
    token = secrets.token_urlsafe(32)
    made = connection.execute(
        "insert into private.invitations (link_hash, tenant_id, email, full_name, role, created_by, by_letter, expires_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, now() + %s) returning invitation_id",
        (_hash(token), tenant_id, email, full_name.strip()[:200], role, created_by, by_letter, LIFETIME),
    ).fetchone()
    assert made is not None
    return made["invitation_id"], f"{settings().base_url}{PATH}/{token}"


def written_to(connection: db.Connection, tenant_id: UUID, invitation_id: UUID) -> None:
    """Supabase wrote to the address, which no account had: opening that letter accepts the invitation as well."""
    connection.execute(
        "update private.invitations set by_letter = true where tenant_id = %s and invitation_id = %s",
        (tenant_id, invitation_id),
    )


def look(connection: db.Connection, token: str) -> Invitation:
    """What the link offers, without taking it; raises :class:`DataError` when it offers nothing any more."""
    row = connection.execute(f"{_SELECT} where i.link_hash = %s and {_OPEN}", (_hash(token),)).fetchone()
    if row is None:
        raise DataError(STALE)
    return Invitation(**row)


_SELECT = (
    "select i.invitation_id, i.tenant_id, t.name as tenant_name, i.email, i.full_name, i.role, i.expires_at"
    " from private.invitations i join synkro.tenants t using (tenant_id)"
)


def accept(connection: db.Connection, token: str, user: User) -> Invitation:
    """Give the role to the person the invitation is for, once.

    Raises :class:`DataError` for another account, a link that offers nothing, or a role that is there.
    """
    offered = look(connection, token)
    if offered.email != user.email.lower():
        raise DataError(
            f"Приглашение для {offered.email}, а вы вошли как {user.email}. Выйдите и войдите с нужной почтой."
        )
    _accept(connection, offered, user)
    return offered


def accept_by_letter(connection: db.Connection, user: User) -> list[Invitation]:
    """Whoever opened Supabase's letter holds the address: what was offered by that letter is accepted.

    A company they came into another way meanwhile is left out: the letter still opens the entry point.
    """
    rows = connection.execute(
        f"{_SELECT} where i.email = %s and i.by_letter and {_OPEN} order by i.created_at", (user.email.lower(),)
    ).fetchall()
    inside = {role.tenant_id for role in users.memberships(connection, user.user_id)}
    accepted = [offered for row in rows if (offered := Invitation(**row)).tenant_id not in inside]
    for offered in accepted:
        _accept(connection, offered, user)
    return accepted


def _accept(connection: db.Connection, offered: Invitation, user: User) -> None:
    taken = connection.execute(
        "update private.invitations set ended_at = now(), accepted_by = %s"
        " where tenant_id = %s and invitation_id = %s and ended_at is null returning created_by",
        (user.user_id, offered.tenant_id, offered.invitation_id),
    ).fetchone()
    if taken is None:
        raise DataError(STALE)
    if any(role.tenant_id == offered.tenant_id for role in users.memberships(connection, user.user_id)):
        raise DataError("У вас уже есть доступ к этой компании.")
    users.grant(connection, user.user_id, offered.tenant_id, offered.role, created_by=taken["created_by"])


def open_of(connection: db.Connection, tenant_id: UUID) -> list[Invitation]:
    """Invitations nobody has accepted yet, the newest first."""
    rows = connection.execute(f"{_SELECT} where i.tenant_id = %s and {_OPEN} order by i.created_at desc", (tenant_id,))
    return [Invitation(**row) for row in rows]


def take_back(connection: db.Connection, tenant_id: UUID, invitation_id: UUID) -> str | None:
    """End an invitation; the address it was for, ``None`` when there was none."""
    row = connection.execute(
        "update private.invitations set ended_at = now()"
        " where tenant_id = %s and invitation_id = %s and ended_at is null returning email",
        (tenant_id, invitation_id),
    ).fetchone()
    return row["email"] if row else None
