"""Accounts and their sessions: what the operator does with anybody's, and a person with their own sessions.

The operator's functions raise :class:`~services.access.Forbidden` for anybody else; each line of the audit log holds the
``user_id`` of the account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services import access
from services.access import Actor, Viewer
from services.machine import Operator
from synkro import accounts
from synkro.accounts import Made, second_factor, sessions
from synkro.accounts.second_factor import Status
from synkro.accounts.sessions import OpenSession
from synkro.core.errors import DataError, NotFoundError
from synkro.database import db
from synkro.tenancy import users
from synkro.tenancy.audit.actions import Action
from synkro.tenancy.tenants import Tenant
from synkro.tenancy.users import Role, User

PAGE = 50


@dataclass(frozen=True)
class Granted:
    """A role: in a company, or over the installation."""

    tenant_id: UUID | None
    company: str
    slug: str
    role: str


@dataclass(frozen=True)
class Account:
    user: User
    is_blocked: bool
    has_second_factor: bool
    last_seen_at: datetime | None
    roles: list[Granted] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    accounts: list[Account]
    total: int


_ACCOUNTS = (
    "select p.user_id, p.email, p.full_name, p.timezone, p.language, p.phone, p.must_change_password,"
    " coalesce(a.is_blocked, true) as is_blocked,"
    " exists (select from private.second_factors f where f.user_id = p.user_id and f.confirmed_at is not null) as has_factor,"
    " (select max(s.last_seen_at) from private.web_sessions s where s.user_id = p.user_id) as last_seen_at,"
    " coalesce((select jsonb_agg(jsonb_build_array(r.tenant_id, coalesce(t.name, ''), coalesce(t.slug, ''), r.role) order by t.name nulls first)"
    "  from synkro.user_roles r left join synkro.tenants t using (tenant_id)"
    "  where r.user_id = p.user_id and r.is_active), '[]') as roles, count(*) over () as total"
    " from synkro.user_profiles p left join lateral private.account_state(p.user_id) a on true"
)


def _account(row: dict[str, Any]) -> Account:
    return Account(
        User(**{name: row[name] for name in User.__dataclass_fields__}),
        row["is_blocked"],
        row["has_factor"],
        row["last_seen_at"],
        [Granted(UUID(tenant_id) if tenant_id else None, *names) for tenant_id, *names in row["roles"]],
    )


def everybody(who: Actor) -> list[Account]:
    """Every account, by e-mail. For the operator."""
    access.check_operator(who)
    with db.as_service("operator") as connection:
        return [_account(row) for row in connection.execute(f"{_ACCOUNTS} order by p.email")]


def by_email(who: Actor, email: str) -> User:
    """Whose address it is. For the operator; raises :class:`NotFoundError`."""
    access.check_operator(who)
    with db.as_service("operator") as connection:
        return users.by_email(connection, email)


def listing(who: Actor, text: str = "", page: int = 1) -> Found:
    """A page of everybody, by e-mail; ``text``: a part of the e-mail or the name. For the operator."""
    access.check_operator(who)
    wanted = text.replace("\x00", "").strip().lower()[:200]
    # what is typed is a part of a text, not a pattern
    with db.as_service("operator") as connection:
        rows = connection.execute(
            f"{_ACCOUNTS} where strpos(lower(p.email), %(text)s) > 0 or strpos(lower(p.full_name), %(text)s) > 0"
            " order by p.email limit %(limit)s offset %(offset)s",
            {"text": wanted, "limit": PAGE, "offset": (min(max(page, 1), 100_000) - 1) * PAGE},
        ).fetchall()
    return Found([_account(row) for row in rows], rows[0]["total"] if rows else 0)


@dataclass(frozen=True)
class Detail:
    account: Account
    second_factor: Status
    sessions: list[OpenSession]


def detail(who: Actor, user_id: UUID) -> Detail:
    """One account with its roles and open sessions. For the operator; raises :class:`NotFoundError`."""
    access.check_operator(who)
    with db.as_service("operator") as connection:
        row = connection.execute(f"{_ACCOUNTS} where p.user_id = %s", (user_id,)).fetchone()
        if row is None:
            raise NotFoundError("Человек не найден.")
        found = sessions.open_of(connection, user_id)
    return Detail(_account(row), second_factor.status(user_id), found)


def add(
    who: Actor, email: str, role: Role, slug: str | None = None, *, full_name: str = "", password: str | None = None
) -> Made:
    """An account that can sign in at once, with a role; without ``password`` a one-time one is made, shown once.

    For the operator; audited as ``account.added``. ``slug``: the company of the role, none for ``super_admin``. Raises
    :class:`DataError` for somebody who has an account and for a weak password.
    """
    access.check_operator(who)
    tenant = access.tenant(who, slug) if slug else None
    made = accounts.add(email, password, full_name=full_name, company=tenant.name if tenant else "")
    _grant(who, made.user, role, tenant)
    return made


def bootstrap(email: str, password: str) -> bool:
    """Make the installation's first operator, whose password has to be changed; returns whether one was made.

    For whoever set the environment of this process, and only while there never was an operator; audited as
    ``account.added``.
    """
    who = Operator("environment")
    with access.transaction(who) as connection:
        if users.has_operator(connection):
            return False
        try:
            user = users.by_email(connection, email)
        except NotFoundError:
            user = None
    _grant(who, user or accounts.add(email, password, is_one_time=True).user, "super_admin", None)
    return True


def _grant(who: Actor, user: User, role: Role, tenant: Tenant | None) -> None:
    tenant_id = tenant.tenant_id if tenant else None
    with db.as_service("operator") as connection:
        users.grant(connection, user.user_id, tenant_id, role, created_by=who.user_id)
        _note(connection, who, user, "account.added", tenant_id, role=role)


def reset_password(who: Actor, user_id: UUID) -> str:
    """The present password and every session end; the link by which the person sets a new one, shown once.

    For the operator; audited as ``account.password_reset``.
    """
    user = _one(who, user_id)
    link = accounts.reset(user)
    with db.as_service("operator") as connection:
        _note(connection, who, user, "account.password_reset")
    return link


def set_password(who: Actor, user_id: UUID, password: str) -> None:
    """A password the operator chose; every session ends. Audited as ``account.password_reset``.

    Raises :class:`DataError` for a weak one.
    """
    user = _one(who, user_id)
    accounts.set_password(user_id, password, must_change=False)
    with db.as_service("operator") as connection:
        _note(connection, who, user, "account.password_reset")


def set_blocked(who: Actor, user_id: UUID, is_blocked: bool) -> None:
    """Disable or enable the account; disabling ends every session. For the operator.

    Audited as ``account.disabled`` or ``account.enabled``. Raises :class:`DataError` for one's own account.
    """
    user = _one(who, user_id)
    if is_blocked and user_id == who.user_id:
        raise DataError("Свою учётную запись не отключают: попросите другого оператора.")
    accounts.set_blocked(user_id, is_blocked)
    with db.as_service("operator") as connection:
        _note(connection, who, user, "account.disabled" if is_blocked else "account.enabled")


def end_session(who: Actor, user_id: UUID, session_hash: str) -> None:
    """For the operator; audited as ``session.ended``. Raises :class:`NotFoundError` when it is over."""
    user = _one(who, user_id)
    with db.as_service("operator") as connection:
        if not sessions.end_one(connection, user_id, session_hash):
            raise NotFoundError("Этот вход уже закрыт.")
        _note(connection, who, user, "session.ended")


def end_sessions(who: Actor, user_id: UUID) -> None:
    """All of the person. For the operator; audited as ``session.ended_all``."""
    user = _one(who, user_id)
    with db.as_service("operator") as connection:
        sessions.end_all(connection, user_id)
        _note(connection, who, user, "session.ended_all")


def revoke_role(who: Actor, user_id: UUID, tenant_id: UUID | None) -> None:
    """Take any role away; ``tenant_id`` is ``None`` for the operator's own. For the operator; audited as ``person.revoked``.

    Raises :class:`DataError` for one's own operator role and :class:`NotFoundError` for a role that is not there.
    """
    user = _one(who, user_id)
    if tenant_id is None and user_id == who.user_id:
        raise DataError("Роль оператора у себя не забирают: попросите другого оператора.")
    with db.as_service("operator") as connection:
        if not users.revoke(connection, user_id, tenant_id):
            raise NotFoundError(f"У {user.email} нет такой роли.")
        _note(connection, who, user, "person.revoked", tenant_id)


def reset_second_factor(who: Actor, user_id: UUID) -> bool:
    """For whoever lost the phone and the recovery codes; their sessions end. Returns whether the step was on.

    For the operator; audited as ``second_factor.reset``. Raises :class:`DataError` for one's own.
    """
    user = _one(who, user_id)
    if user_id == who.user_id:
        raise DataError("Свой второй шаг не сбрасывают: замените коды в профиле или попросите другого оператора.")
    with db.as_service("operator") as connection:
        was_on = second_factor.remove(connection, user_id)
        _note(connection, who, user, "second_factor.reset")
    return was_on


# --- one's own --------------------------------------------------------------------------------------------


def own_sessions(who: Viewer, session_id: str) -> list[OpenSession]:
    """A person's open sessions. ``session_id``: the one that asks; it is marked."""
    with db.as_service("sessions") as connection:
        return sessions.open_of(connection, who.user_id, session_id)


def end_own_session(who: Viewer, session_hash: str) -> None:
    """Audited as ``session.ended``; raises :class:`NotFoundError` when it is over."""
    with db.as_service("sessions") as connection:
        if not sessions.end_one(connection, who.user_id, session_hash):
            raise NotFoundError("Этот вход уже закрыт.")
        _note(connection, who, who.user, "session.ended")


def end_other_sessions(who: Viewer, session_id: str) -> None:
    """All but the one that asks. Audited as ``session.ended_all``."""
    with db.as_service("sessions") as connection:
        sessions.end_all(connection, who.user_id, but=session_id)
        _note(connection, who, who.user, "session.ended_all")


# ----------------------------------------------------------------------------------------------------------


def _one(who: Actor, user_id: UUID) -> User:
    access.check_operator(who)
    with db.as_service("operator") as connection:
        return users.get(connection, user_id)


def _note(
    connection: db.Connection, who: Actor, user: User, action: Action, tenant_id: UUID | None = None, **detail: str
) -> None:
    access.note(
        connection,
        who,
        action,
        tenant_id=tenant_id,
        message=user.email,
        metadata={"user_id": str(user.user_id), **detail},
    )
