"""Where the rows of connectors stand in raw, for queries that read what dbt has not built yet."""

from __future__ import annotations

from synkro.connectors import registry
from synkro.connectors.connector import Capability


def rows(capability: Capability, table: str, columns: str) -> str:
    """A query of these columns of every connector that brings this; the tables of one capability have one shape."""
    return " union all ".join(f"select {columns} from raw_{name}.{table}" for name in registry.able(capability))


def chats(columns: str) -> str:
    return rows(Capability.DIALOGS, "chats", columns)


def messages(columns: str) -> str:
    return rows(Capability.DIALOGS, "messages", columns)


def leads(columns: str) -> str:
    return rows(Capability.DEALS, "leads", columns)
