"""The vendor account an integration points at: its address, the key of its shared limit, its pace.

Used by the checks of the settings page and by the readers, so that both count against one limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from synkro.connectors import registry
from synkro.core.errors import ConfigurationError
from synkro.database import db
from synkro.http import allowlist, ratelimit

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
#: a pace beyond this is a typing mistake; sandboxes answer a few hundred requests a second
_FASTEST = 1000.0


@dataclass(frozen=True)
class VendorAccount:
    """Where requests go and how many a second the vendor bears."""

    base_url: str
    #: names the account, not the tenant: two tenants with one account share its limit
    key: str
    per_second: float

    def limiter(self, tenant_id: UUID, *, per_second: float | None = None, part: str = "") -> ratelimit.PostgresLimiter:
        """The pace shared by every process and every company of this account; the stop of ``tenant_id`` alone.

        ``part``: a narrower limit of some paths.
        """
        return ratelimit.PostgresLimiter(
            lambda: db.as_service("limiter"), self.key + part, per_second or self.per_second, tenant_id
        )


def account(name: str, public: Mapping[str, Any], allow_local: bool) -> VendorAccount:
    """The account of a connector. Raises :class:`ConfigurationError` for a wrong field."""
    api = registry.api_of(name)
    base_url = allowlist.connector_base_url(name, public, allow_local)
    place = urlsplit(base_url).netloc
    if api.account_field:
        place = f"{number(name, public)}@{place}"
    return VendorAccount(base_url, f"{name}:{place}", _pace(public, ratelimit.pace(api.requests_per_second)))


def number(name: str, public: Mapping[str, Any]) -> str:
    """The account's number as it stands in every path, for a vendor whose host does not name the account."""
    field = registry.api_of(name).account_field
    text = str(public.get(field) or "")
    if not _NUMBER.fullmatch(text):
        raise ConfigurationError(
            f"Поле «{field}»: укажите номер компании из кабинета {registry.label(name)}, только цифры."
        )
    return text


def _pace(public: Mapping[str, Any], usual: float) -> float:
    value = public.get("requests_per_second")
    if value is None or value == "":
        return usual
    try:
        pace = float(value)
    except (TypeError, ValueError):
        pace = 0.0
    if not 0.1 <= pace <= _FASTEST:
        raise ConfigurationError("Поле «requests_per_second»: укажите число от 0,1 до 1000.")
    return pace
