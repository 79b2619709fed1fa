"""«Проверить»: one harmless request to a vendor, and what it says about itself.

Each check takes the integration's public part and its secrets in clear and returns what to bind the
integration to; it raises an error of ``synkro.core.errors`` with a sentence for the person who pressed the button.
A check is also how a person lets an account go on that the vendor had stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from synkro.connectors import checking, integrations, project_database
from synkro.connectors.amocrm import check as amocrm
from synkro.connectors.radist import check as radist
from synkro.connectors.registry import CONNECTORS
from synkro.connectors.whatsapp import check as whatsapp
from synkro.core.errors import ConfigurationError, DataError, SynkroError
from synkro.core.settings import settings
from synkro.database import db
from synkro.http import allowlist
from synkro.http.factory import BearerAuth, BotTokenAuth, client

Check = Callable[[UUID, Mapping[str, Any], Mapping[str, str], bool], dict[str, Any]]

_SUGGESTED_MODELS = 5


def check_telegram(
    tenant_id: UUID, public: Mapping[str, Any], secrets: Mapping[str, str], allow_local: bool
) -> dict[str, Any]:
    """``getMe``: ``{"bot_id", "username", "name", "can_read_all_group_messages"}``."""
    auth = BotTokenAuth(checking.secret(secrets, "bot_token", "Telegram"))
    base_url = allowlist.telegram_base_url(public, allow_local)
    with client("telegram", base_url, auth=auth, account_key="telegram:check", allow_local=allow_local) as http:
        answer = http.get("/getMe", patience=checking.PATIENCE) or {}
    bot = answer.get("result")
    if not isinstance(bot, dict) or not isinstance(bot.get("id"), int):
        raise DataError("Telegram ответил, но не назвал бота. Проверьте токен бота в настройках.")
    return {
        "bot_id": bot["id"],
        "username": str(bot.get("username") or ""),
        "name": str(bot.get("first_name") or ""),
        "can_read_all_group_messages": bool(bot.get("can_read_all_group_messages")),
    }


def check_ai(
    tenant_id: UUID, public: Mapping[str, Any], secrets: Mapping[str, str], allow_local: bool
) -> dict[str, Any]:
    """``GET models``: ``{"model", "models": how many}``; refuses a model the provider does not list."""
    auth = BearerAuth(checking.secret(secrets, "api_key", "AI-провайдер"))
    base_url = allowlist.ai_base_url(public, allow_local)
    with client("ai", base_url, auth=auth, account_key="ai:check", allow_local=allow_local) as http:
        answer = http.get("/models", patience=checking.PATIENCE) or {}
    listed = answer.get("data")
    names = [str(item["id"]) for item in listed or [] if isinstance(item, dict) and item.get("id")]
    model = str(public.get("model") or "")
    if not model:
        raise ConfigurationError("Поле «model»: укажите модель AI-провайдера.")
    # Gemini lists models/gemini-… and is called without the prefix
    if names and model not in names and f"models/{model}" not in names:
        raise ConfigurationError(
            f"Поле «model»: провайдер не знает модель {model}. "
            f"Например, у него есть: {', '.join(names[:_SUGGESTED_MODELS])}."
        )
    return {"model": model, "models": len(names)}


def check_supabase(
    tenant_id: UUID, public: Mapping[str, Any], secrets: Mapping[str, str], allow_local: bool
) -> dict[str, Any]:
    """A connection to the tenant's own database: ``{"database", "server_version"}``."""
    project = allowlist.supabase_url(public, allow_local)
    return dict(
        project_database.look(project_database.address(checking.secret(secrets, "db_url", "Supabase"), project))
    )


#: the check of each kind
CHECKS: dict[integrations.Kind, Check] = {
    "amocrm": amocrm.check,
    "radist": radist.check,
    "whatsapp": whatsapp.check,
    "telegram": check_telegram,
    "ai": check_ai,
    "supabase": check_supabase,
}


def _same_account(bound: Mapping[str, Any], learned: Mapping[str, Any]) -> None:
    """A token of another company must not be taken for this one's: two companies' rows would mix."""
    for field in {one.bound_to for one in CONNECTORS.values()}:
        if bound.get(field) is not None and str(bound[field]) != str(learned.get(field)):
            raise ConfigurationError(
                f"Ответил другой аккаунт ({learned.get(field)}), а данные собраны из {bound[field]}. Верните прежний "
                "доступ или заведите для нового аккаунта отдельную компанию."
            )


def run(tenant_id: UUID, kind: integrations.Kind) -> dict[str, Any]:
    """Check an integration and write what came of it; raises the check's error after writing it down."""
    with db.as_service("check") as connection:
        found = integrations.load(connection, tenant_id, kind)
    try:
        learned = CHECKS[kind](
            tenant_id, found.public, integrations.secrets(tenant_id, kind), settings().allow_local_vendors
        )
        _same_account(found.bound, learned)
    except SynkroError as error:
        with db.as_service("check") as connection:
            integrations.set_status(connection, tenant_id, kind, "error", error=error.message)
        raise
    with db.as_service("check") as connection:
        integrations.set_status(connection, tenant_id, kind, "ok", bound=learned)
    return learned
