"""Where a tenant's messages go, and what is known about those chats.

Reads the public part of the tenant's ``telegram`` integration and writes its status: the cause a person sees in the settings
when Telegram refuses. The list of chats is changed by :mod:`synkro.reporting.delivery.telegram_chats`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from synkro.connectors import integrations
from synkro.connectors.integrations import Integration
from synkro.core.errors import ConfigurationError
from synkro.core.log import redact
from synkro.core.settings import settings
from synkro.database import db
from synkro.http import allowlist
from synkro.reporting.delivery.telegram_chats import ids as chat_ids


def is_connected(integration: Integration | None) -> bool:
    """Whether there is a bot and somebody to write to."""
    return has_bot(integration) and integration is not None and bool(chat_ids(integration.public))


def has_bot(integration: Integration | None) -> bool:
    """Whether there is a bot to listen to: a first chat is bound by what is written to it."""
    return integration is not None and "bot_token" in integration.hints


def bot_of(tenant_id: UUID, public: Mapping[str, Any]) -> tuple[str, str]:
    """``(token, base URL)``; raises :class:`ConfigurationError` that says what to fill in."""
    token = integrations.secrets(tenant_id, "telegram").get("bot_token", "").strip()
    if not token:
        raise ConfigurationError("Telegram не подключён: сохраните токен бота в настройках.")
    return token, allowlist.telegram_base_url(public, settings().allow_local_vendors)


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


def owners_of_chat(connection: db.Connection, chat: str) -> list[UUID]:
    """The active tenants the chat is a recipient of, the oldest first: several by several bots."""
    return [row["tenant_id"] for row in _active(connection) if chat in chat_ids(row["public_config"])]


def tenants_with_bot(connection: db.Connection) -> list[UUID]:
    """Active tenants with a token, the oldest first."""
    return [row["tenant_id"] for row in _active(connection) if row["has_token"]]


def _active(connection: db.Connection) -> list[db.Row]:
    return connection.execute(
        "select c.tenant_id, c.public_config, c.secret_hints ? 'bot_token' as has_token"
        " from synkro.integration_configs c join synkro.tenants t on t.tenant_id = c.tenant_id"
        " where c.kind = 'telegram' and t.status = 'active' order by t.created_at, t.tenant_id"
    ).fetchall()
