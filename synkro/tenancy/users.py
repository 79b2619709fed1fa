"""People: their profiles and roles. How a person proves who they are is ``synkro/accounts``."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from synkro.core.errors import DataError, NotFoundError
from synkro.database import db

Role = Literal["super_admin", "admin_lite", "user"]
#: languages a person may choose; ``app/texts`` holds each of them
LANGUAGES = ("ru", "en")
ROLES: tuple[Role, ...] = ("super_admin", "admin_lite", "user")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True)
class User:
    user_id: UUID
    email: str
    full_name: str
    timezone: str
    language: str
    phone: str | None
    must_change_password: bool


@dataclass(frozen=True)
class Membership:
    user_role_id: UUID
    user_id: UUID
    tenant_id: UUID | None
    role: Role
    is_active: bool


_USER = "user_id, email, full_name, timezone, language, phone, must_change_password"


def checked_email(email: str) -> str:
    """The address as it is stored; raises :class:`DataError` when it is none."""
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise DataError(f"Адрес «{email}» не похож на почту: нужен вид имя@домен.")
    return email


def make_profile(
    connection: db.Connection,
    user_id: UUID,
    email: str,
    *,
    full_name: str = "",
    must_change_password: bool = False,
) -> User:
    """The profile of an account; one that is there keeps its name and takes the account's address (service entry point)."""
    row = connection.execute(
        "insert into synkro.user_profiles (user_id, email, full_name, must_change_password) values (%s, %s, %s, %s)"
        " on conflict (user_id) do update"
        " set email = coalesce(nullif(excluded.email, ''), user_profiles.email), updated_at = now()"
        f" returning {_USER}",
        (user_id, email.strip().lower(), full_name.strip(), must_change_password),
    ).fetchone()
    assert row is not None
    return User(**row)


def get(connection: db.Connection, user_id: UUID) -> User:
    row = connection.execute(f"select {_USER} from synkro.user_profiles where user_id = %s", (user_id,)).fetchone()
    if row is None:
        raise NotFoundError("Человек не найден.")
    return User(**row)


def by_email(connection: db.Connection, email: str) -> User:
    row = connection.execute(
        f"select {_USER} from synkro.user_profiles where lower(email) = lower(%s)",
        (email.strip(),),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"Человек с адресом {email} не найден.")
    return User(**row)


def update_profile(connection: db.Connection, user: User) -> None:
    connection.execute(
        "update synkro.user_profiles set full_name = %s, phone = %s, timezone = %s, language = %s, updated_at = now()"
        " where user_id = %s",
        (user.full_name, user.phone, user.timezone, user.language, user.user_id),
    )


def grant(
    connection: db.Connection,
    user_id: UUID,
    tenant_id: UUID | None,
    role: Role,
    *,
    created_by: UUID | None = None,
) -> None:
    """Give (or change) a role; ``tenant_id`` is ``None`` for super_admin and only for it."""
    if (tenant_id is None) != (role == "super_admin"):
        raise DataError("Роль super_admin действует на всю установку, остальные — в одной компании: уточните компанию.")
    connection.execute(
        "insert into synkro.user_roles (user_id, tenant_id, role, created_by) values (%s, %s, %s, %s)"
        " on conflict (tenant_id, user_id) do update set role = excluded.role, is_active = true",
        (user_id, tenant_id, role, created_by),
    )


def revoke(connection: db.Connection, user_id: UUID, tenant_id: UUID | None) -> bool:
    """Take the role away; open pages lose the tenant at their next event. Returns whether there was one."""
    return bool(
        connection.execute(
            "update synkro.user_roles set is_active = false"
            " where user_id = %s and tenant_id is not distinct from %s and is_active",
            (user_id, tenant_id),
        ).rowcount
    )


def memberships(connection: db.Connection, user_id: UUID) -> list[Membership]:
    rows = connection.execute(
        "select user_role_id, user_id, tenant_id, role, is_active from synkro.user_roles where user_id = %s and is_active",
        (user_id,),
    )
    return [Membership(**row) for row in rows]


def people_of(connection: db.Connection, tenant_id: UUID) -> list[tuple[User, Membership]]:
    """Everyone with a role in the tenant, by name."""
    rows = connection.execute(
        "select p.user_id, p.email, p.full_name, p.timezone, p.language, p.phone, p.must_change_password,"
        " r.user_role_id, r.role, r.is_active"
        " from synkro.user_roles r join synkro.user_profiles p using (user_id) where r.tenant_id = %s"
        " order by p.full_name, p.email",
        (tenant_id,),
    )
    return [
        (
            User(**{key: row[key] for key in User.__dataclass_fields__}),
            Membership(row["user_role_id"], row["user_id"], tenant_id, row["role"], row["is_active"]),
        )
        for row in rows
    ]


def has_operator(connection: db.Connection) -> bool:
    """Whether somebody was made the installation's administrator, then or now."""
    return connection.execute("select from synkro.user_roles where role = 'super_admin' limit 1").fetchone() is not None


def operators(connection: db.Connection, user_ids: Collection[UUID]) -> set[UUID]:
    """Which of these people administer the installation now (service entry point)."""
    rows = connection.execute(
        "select distinct user_id from synkro.user_roles where user_id = any(%s) and role = 'super_admin' and is_active",
        (list(user_ids),),
    )
    return {row["user_id"] for row in rows}
