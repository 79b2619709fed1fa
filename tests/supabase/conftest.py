"""An installation on a hosted project: its stand-in (``sandbox/vendors/supabase``), our migrations, and the app before it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from sandbox.vendors.supabase.project import HostedProject
from synkro.accounts import supabase, tokens
from synkro.core.settings import settings
from synkro.database import db, migrations
from tests.app.conftest import Site, running
from tests.conftest import entry_points_to, system_binaries
from tests.support.cluster import APP_PASSWORD

#: as the runbook asks for: the address of the installation may be returned to, and people's addresses are forwarded; the limits stand in
#: the way of the tests that are not about them
SWITCHES = {
    "redirect_urls": ["http://test/**"],
    "forwarded_for": True,
    "email_seconds": 0,
    "emails_per_hour": 10_000,
    "limit_burst": 10_000,
}


def bin_dir(config: pytest.Config) -> Path | None:
    """The server's programs: the bundled ones, or the system's."""
    return system_binaries() if config.getoption("--postgres") == "system" else None


@pytest.fixture(scope="module")
def project(pytestconfig: pytest.Config) -> Iterator[HostedProject]:
    """A project with our migrations, and the entry points open to it: the app's login is ``synkro_app``, as in production."""
    with HostedProject(bin_dir=bin_dir(pytestconfig), switches=SWITCHES) as made:
        migrations.migrate(made.direct_url)
        with psycopg.connect(made.direct_url, autocommit=True) as owner:
            db.set_app_password(owner, APP_PASSWORD)
        more = {
            **made.environment(),
            "SYNKRO_PUBLIC_URL": "http://test",
            "SYNKRO_WEB_SECRET": uuid4().hex + uuid4().hex,
        }
        with entry_points_to(made.direct_url, **more):
            # the app goes through the pooler's transaction mode, as the runbook has it
            os.environ["SYNKRO_APP_DATABASE_URL"] = made.pooled_url("transaction", db.APP_ROLE, APP_PASSWORD)
            settings.cache_clear()
            tokens.forget_keys()
            yield made
            supabase.close()


@pytest.fixture
async def site(project: HostedProject) -> AsyncIterator[Site]:
    async with running() as made:
        yield made
