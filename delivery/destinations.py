"""Where a tenant's messages go, and what is known about those chats.

Reads and writes the public part and the status of the tenant's ``telegram`` integration: the list of chats, the
new number of a group that became a supergroup, and the cause a person sees in the settings when Telegram refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from synkro import db, hosts, integrations, outbox
from synkro.errors import ConfigurationError
from synkro.integrations import Integration
from synkro.log import redact
from synkro.settings import settings


def chat_ids(public: Mapping[str, Any]) -> list[str]:
    """The configured chats, each once: ``chat_id`` is one number, a list, or a text with commas."""
    raw = public.get("chat_id")
    parts = raw if isinstance(raw, list) else str(raw if raw is not None else "").split(",")
    return list(dict.fromkeys(text for part in parts if (text := str(part).strip())))


def is_connected(integration: Integration | None) -> bool:
    """Whether there is a bot and somebody to write to."""
    return integration is not None and "bot_token" in integration.hints and bool(chat_ids(integration.public))


def bot_of(tenant_id: UUID, public: Mapping[str, Any]) -> tuple[str, str]:
    """``(token, base URL)``; raises :class:`ConfigurationError` that says what to fill in."""
    token = integrations.secrets(tenant_id, "telegram").get("bot_token", "").strip()
    if not token:
        raise ConfigurationError("Telegram не подключён: сохраните токен бота в настройках.")
    return token, hosts.telegram_base_url(public, settings().allow_local_vendors)


def migrate(connection: db.Connection, tenant_id: UUID, old: str, new: str) -> None:
    """A group became a supergroup: the setting and all that waits move to the new number, in the caller's transaction."""
    connection.execute(
        "select from synkro.integration_configs where tenant_id = %s and kind = 'telegram' for update", (tenant_id,)
    )
    integration = integrations.find(connection, tenant_id, "telegram")
    if integration is not None and old in chat_ids(integration.public):
        moved = list(dict.fromkeys(new if chat == old else chat for chat in chat_ids(integration.public)))
        public = {
            **integration.public,
            "chat_id": moved if isinstance(integration.public["chat_id"], list) else ",".join(moved),
        }
        integrations.save_public(connection, tenant_id, "telegram", public)
        integrations.set_status(connection, tenant_id, "telegram", integration.status, error=integration.last_error)
    outbox.redirect(connection, tenant_id, old, new)


def report_failure(connection: db.Connection, tenant_id: UUID, message: str, chat: str | None = None) -> None:
    """Show the cause in the settings. ``chat``: the failure is of this chat alone."""
    text = f"{_prefix(chat)}{message}" if chat else message
    integrations.set_status(connection, tenant_id, "telegram", "error", error=redact(text))


def report_success(connection: db.Connection, tenant_id: UUID, chat: str) -> None:
    """A message reached the chat: the bot works. The failure of another chat stays on show."""
    integration = integrations.find(connection, tenant_id, "telegram")
    if integration is None or integration.status == "ok":
        return
    error = integration.last_error or ""
    if error.startswith("Чат ") and not error.startswith(_prefix(chat)):
        return
    integrations.set_status(connection, tenant_id, "telegram", "ok")


def _prefix(chat: str) -> str:
    return f"Чат {chat}: "


def owner_of_chat(connection: db.Connection, chat: str, preferred: UUID) -> UUID | None:
    """The active tenant the chat is configured for: ``preferred`` if it is one of several."""
    owners = [row["tenant_id"] for row in _active(connection) if chat in chat_ids(row["public_config"])]
    return preferred if preferred in owners else owners[0] if owners else None


def tenants_with_bot(connection: db.Connection) -> list[UUID]:
    """Active tenants with a token and a chat, the oldest first."""
    return [row["tenant_id"] for row in _active(connection) if row["has_token"] and chat_ids(row["public_config"])]


def _active(connection: db.Connection) -> list[db.Row]:
    return connection.execute(
        "select c.tenant_id, c.public_config, c.secret_hints ? 'bot_token' as has_token"
        " from synkro.integration_configs c join synkro.tenants t on t.tenant_id = c.tenant_id"
        " where c.kind = 'telegram' and t.status = 'active' order by t.created_at, t.tenant_id"
    ).fetchall()
