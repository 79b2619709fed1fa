"""The pages, one file each. Importing a module registers its pages in ``app.layout``; nothing is drawn."""

from __future__ import annotations

from importlib import import_module

NAMES = (
    "overview", "reports", "report", "rows", "dialog", "cases", "dashboards", "freshness", "settings", "tenants", "accounts", "profile", "audit",
)  # fmt: skip


def register_all() -> None:
    for name in NAMES:
        import_module(f"app.pages.{name}")
