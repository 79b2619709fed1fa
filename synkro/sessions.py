"""Browser sessions: a row each, found by the hash of the opaque id in the cookie; revocable at once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from synkro import db
from synkro.users import User, get

ABSOLUTE = timedelta(hours=12)
IDLE = timedelta(minutes=30)


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()


def open_session(user_id: UUID, ip_address: str | None, user_agent: str | None) -> str:
    """A new opaque id; a fresh one at every sign-in, so that a planted id is worth nothing."""
    session_id = secrets.token_urlsafe(32)
    with db.as_service("session") as connection:
        connection.execute(
            "insert into private.web_sessions (session_hash, user_id, expires_at, ip_address, user_agent)"
            " values (%s, %s, now() + %s, %s, %s)",
            (_hash(session_id), user_id, ABSOLUTE, ip_address, (user_agent or "")[:300]),
        )
    return session_id


def user_of(session_id: str | None) -> User | None:
    """The person of a living session, or ``None``; renews the idle clock."""
    if not session_id:
        return None
    with db.as_service("session") as connection:
        row = connection.execute(
            "update private.web_sessions s set last_seen_at = now() from auth.users u"
            " where s.session_hash = %s and u.id = s.user_id and s.revoked_at is null and s.expires_at > now()"
            " and s.last_seen_at > now() - %s and (u.banned_until is null or u.banned_until <= now())"
            " returning s.user_id",
            (_hash(session_id), IDLE),
        ).fetchone()
        return get(connection, row["user_id"]) if row else None


def living(session_ids: Collection[str]) -> set[str]:
    """Which of these are still good: one query for all open pages, and no renewal of the idle clock."""
    by_hash = {_hash(session_id): session_id for session_id in session_ids}
    if not by_hash:
        return set()
    with db.as_service("session") as connection:
        rows = connection.execute(
            "select s.session_hash from private.web_sessions s join auth.users u on u.id = s.user_id"
            " where s.session_hash = any(%s) and s.revoked_at is null and s.expires_at > now()"
            " and s.last_seen_at > now() - %s and (u.banned_until is null or u.banned_until <= now())",
            (list(by_hash), IDLE),
        )
        return {by_hash[row["session_hash"]] for row in rows}


def close_session(session_id: str | None) -> None:
    if session_id:
        with db.as_service("session") as connection:
            connection.execute(
                "update private.web_sessions set revoked_at = now() where session_hash = %s and revoked_at is null",
                (_hash(session_id),),
            )
