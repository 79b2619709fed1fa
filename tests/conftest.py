"""One Postgres for the whole test session, a database of its own for every test that wants one.

``--postgres embedded`` (the default) takes the wheel's server, ``--postgres system`` the newest Debian one. The
cluster is a copy of a prepared one (``tests/support/cluster.py``), lives in a temporary folder and is deleted at the end.
``database`` is made from a template that already holds the migrations and the built (empty) marts.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import hypothesis
import psycopg
import pytest

from synkro.core import vault
from synkro.core.settings import settings
from synkro.database import db
from synkro.database.embedded.postgres import EmbeddedPostgres
from tests.support import cluster, memory, running
from tests.support.cluster import APP_PASSWORD
from tests.support.moment import offset_seconds

memory.use()
# how long an example takes says nothing here: the machine is shared by all workers
hypothesis.settings.register_profile("suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("suite")

_server: list[EmbeddedPostgres] = []


def system_binaries() -> Path | None:
    """The newest system Postgres from 15 up."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if re.fullmatch(r"\d+", path.parent.name)]
    fit = [path for path in found if int(path.parent.name) >= 15 and (path / "initdb").exists()]
    return max(fit, key=lambda path: int(path.parent.name), default=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", choices=["embedded", "system"], default="embedded")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    wanted = {"database", "empty_database", "server_url", "marts_db"}
    for item in items:
        if wanted & set(getattr(item, "fixturenames", ())):
            item.add_marker("postgres")
    items.sort(key=lambda item: running.rank(item.path))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Settings of a developer's shell must not leak into the tests."""
    for name in [name for name in os.environ if name.startswith("SYNKRO_") and not name.startswith("SYNKRO_TEST_")]:
        del os.environ[name]
    os.environ["SYNKRO_SECRET_KEYS"] = vault.generate_key()
    os.environ["SYNKRO_WEB_SECRET"] = uuid4().hex
    os.environ["SYNKRO_ALLOW_LOCAL_VENDORS"] = "1"
    # the name by which the tests of the web address it
    os.environ["SYNKRO_ALLOWED_HOSTS"] = "test"
    # a test plays several processes at once in this one
    os.environ["SYNKRO_DATABASE_POOL"] = "20"
    os.environ["SYNKRO_CLOCK_OFFSET_SECONDS"] = offset_seconds()
    os.environ["SYNKRO_DATA_DIR"] = tempfile.mkdtemp(prefix="synkro-tests-")
    # the account of the database has to enter it
    Path(os.environ["SYNKRO_DATA_DIR"]).chmod(0o755)
    settings.cache_clear()


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector looks at it no more, and a fixture that collects does not walk through it."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    db.close()
    for server in _server:
        server.destroy()
    shutil.rmtree(os.environ["SYNKRO_DATA_DIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> str:
    """Owner's address of an empty database on the session's cluster."""
    bin_dir = None
    if request.config.getoption("--postgres") == "system":
        bin_dir = system_binaries()
        if bin_dir is None:
            pytest.fail("no system Postgres from 15 up: run without --postgres system")
    _server.append(cluster.start(Path(os.environ["SYNKRO_DATA_DIR"]), bin_dir))
    return _server[-1].url("postgres")


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """The name of a database with the migrations and the marts, to copy from."""
    return cluster.TEMPLATE


@pytest.fixture(scope="session")
def make_database(server_url: str) -> Callable[[str | None], str]:
    """``make_database(template or None) -> url``; goes with the cluster when the session ends."""

    def make(template: str | None) -> str:
        name = f"test_{uuid4().hex[:12]}"
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(
                f"create database {name}" + (f" template {template} strategy file_copy" if template else "")
            )
            if template:
                # a copy has the rights on functions, not those on the database itself
                connection.execute(f"revoke temporary on database {name} from public")
        return db.with_database(server_url, name)

    return make


@contextmanager
def entry_points_to(url: str, **environment: str) -> Iterator[str]:
    """The entry points lead to this database; ``environment``: further variables while they do."""
    with pytest.MonkeyPatch.context() as patch:
        addresses = {
            "SYNKRO_DATABASE_URL": url,
            "SYNKRO_APP_DATABASE_URL": db.with_login(url, db.APP_ROLE, APP_PASSWORD),
        }
        for name, value in {**addresses, **environment}.items():
            patch.setenv(name, value)
        settings.cache_clear()
        try:
            yield url
        finally:
            db.close()
    settings.cache_clear()


@pytest.fixture
def database(make_database: Callable[[str | None], str], template: str, server_url: str) -> Iterator[str]:
    """A fresh database of its own, with the entry points leading to it; the value is the owner's address."""
    with entry_points_to(make_database(template)) as url:
        yield url
    name = url.rpartition("/")[2]
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def shared_database(make_database: Callable[[str | None], str], template: str) -> Iterator[str]:
    """One database for the module: each of its tests makes a company of its own."""
    with entry_points_to(make_database(template)) as url:
        yield url


@pytest.fixture
def empty_database(make_database: Callable[[str | None], str]) -> str:
    """A database without any of ours; the value is the owner's address."""
    return make_database(None)
