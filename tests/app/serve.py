"""The web over the tests' two companies, for looking at it: ``python -m tests.app.serve SERVER_URL PORT``.

``SERVER_URL`` is a Postgres one may make databases on. Prints the addresses and passwords, serves until stopped.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

import psycopg

from synkro.core import vault
from synkro.core.settings import settings
from synkro.database import app_login, db, migrations
from tests.app import fixtures
from tests.support.cluster import APP_PASSWORD
from tests.support.moment import offset_seconds


def prepare(server_url: str, url: str | None = None) -> fixtures.World:
    """Make and fill a database, lead the entry points to it."""
    from orchestration.dbt.project import deploy

    if url is None:
        name = f"web_{uuid4().hex[:8]}"
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"create database {name}")
        url = db.with_database(server_url, name)
    os.environ["SYNKRO_DATABASE_URL"] = url
    os.environ.setdefault("SYNKRO_DATA_DIR", tempfile.mkdtemp(prefix="synkro-web-"))
    os.environ.setdefault("SYNKRO_SECRET_KEYS", vault.generate_key())
    os.environ.setdefault("SYNKRO_WEB_SECRET", uuid4().hex + uuid4().hex)
    os.environ.setdefault("SYNKRO_ALLOW_LOCAL_VENDORS", "1")
    # its operator signs in without the second step
    os.environ.setdefault("SYNKRO_ENV", "demo")
    os.environ.setdefault("SYNKRO_CLOCK_OFFSET_SECONDS", offset_seconds())
    settings.cache_clear()
    migrations.migrate(url)
    os.environ["SYNKRO_APP_DATABASE_URL"] = db.with_login(url, db.APP_ROLE, APP_PASSWORD)
    settings.cache_clear()
    app_login.settle(url)
    deploy(url, Path(os.environ["SYNKRO_DATA_DIR"]))
    return fixtures.fill(url)


def main() -> None:
    from app.main import run
    from synkro.core import log

    log.setup("INFO")
    made = prepare(sys.argv[1])
    for name in made.people:
        print(f"{name}@example.com  {fixtures.PASSWORD}", flush=True)
    run("127.0.0.1", int(sys.argv[2]))


if __name__ == "__main__":
    main()
