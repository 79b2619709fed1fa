"""Browser sessions: a row each, found by the hash of the opaque id in the cookie; revocable at once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy.users import User, get

ABSOLUTE = timedelta(hours=12)
IDLE = timedelta(minutes=30)
#: neither closed nor too old, and the account neither banned nor deleted nor given another password since
_LIVING = (
    "s.revoked_at is null and s.expires_at > now() and s.last_seen_at > now() - %s and exists (select"
    " from private.account_state(s.user_id) a where not a.is_blocked and a.mark is not distinct from s.account_mark)"
)
#: … and the second step was made, where the person has to make it: turned on, or an operator, since the session was opened
_PROVED = "(s.second_factor_at is not null or not private.needs_second_factor(s.user_id, %s))"


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()


@dataclass(frozen=True)
class Session:
    """Whose a living session is."""

    user: User
    #: opened by a link of a letter: the person may set a password without naming the present one
    may_set_password: bool = False
    has_second_factor: bool = False


def open_session(
    user_id: UUID,
    ip_address: str | None,
    user_agent: str | None,
    *,
    may_set_password: bool = False,
    has_second_factor: bool = False,
) -> str:
    """A new opaque id; a fresh one at every sign-in, so that a planted id is worth nothing.

    ``has_second_factor``: the person made the second step. Who has to and did not has no living session.
    """
    session_id = secrets.token_urlsafe(32)
    with db.as_service("session") as connection:
        connection.execute(
            "insert into private.web_sessions"
            " (session_hash, user_id, expires_at, ip_address, user_agent, may_set_password, account_mark,"
            "  second_factor_at)"
            " values (%s, %s, now() + %s, %s, %s, %s, (select a.mark from private.account_state(%s) a),"
            "  case when %s then now() end)",
            (
                _hash(session_id),
                user_id,
                ABSOLUTE,
                ip_address,
                (user_agent or "")[:300],
                may_set_password,
                user_id,
                has_second_factor,
            ),
        )
    return session_id


def of(session_id: str | None) -> Session | None:
    """The living session with this id, or ``None``; renews the idle clock."""
    if not session_id:
        return None
    with db.as_service("session") as connection:
        row = connection.execute(
            f"update private.web_sessions s set last_seen_at = now() where s.session_hash = %s and {_LIVING} and {_PROVED}"
            " returning s.user_id, s.may_set_password, s.second_factor_at is not null as has_second_factor",
            (_hash(session_id), IDLE, settings().is_demo),
        ).fetchone()
        if row is None:
            return None
        return Session(get(connection, row["user_id"]), row["may_set_password"], row["has_second_factor"])


def living(session_ids: Collection[str]) -> set[str]:
    """Which of these are still good: one query for all open pages, and no renewal of the idle clock."""
    by_hash = {_hash(session_id): session_id for session_id in session_ids}
    if not by_hash:
        return set()
    with db.as_service("session") as connection:
        rows = connection.execute(
            "select s.session_hash from private.web_sessions s"
            f" where s.session_hash = any(%s) and {_LIVING} and {_PROVED}",
            (list(by_hash), IDLE, settings().is_demo),
        )
        return {by_hash[row["session_hash"]] for row in rows}


def after_new_password(connection: db.Connection, user_id: UUID, *, must_change: bool = False) -> None:
    """Close every browser session of the person and say whether the new password is a one-time one (service entry point)."""
    connection.execute(
        "update synkro.user_profiles set must_change_password = %s, updated_at = now() where user_id = %s",
        (must_change, user_id),
    )
    end_all(connection, user_id)


def end_all(connection: db.Connection, user_id: UUID, *, but: str | None = None) -> int:
    """Close every browser session of the person, ``but`` one (service entry point); returns how many."""
    return connection.execute(
        "update private.web_sessions set revoked_at = now() where user_id = %s and revoked_at is null"
        " and session_hash is distinct from %s",
        (user_id, _hash(but) if but else None),
    ).rowcount


@dataclass(frozen=True)
class OpenSession:
    """A living session as it is listed; the hash names it and opens nothing."""

    session_hash: str
    created_at: datetime
    last_seen_at: datetime
    ip_address: str | None
    user_agent: str
    is_current: bool


def open_of(connection: db.Connection, user_id: UUID, session_id: str | None = None) -> list[OpenSession]:
    """The person's living sessions, the last used first; ``session_id`` is marked as the current one (service entry point)."""
    rows = connection.execute(
        "select s.session_hash, s.created_at, s.last_seen_at, s.ip_address, coalesce(s.user_agent, '') as user_agent"
        f" from private.web_sessions s where s.user_id = %s and {_LIVING} and {_PROVED}"
        " order by s.last_seen_at desc limit 200",
        (user_id, IDLE, settings().is_demo),
    ).fetchall()
    current = _hash(session_id) if session_id else None
    return [OpenSession(**row, is_current=row["session_hash"] == current) for row in rows]


def end_one(connection: db.Connection, user_id: UUID, session_hash: str) -> bool:
    """Close one session of this person (service entry point)."""
    return bool(
        connection.execute(
            "update private.web_sessions set revoked_at = now()"
            " where user_id = %s and session_hash = %s and revoked_at is null",
            (user_id, session_hash),
        ).rowcount
    )


def after_second_factor(connection: db.Connection, session_id: str) -> None:
    """The person turned the second step on here: this session made it, the others did not and end (service entry point)."""
    connection.execute(
        "update private.web_sessions set second_factor_at = now() where session_hash = %s", (_hash(session_id),)
    )


def account_mark(user_id: UUID) -> str:
    """Changes with the password; empty for an account that is blocked or gone."""
    with db.as_service("session") as connection:
        row = connection.execute(
            "select a.mark from private.account_state(%s) a where not a.is_blocked", (user_id,)
        ).fetchone()
    return row["mark"] if row else ""


def after_new_hash(connection: db.Connection, user_id: UUID, old_mark: str) -> None:
    """The same password was hashed anew: sessions opened with it go on (service entry point)."""
    connection.execute(
        "update private.web_sessions set account_mark = (select a.mark from private.account_state(%(user)s) a)"
        " where user_id = %(user)s and account_mark = %(mark)s",
        {"user": user_id, "mark": old_mark},
    )


def close_session(session_id: str | None) -> None:
    if session_id:
        with db.as_service("session") as connection:
            connection.execute(
                "update private.web_sessions set revoked_at = now() where session_hash = %s and revoked_at is null",
                (_hash(session_id),),
            )
