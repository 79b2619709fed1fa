"""«Проверить»: which account the token belongs to, and whether its lists can be filtered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from synkro.connectors import accounts, checking
from synkro.connectors.amocrm.declaration import AMOCRM
from synkro.connectors.amocrm_oauth import AmocrmAuth
from synkro.core.errors import DataError
from synkro.http.factory import client


def check(tenant_id: UUID, public: Mapping[str, Any], secrets: Mapping[str, str], allow_local: bool) -> dict[str, Any]:
    """``GET account``: ``{"account_id", "name", "subdomain", "is_api_filter_enabled"}``."""
    account = accounts.account(AMOCRM.name, public, allow_local)
    auth = AmocrmAuth(tenant_id, public, secrets, by_person=True)
    limiter = checking.resumed(tenant_id, account)
    with client(
        AMOCRM.name,
        account.base_url,
        auth=auth,
        account_key=account.key,
        limiter=limiter,
        allow_local=allow_local,
    ) as http:
        auth.bind(http)
        answer = http.get("/api/v4/account", {"with": "is_api_filter_enabled"}, patience=checking.PATIENCE) or {}
    if not isinstance(answer.get("id"), int):
        raise DataError("amoCRM ответил, но не назвал номер аккаунта. Проверьте поддомен в настройках.")
    return {
        "account_id": answer["id"],
        "name": str(answer.get("name") or ""),
        "subdomain": str(answer.get("subdomain") or ""),
        "is_api_filter_enabled": bool(answer.get("is_api_filter_enabled")),
    }
