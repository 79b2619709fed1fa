"""«Проверить»: whether anything was uploaded, and up to which moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from synkro.connectors.whatsapp import uploads
from synkro.core.errors import ConfigurationError
from synkro.database import db

NOTHING = "Выгрузки WhatsApp: чаты ещё не загружены. Загрузите файлы в настройках интеграций."


def check(tenant_id: UUID, public: Mapping[str, Any], secrets: Mapping[str, str], allow_local: bool) -> dict[str, Any]:
    """``{"chats", "messages", "until"}``; nothing is asked of anybody outside."""
    with db.as_service("check whatsapp") as connection:
        until = uploads.complete_until(connection, tenant_id)
        if until is None:
            raise ConfigurationError(NOTHING)
        return {**uploads.totals(connection, tenant_id), "until": until.isoformat()}
