"""«Проверить»: which channels the company has connected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from synkro.connectors import accounts, checking
from synkro.connectors.radist.declaration import RADIST
from synkro.http.factory import ApiKeyAuth, client

#: what is taken over of a source; its connection parameters hold tokens
_SOURCE_FIELDS = ("connection_id", "type", "name", "phone")


def check(tenant_id: UUID, public: Mapping[str, Any], secrets: Mapping[str, str], allow_local: bool) -> dict[str, Any]:
    """``GET chats/sources``: ``{"company_id", "sources": [{"connection_id", "type", …}]}``."""
    account = accounts.account(RADIST.name, public, allow_local)
    company = accounts.number(RADIST.name, public)
    auth = ApiKeyAuth(checking.secret(secrets, "api_key", RADIST.label))
    with client(
        RADIST.name,
        account.base_url,
        auth=auth,
        account_key=account.key,
        limiter=checking.resumed(tenant_id, account),
        allow_local=allow_local,
    ) as http:
        answer = http.get(f"/companies/{company}/messaging/chats/sources/", expect=list, patience=checking.PATIENCE)
    return {
        "company_id": int(company),
        "sources": [
            {name: source[name] for name in _SOURCE_FIELDS if source.get(name) is not None}
            for source in answer or []
            if isinstance(source, dict)
        ],
    }
