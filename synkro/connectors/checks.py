"""«Проверить»: one harmless request to a vendor, and what it says about itself.

Each check takes the integration's public part and its secrets in clear and returns what to bind the
integration to; it raises an error of ``synkro.core.errors`` with a sentence for the person who pressed the button.
A check is also how a person lets an account go on that the vendor had stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from synkro.connectors import accounts, integrations, project_database
from synkro.connectors.accounts import VendorAccount
from synkro.connectors.amocrm_oauth import AmocrmAuth
from synkro.core.errors import AuthenticationError, ConfigurationError, DataError, SynkroError
from synkro.core.settings import settings
from synkro.database import db
from synkro.http import allowlist
from synkro.http.factory import ApiKeyAuth, BearerAuth, BotTokenAuth, client

Check = Callable[[UUID, Mapping[str, Any], Mapping[str, str], bool], dict[str, Any]]

#: a person is waiting, seconds
_PATIENCE = 25.0
#: what is taken over of a Radist source; its connection parameters hold tokens
_SOURCE_FIELDS = ("connection_id", "type", "name", "phone")
_SUGGESTED_MODELS = 5


def _secret(secrets: Mapping[str, str], field: str, vendor: str) -> str:
    value = secrets.get(field, "").strip()
    if not value:
        raise AuthenticationError(f"{vendor} не подключён: заполните поле «{field}».")
    return value


def _pick_up(tenant_id: UUID, account: VendorAccount) -> Any:
    """The company goes on; others of the same account, and the pause after a 429, stay as they are."""
    limiter = account.limiter(tenant_id)
    limiter.unblock()
    return limiter


def check_amocrm(
    tenant_id: UUID, public: Mapping[str, Any], secrets: Mapping[str, str], allow_local: bool
) -> dict[str, Any]:
    """``GET account``: ``{"account_id", "name", "subdomain", "is_api_filter_enabled"}``."""
    account = accounts.amocrm(public, allow_local)
    auth = AmocrmAuth(tenant_id, public, secrets, by_person=True)
    limiter = _pick_up(tenant_id, account)
    with client(
        "amocrm",
        account.base_url,
        auth=auth,
        account_key=account.key,
        limiter=limiter,
        allow_local=allow_local,
    ) as http:
        auth.bind(http)
        answer = http.get("/api/v4/account", {"with": "is_api_filter_enabled"}, patience=_PATIENCE) or {}
    if not isinstance(answer.get("id"), int):
        raise DataError("amoCRM ответил, но не назвал номер аккаунта. Проверьте поддомен в настройках.")
    return {
        "account_id": answer["id"],
        "name": str(answer.get("name") or ""),
        "subdomain": str(answer.get("subdomain") or ""),
        "is_api_filter_enabled": bool(answer.get("is_api_filter_enabled")),
    }


def check_radist(
    tenant_id: UUID, public: Mapping[str, Any], secrets: Mapping[str, str], allow_local: bool
) -> dict[str, Any]:
    """``GET chats/sources``: ``{"company_id", "sources": [{"connection_id", "type", …}]}``."""
    account = accounts.radist(public, allow_local)
    company = accounts.radist_company(public)
    auth = ApiKeyAuth(_secret(secrets, "api_key", "Radist"))
    with client(
        "radist",
        account.base_url,
        auth=auth,
        account_key=account.key,
        limiter=_pick_up(tenant_id, account),
        allow_local=allow_local,
    ) as http:
        answer = http.get(f"/companies/{company}/messaging/chats/sources/", expect=list, patience=_PATIENCE)
    return {
        "company_id": int(company),
        "sources": [
            {name: source[name] for name in _SOURCE_FIELDS if source.get(name) is not None}
            for source in answer or []
            if isinstance(source, dict)
        ],
    }


def check_telegram(
    tenant_id: UUID, public: Mapping[str, Any], secrets: Mapping[str, str], allow_local: bool
) -> dict[str, Any]:
    """``getMe``: ``{"bot_id", "username", "name", "can_read_all_group_messages"}``."""
    auth = BotTokenAuth(_secret(secrets, "bot_token", "Telegram"))
    base_url = allowlist.telegram_base_url(public, allow_local)
    with client("telegram", base_url, auth=auth, account_key="telegram:check", allow_local=allow_local) as http:
        answer = http.get("/getMe", patience=_PATIENCE) or {}
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
    auth = BearerAuth(_secret(secrets, "api_key", "AI-провайдер"))
    base_url = allowlist.ai_base_url(public, allow_local)
    with client("ai", base_url, auth=auth, account_key="ai:check", allow_local=allow_local) as http:
        answer = http.get("/models", patience=_PATIENCE) or {}
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
    return dict(project_database.look(project_database.address(_secret(secrets, "db_url", "Supabase"), project)))


#: the check of each kind
CHECKS: dict[integrations.Kind, Check] = {
    "amocrm": check_amocrm,
    "radist": check_radist,
    "telegram": check_telegram,
    "ai": check_ai,
    "supabase": check_supabase,
}


def _same_account(bound: Mapping[str, Any], learned: Mapping[str, Any]) -> None:
    """A token of another company must not be taken for this one's: two companies' rows would mix."""
    for field in ("account_id", "company_id"):
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
