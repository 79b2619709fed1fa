"""A company for the core's tests."""

from __future__ import annotations

from uuid import UUID

import pytest

from synkro.database import db
from synkro.tenancy import runtime_config, tenants


@pytest.fixture
def tenant(database: str) -> UUID:
    """A tenant with version 1 of its settings, in a database of its own."""
    with db.as_service("test") as connection:
        made = tenants.add(connection, "Альфа", "alpha", "Asia/Almaty")
        runtime_config.start(connection, made.tenant_id, "Asia/Almaty")
    return made.tenant_id
