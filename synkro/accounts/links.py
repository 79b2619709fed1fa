"""Links of letters for the embedded accounts: opened once, within their time, stored as a hash.

With Supabase Auth its own links do the same (``synkro/accounts/supabase.py``); both land on ``/auth/confirm``.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from synkro.core.errors import DataError
from synkro.core.settings import settings
from synkro.database import db

Kind = Literal["recovery", "email_change"]
LIFETIME: dict[Kind, timedelta] = {
    "recovery": timedelta(hours=1),
    "email_change": timedelta(hours=24),
}
#: letters to one person in an hour: a form that anybody may fill in must not flood a mailbox
MAX_AN_HOUR = 5
PATH = "/auth/confirm"
STALE = "Ссылка уже использована или устарела. Попросите новую."


@dataclass(frozen=True)
class Opened:
    """What a link proved: this person reads the mail of this address."""

    user_id: UUID
    email: str
    kind: Kind


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def address(token: str, kind: Kind) -> str:
    """The link itself, in the form of Supabase's letters with ``token_hash``."""
    return f"{settings().base_url}{PATH}?{urlencode({'token_hash': token, 'type': kind})}"


def make(connection: db.Connection, user_id: UUID, email: str, kind: Kind) -> str:
    """A new link (service entry point). Earlier ones of the same kind end; raises :class:`DataError` at the hour's limit."""
    row = connection.execute(
        "select count(*) as n from private.account_links where user_id = %s and created_at > now() - interval '1 hour'",
        (user_id,),
    ).fetchone()
    if row and row["n"] >= MAX_AN_HOUR:
        raise DataError("Слишком много писем за час. Проверьте папку «Спам» или подождите.")
    connection.execute(
        "update private.account_links set used_at = now() where user_id = %s and kind = %s and used_at is null",
        (user_id, kind),
    )
    token = secrets.token_urlsafe(32)
    connection.execute(
        "insert into private.account_links (link_hash, kind, user_id, email, expires_at)"
        " values (%s, %s, %s, %s, now() + %s)",
        (_hash(token), kind, user_id, email, LIFETIME[kind]),
    )
    return address(token, kind)


def use(connection: db.Connection, token: str) -> Opened:
    """Take the link, once; raises :class:`DataError` when it was used, is too old or never existed."""
    row = connection.execute(
        "update private.account_links l set used_at = now()"
        " where l.link_hash = %s and l.used_at is null and l.expires_at > now()"
        " and exists (select from private.account_state(l.user_id) a where not a.is_blocked)"
        " returning l.user_id, l.email, l.kind",
        (_hash(token),),
    ).fetchone()
    if row is None:
        raise DataError(STALE)
    return Opened(row["user_id"], row["email"], row["kind"])
