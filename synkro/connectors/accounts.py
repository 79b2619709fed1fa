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

from synkro.core.errors import ConfigurationError
from synkro.database import db
from synkro.http import allowlist, ratelimit

_COMPANY = re.compile(r"[1-9][0-9]{0,17}")
#: a pace beyond this is a typing mistake; sandboxes answer a few hundred requests a second
_FASTEST = 1000.0


@dataclass(frozen=True)
class VendorAccount:
    """Where requests go and how many a second the vendor bears."""

    base_url: str
    #: names the account, not the tenant: two tenants with one amoCRM share its limit
    key: str
    per_second: float

    def limiter(self, tenant_id: UUID, *, per_second: float | None = None, part: str = "") -> ratelimit.PostgresLimiter:
        """The pace shared by every process and every company of this account; the stop of ``tenant_id`` alone.

        ``part``: a narrower limit of some paths.
        """
        return ratelimit.PostgresLimiter(
            lambda: db.as_service("limiter"), self.key + part, per_second or self.per_second, tenant_id
        )


def amocrm(public: Mapping[str, Any], allow_local: bool) -> VendorAccount:
    """Raises :class:`ConfigurationError` for a wrong field."""
    base_url = allowlist.amocrm_base_url(public, allow_local)
    return VendorAccount(base_url, f"amocrm:{urlsplit(base_url).netloc}", _pace(public, ratelimit.AMOCRM_PER_SECOND))


def radist(public: Mapping[str, Any], allow_local: bool) -> VendorAccount:
    """Raises :class:`ConfigurationError` for a wrong field."""
    base_url = allowlist.radist_base_url(public, allow_local)
    key = f"radist:{radist_company(public)}@{urlsplit(base_url).netloc}"
    return VendorAccount(base_url, key, _pace(public, ratelimit.RADIST_PER_SECOND))


def radist_company(public: Mapping[str, Any]) -> str:
    """``company_id`` as it stands in every path."""
    text = str(public.get("company_id") or "")
    if not _COMPANY.fullmatch(text):
        raise ConfigurationError("Поле «company_id»: укажите номер компании из кабинета Radist, только цифры.")
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
