"""The page of a deal at the CRM: its address, from the declaration and the public fields of the company's own connection.

An account under another address (a sandbox) has no such page, and nothing but https is ever linked to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from synkro.connectors import integrations, registry
from synkro.connectors.connector import Capability
from synkro.core.errors import ConfigurationError
from synkro.database import db
from synkro.http.allowlist import connector_base_url

_NUMBER = re.compile(r"[0-9]{1,19}")


def prefix(connection: db.Connection, tenant_id: UUID) -> str:
    """What a deal's number is added to; empty where the company's deals have no page."""
    for name in registry.able(Capability.DEALS):
        found = integrations.find(connection, tenant_id, name)
        if found is not None and (address := of_account(name, found.public)):
            return address
    return ""


def of_account(name: str, public: Mapping[str, Any]) -> str:
    """The prefix of one account of the connector ``name``."""
    path = registry.get(name).deal_path
    if not path:
        return ""
    try:
        return connector_base_url(name, public, allow_local=False) + path
    except ConfigurationError:
        return ""


def address(pages: str, deal_id: object) -> str | None:
    """The deal's page, or None: a prefix that is not https, or a number that is none, makes no link."""
    number = str(deal_id or "")
    try:
        parts = urlsplit(pages)
    except ValueError:
        return None
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or not _NUMBER.fullmatch(number):
        return None
    return f"{pages}{number}"
