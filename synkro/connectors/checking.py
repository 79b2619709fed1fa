"""What the checks of every vendor share."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from synkro.connectors.accounts import VendorAccount
from synkro.core.errors import AuthenticationError
from synkro.http.ratelimit import PostgresLimiter

#: a person is waiting, seconds
PATIENCE = 25.0


def secret(secrets: Mapping[str, str], field: str, vendor: str) -> str:
    value = secrets.get(field, "").strip()
    if not value:
        raise AuthenticationError(f"{vendor} не подключён: заполните поле «{field}».")
    return value


def resumed(tenant_id: UUID, account: VendorAccount) -> PostgresLimiter:
    """The limiter of an account this company may use again; others of the account, and the pause after a 429, stay."""
    limiter = account.limiter(tenant_id)
    limiter.unblock()
    return limiter
