"""Opens the tenant's amoCRM: its address, its token, its pace, and the account behind them.

The account is compared with the one the last good check was bound to: a token of another company would mix
two companies' deals, so it is refused before anything is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ingestion.extract.context import Session
from synkro.connectors import accounts, integrations
from synkro.connectors.amocrm_oauth import AmocrmAuth
from synkro.core.errors import ConfigurationError, DataError
from synkro.database import db
from synkro.http.factory import VendorClient, client


@contextmanager
def opened(session: Session) -> Iterator[tuple[VendorClient, dict[str, Any]]]:
    """The client and the answer of ``GET account``."""
    ctx = session.ctx
    with db.as_service("ingestion amocrm") as connection:
        integration = integrations.load(connection, ctx.tenant_id, "amocrm")
    account = accounts.account("amocrm", integration.public, ctx.allow_local)
    auth = AmocrmAuth(ctx.tenant_id, integration.public, integrations.secrets(ctx.tenant_id, "amocrm"))
    with client(
        "amocrm",
        account.base_url,
        auth=auth,
        account_key=account.key,
        limiter=account.limiter(ctx.tenant_id),
        before_request=session.checkpoint,
        on_request=session.on_request,
        allow_local=ctx.allow_local,
    ) as http:
        auth.bind(http)
        answer = http.get("/api/v4/account", {"with": "amojo_id,is_api_filter_enabled,datetime_settings"}) or {}
        session.set_clock(http.vendor_clocks)
        _check_account(answer, integration.bound)
        yield http, answer


def _check_account(answer: dict[str, Any], bound: dict[str, Any]) -> None:
    if not isinstance(answer.get("id"), int):
        raise DataError("amoCRM ответил, но не назвал номер аккаунта. Проверьте подключение в настройках.")
    expected = bound.get("account_id")
    if expected is not None and str(expected) != str(answer["id"]):
        raise ConfigurationError(
            f"amoCRM: подключён аккаунт {answer['id']}, а данные этой компании собраны из аккаунта "
            f"{expected}. Ничего не прочитано. Верните прежний доступ или заведите для нового аккаунта "
            "отдельную компанию."
        )
