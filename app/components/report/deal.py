"""A deal wherever it is named: its name leads to its page at the CRM."""

from __future__ import annotations

from collections.abc import Callable

from app import formatting
from app.components.base.html import outside, span
from synkro.connectors import deal_pages


def deal_name(pages: str, deal_id: object, name: str | None, classes: str = "wrap lines2") -> None:
    """``pages``: :func:`deal_pages.prefix` of the company; a plain text where the deal has no page."""
    shown = formatting.masked(name) or (f"№ {deal_id}" if deal_id else "")
    if not shown:
        return
    href = deal_pages.address(pages, deal_id)
    if href:
        outside(shown, href, classes, mark="deal")
    else:
        span(classes, shown)


def deal_cell(pages: str, deal_id: object, name: str | None) -> Callable[[], None]:
    return lambda: deal_name(pages, deal_id, name)
