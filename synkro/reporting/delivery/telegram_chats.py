"""The chats a company's messages go to, and how a chat becomes one of them.

The list is the public part of the ``telegram`` integration (``chat_id``, names in ``chat_titles``). People bind a chat by a
one-time code: shown on the page or by the command line, sent in the chat to the bot. The code proves that whoever asked for
it writes in that very chat. A chat of a bot belongs to one company until it is unbound there, on the page or by ``/stop``; the
database refuses a second one (``synkro.guard_telegram_recipients``). Another bot's talk with the same people is another chat.

Functions that write take a connection of the service entry point.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from synkro.connectors import integrations
from synkro.core.errors import DataError, NotFoundError
from synkro.database import db
from synkro.reporting.delivery import outbox
from synkro.tenancy import audit

CODE_MINUTES = 10
#: without characters that are taken for one another; twelve of them are sixty bits
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LENGTH = 12
_CODE = re.compile(rf"[{_ALPHABET}]{{{_LENGTH}}}")
#: codes that did not fit, in an hour: from one chat, and to one bot from all chats
WRONG_PER_CHAT, WRONG_PER_BOT = 5, 200
_LONGEST_TITLE = 80

#: ``known``: bound to this company already; ``taken``: bound to another
Outcome = Literal["bound", "known", "taken", "wrong"]


@dataclass(frozen=True)
class Code:
    """A code in clear: shown once, stored as a hash."""

    code: str
    expires_at: datetime
    #: the bot, when a check of the connection has learned its name
    bot: str

    @property
    def link(self) -> str:
        """Opens a private chat with the bot and sends the code there."""
        return f"https://t.me/{self.bot}?start={self.code}" if self.bot else ""

    @property
    def command(self) -> str:
        """What to send in a group: a bot hears there what names it."""
        return f"/bind@{self.bot} {self.code}" if self.bot else f"/bind {self.code}"


@dataclass(frozen=True)
class Chat:
    chat_id: str
    title: str

    @property
    def is_group(self) -> bool:
        return not self.chat_id.isdigit()


def ids(public: Mapping[str, Any]) -> list[str]:
    """The configured chats, each once: ``chat_id`` is one number, a list, or a text with commas."""
    raw = public.get("chat_id")
    parts = raw if isinstance(raw, list) else str(raw if raw is not None else "").split(",")
    return list(dict.fromkeys(text for part in parts if (text := str(part).strip())))


def chats(public: Mapping[str, Any]) -> list[Chat]:
    """The configured chats with the names they had when they were bound."""
    titles = public.get("chat_titles")
    known = titles if isinstance(titles, dict) else {}
    return [Chat(chat, str(known.get(chat) or "")) for chat in ids(public)]


# --- codes ------------------------------------------------------------------------------------------------


def new_code(connection: db.Connection, tenant_id: UUID, created_by: UUID | None = None) -> Code:
    """A code for one chat; an earlier one of the company that was not used ends."""
    integration = integrations.find(connection, tenant_id, "telegram")
    if integration is None or "bot_token" not in integration.hints:
        raise DataError("Сначала сохраните токен бота: код отправляют ему.")
    connection.execute(
        "delete from private.telegram_codes where tenant_id = %s and created_at < now() - interval '1 day'",
        (tenant_id,),
    )
    connection.execute(
        "update private.telegram_codes set ended_at = now() where tenant_id = %s and ended_at is null", (tenant_id,)
    )
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    row = connection.execute(
        "insert into private.telegram_codes (tenant_id, code_hash, created_by, expires_at)"
        " values (%s, %s, %s, now() + make_interval(mins => %s)) returning expires_at",
        (tenant_id, _hash(code), created_by, CODE_MINUTES),
    ).fetchone()
    assert row is not None
    return Code(code, row["expires_at"], str(integration.bound.get("username") or ""))


def code_in(text: str) -> str | None:
    """The code a message consists of, as it is stored; ``None`` when it is something else."""
    bare = re.sub(r"[\s\-–—]", "", text[:60]).upper()
    return bare if _CODE.fullmatch(bare) else None


def company_of(connection: db.Connection, code: str) -> UUID | None:
    """Whose code it is, if it may be used now."""
    row = connection.execute(
        "select c.tenant_id from private.telegram_codes c join synkro.tenants t on t.tenant_id = c.tenant_id"
        " where c.code_hash = %s and c.ended_at is null and c.expires_at > now() and t.status = 'active'",
        (_hash(code),),
    ).fetchone()
    return row["tenant_id"] if row else None


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


# --- binding and unbinding --------------------------------------------------------------------------------


def bind(connection: db.Connection, tenant_id: UUID, code: str, chat: str, title: str, author: str) -> Outcome:
    """Use the code for this chat, in the caller's transaction. A chat of another company leaves the code as it is."""
    integration = _locked(connection, tenant_id)
    if chat in ids(integration.public):
        return "known"
    if owner_of(connection, chat, tenant_id) is not None:
        return "taken"
    used = connection.execute(
        "update private.telegram_codes set ended_at = now(), chat_id = %s"
        " where tenant_id = %s and code_hash = %s and ended_at is null and expires_at > now()",
        (chat, tenant_id, _hash(code)),
    )
    if used.rowcount != 1:
        return "wrong"
    titles = {known.chat_id: known.title for known in chats(integration.public) if known.title}
    titles[chat] = title[:_LONGEST_TITLE]
    try:
        with connection.transaction():
            _store(connection, tenant_id, [*ids(integration.public), chat], titles)
    except psycopg.errors.UniqueViolation:
        connection.execute(
            "update private.telegram_codes set ended_at = null, chat_id = null where tenant_id = %s and code_hash = %s",
            (tenant_id, _hash(code)),
        )
        return "taken"
    audit.write(
        connection,
        "telegram.bound",
        tenant_id=tenant_id,
        actor=f"Telegram: {author}",
        message=title[:_LONGEST_TITLE],
        metadata={"chat_id": chat},
    )
    return "bound"


def unbind(
    connection: db.Connection,
    tenant_id: UUID,
    chat: str,
    *,
    actor: str,
    actor_id: UUID | None = None,
    ip_address: str | None = None,
) -> None:
    """The chat gets nothing more, and may be bound elsewhere; raises :class:`NotFoundError` when it is no recipient."""
    integration = _locked(connection, tenant_id)
    if chat not in ids(integration.public):
        raise NotFoundError(f"Чат {chat[:40]} не подключён.")
    titles = {known.chat_id: known.title for known in chats(integration.public) if known.title}
    title = titles.pop(chat, "")
    _store(connection, tenant_id, [known for known in ids(integration.public) if known != chat], titles)
    dropped = outbox.drop_waiting(connection, tenant_id, chat)
    audit.write(
        connection,
        "telegram.unbound",
        tenant_id=tenant_id,
        actor_id=actor_id,
        actor=actor,
        message=title,
        metadata={"chat_id": chat, "unsent": dropped},
        ip_address=ip_address,
    )


def move(connection: db.Connection, tenant_id: UUID, old: str, new: str) -> None:
    """A group became a supergroup: the recipient and all that waits move to the new number, in the caller's transaction."""
    integration = _locked(connection, tenant_id)
    if old in ids(integration.public):
        moved = list(dict.fromkeys(new if chat == old else chat for chat in ids(integration.public)))
        titles = {known.chat_id: known.title for known in chats(integration.public) if known.title}
        if old in titles:
            titles[new] = titles.pop(old)
        _store(connection, tenant_id, moved, titles)
    outbox.redirect(connection, tenant_id, old, new)


def owner_of(connection: db.Connection, chat: str, tenant_id: UUID) -> UUID | None:
    """The company, whatever its status, whose recipient the chat is by the bot of ``tenant_id``."""
    row = connection.execute(
        "select c.tenant_id from synkro.integration_configs c join synkro.integration_configs ours"
        " on ours.tenant_id = %s and ours.kind = 'telegram'"
        " and synkro.telegram_bot(ours.public_config, ours.secret_hints) = synkro.telegram_bot(c.public_config, c.secret_hints)"
        " where c.kind = 'telegram' and %s = any (synkro.telegram_recipients(c.public_config)) limit 1",
        (tenant_id, chat),
    ).fetchone()
    return row["tenant_id"] if row else None


def _locked(connection: db.Connection, tenant_id: UUID) -> integrations.Integration:
    connection.execute(
        "select from synkro.integration_configs where tenant_id = %s and kind = 'telegram' for update", (tenant_id,)
    )
    return integrations.load(connection, tenant_id, "telegram")


def _store(connection: db.Connection, tenant_id: UUID, recipients: list[str], titles: Mapping[str, str]) -> None:
    """The recipients alone: whether the bot works is known as before."""
    connection.execute(
        "update synkro.integration_configs set public_config = (public_config - '{chat_id,chat_titles}'::text[]) || %s,"
        " updated_at = now() where tenant_id = %s and kind = 'telegram'",
        (
            Jsonb(
                {
                    "chat_id": recipients[0] if len(recipients) == 1 else recipients,
                    **({"chat_titles": dict(titles)} if titles else {}),
                }
            ),
            tenant_id,
        ),
    )
