"""Accounts and their sessions: the operator's view of anyone, and a person's own sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services import access
from services.access import Viewer
from synkro import accounts
from synkro.accounts import second_factor, sessions
from synkro.accounts.second_factor import Status
from synkro.accounts.sessions import OpenSession
from synkro.core.errors import DataError, NotFoundError
from synkro.database import db
from synkro.tenancy import users
from synkro.tenancy.users import User

PAGE = 50


@dataclass(frozen=True)
class Granted:
    """A role: in a company, or over the installation."""

    tenant_id: UUID | None
    company: str
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
    " coalesce((select jsonb_agg(jsonb_build_array(r.tenant_id, coalesce(t.name, ''), r.role) order by t.name nulls first)"
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
        [Granted(UUID(tenant_id) if tenant_id else None, company, role) for tenant_id, company, role in row["roles"]],
    )


def listing(who: Viewer, text: str = "", page: int = 1) -> Found:
    """Everybody, by e-mail; ``text``: a part of the e-mail or the name."""
    _check_operator(who)
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


def detail(who: Viewer, user_id: UUID) -> Detail:
    """One account with its roles and open sessions."""
    _check_operator(who)
    with db.as_service("operator") as connection:
        row = connection.execute(f"{_ACCOUNTS} where p.user_id = %s", (user_id,)).fetchone()
        if row is None:
            raise NotFoundError("Человек не найден.")
        found = sessions.open_of(connection, user_id)
    return Detail(_account(row), second_factor.status(user_id), found)


def set_blocked(who: Viewer, user_id: UUID, is_blocked: bool) -> None:
    """Disable or enable the account; disabling ends every session."""
    user = _one(who, user_id)
    if is_blocked and user_id == who.user_id:
        raise DataError("Свою учётную запись не отключают: попросите другого оператора.")
    accounts.set_blocked(user_id, is_blocked)
    with db.as_service("operator") as connection:
        _note(connection, who, user, "account.disabled" if is_blocked else "account.enabled")


def end_session(who: Viewer, user_id: UUID, session_hash: str) -> None:
    user = _one(who, user_id)
    with db.as_service("operator") as connection:
        if not sessions.end_one(connection, user_id, session_hash):
            raise NotFoundError("Этот вход уже закрыт.")
        _note(connection, who, user, "session.ended")


def end_sessions(who: Viewer, user_id: UUID) -> None:
    """All of the person."""
    user = _one(who, user_id)
    with db.as_service("operator") as connection:
        sessions.end_all(connection, user_id)
        _note(connection, who, user, "session.ended_all")


def revoke_role(who: Viewer, user_id: UUID, tenant_id: UUID | None) -> None:
    """Take any role away; ``tenant_id`` is ``None`` for the operator's own. One's own operator role stays."""
    user = _one(who, user_id)
    if tenant_id is None and user_id == who.user_id:
        raise DataError("Роль оператора у себя не забирают: попросите другого оператора.")
    with db.as_service("operator") as connection:
        if not users.revoke(connection, user_id, tenant_id):
            raise NotFoundError("Этой роли уже нет.")
        _note(connection, who, user, "person.revoked", tenant_id)


def reset_second_factor(who: Viewer, user_id: UUID) -> None:
    """For whoever lost the phone and the recovery codes; their sessions end."""
    user = _one(who, user_id)
    if user_id == who.user_id:
        raise DataError("Свой второй шаг не сбрасывают: замените коды в профиле или попросите другого оператора.")
    with db.as_service("operator") as connection:
        second_factor.remove(connection, user_id)
        _note(connection, who, user, "second_factor.reset")


# --- one's own --------------------------------------------------------------------------------------------


def own_sessions(who: Viewer, session_id: str) -> list[OpenSession]:
    """``session_id``: the one that asks; it is marked."""
    with db.as_service("sessions") as connection:
        return sessions.open_of(connection, who.user_id, session_id)


def end_own_session(who: Viewer, session_hash: str) -> None:
    with db.as_service("sessions") as connection:
        if not sessions.end_one(connection, who.user_id, session_hash):
            raise NotFoundError("Этот вход уже закрыт.")
        _note(connection, who, who.user, "session.ended")


def end_other_sessions(who: Viewer, session_id: str) -> None:
    """All but the one that asks."""
    with db.as_service("sessions") as connection:
        sessions.end_all(connection, who.user_id, but=session_id)
        _note(connection, who, who.user, "session.ended_all")


# ----------------------------------------------------------------------------------------------------------


def _check_operator(who: Viewer) -> None:
    if not who.is_operator:
        raise access.Forbidden("Это может только оператор установки.")
    with db.as_user(who.user_id) as connection:
        access.check_operator_now(connection)


def _one(who: Viewer, user_id: UUID) -> User:
    _check_operator(who)
    with db.as_service("operator") as connection:
        return users.get(connection, user_id)


def _note(connection: db.Connection, who: Viewer, user: User, action: str, tenant_id: UUID | None = None) -> None:
    access.note(
        connection,
        who,
        action,
        tenant_id=tenant_id,
        metadata={"user_id": str(user.user_id)},
    )
