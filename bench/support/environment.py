"""What every measurement stands on: an embedded server of its own with the migrations, and the environment that leads
there. Both are gone afterwards, so that the next measurement of the same process begins on its own ground.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock
from uuid import uuid4

from synkro.core import vault
from synkro.core.settings import settings
from synkro.database import app_login, db, migrations
from synkro.database.embedded.postgres import EmbeddedPostgres


@contextmanager
def installation(parent: Path | None = None, *, with_marts: bool = False) -> Iterator[str]:
    """The owner's address of a fresh database; its folder is ``settings().data_dir``, made in ``parent``."""
    with (
        tempfile.TemporaryDirectory(prefix="synkro-bench-", dir=parent, ignore_cleanup_errors=True) as folder,
        mock.patch.dict(
            os.environ,
            {
                "SYNKRO_DATA_DIR": folder,
                "SYNKRO_SECRET_KEYS": vault.generate_key(),
                "SYNKRO_ALLOW_LOCAL_VENDORS": "1",
            },
        ),
    ):
        settings.cache_clear()
        server = EmbeddedPostgres(Path(folder))
        try:
            url = db.owner_url()
            migrations.migrate(url)
            if with_marts:
                from orchestration.dbt.project import deploy

                deploy(url, settings().data_dir, lambda text: None)
            # as an installation has it; child processes find them too
            os.environ |= {
                "SYNKRO_DATABASE_URL": url,
                "SYNKRO_APP_DATABASE_URL": db.with_login(url, db.APP_ROLE, uuid4().hex),
            }
            settings.cache_clear()
            app_login.settle(url)
            yield url
        finally:
            db.close()
            server.destroy()
    settings.cache_clear()
