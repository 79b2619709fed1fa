"""Addresses inside messages: pages of our own site, and whether Telegram would take them.

A message is written before its report has an id (both are stored in one transaction), so its links hold
:data:`REPORT_ID` and :data:`TENANT`, and the sender puts the id and the tenant's slug in.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import quote, urlsplit

#: stand for the report's id and the tenant's slug in a message until it is sent
REPORT_ID = "__report_id__"
TENANT = "__tenant__"


def report_page(base_url: str, slug: str = TENANT, report_id: object = REPORT_ID) -> str:
    return f"{base_url.rstrip('/')}/t/{slug}/reports/{report_id}"


def waits_page(report_url: str) -> str:
    """Who is waiting for an answer now: a part of the report's page."""
    return f"{report_url}#waiting"


def dialog_page(report_url: str, dialog_id: str) -> str:
    """The transcript; pages of one tenant share everything before ``/reports/``."""
    return f"{report_url.partition('/reports/')[0]}/dialogs/{quote(dialog_id, safe='')}"


def is_public(url: str) -> bool:
    """Whether Telegram takes the address in a button: it refuses local names and private networks."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host:
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".localhost", ".internal", ".lan"))
