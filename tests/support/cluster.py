"""A Postgres cluster with the template database: made once for a state of the tree, copied by every worker of a session.

Making one takes some twenty seconds (initdb, migrations, a dbt build), a copy less than one. The archive lies in
``build/test-clusters`` and is named by a hash of everything it is made from, so a change of the tree makes a new one.
``python -m tests.support.cluster BIN_DIR`` makes the one of another Postgres beforehand.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from synkro.core.settings import ROOT
from synkro.database import db, migrations
from synkro.database.embedded import binaries
from synkro.database.embedded import cluster as pg_cluster
from synkro.database.embedded.postgres import EmbeddedPostgres

APP_PASSWORD = "app-password-of-the-tests"
TEMPLATE = "synkro_template"
ARCHIVES = ROOT / "build" / "test-clusters"
#: what a template is made from
MADE_FROM = (
    "supabase",
    "transforms",
    "orchestration/dbt",
    "synkro",
    "requirements.lock",
    "tests/support/cluster.py",
)
#: older archives than these many go
KEPT = 4


def start(data_dir: Path, bin_dir: Path | None) -> EmbeddedPostgres:
    """A running server in ``data_dir`` that holds :data:`TEMPLATE`, and dbt's parsed project beside it."""
    _unpack(archive_of(bin_dir), data_dir)
    # a cluster of the tests lives for minutes: no row of it has to survive a power cut
    hasty = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_wal_size": "128MB"}
    server = EmbeddedPostgres(data_dir, bin_dir=bin_dir, settings=hasty)
    server.start()
    return server


def archive_of(bin_dir: Path | None) -> Path:
    """The archive for this Postgres, made when nobody has."""
    archive = ARCHIVES / f"{_key(bin_dir)}.tar"
    with _alone(archive.stem):
        if not archive.exists():
            _make(archive, bin_dir)
    return archive


def _key(bin_dir: Path | None) -> str:
    account = binaries.account_for(Path("/nonexistent"))
    digest = hashlib.sha256(f"{account.uid if account else os.geteuid()}".encode())
    for pattern in MADE_FROM:
        for path in sorted(ROOT.glob(pattern)):
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file() and file.suffix in {".sql", ".yml", ".py", ".lock", ".csv", ".toml"}:
                    digest.update(f"\0{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return f"{binaries.resolve(bin_dir, account)[1]}-{digest.hexdigest()[:16]}"


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """One process makes an archive, the others wait for it; another Postgres' is made beside it."""
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    with (ARCHIVES / f"{name.partition('-')[0]}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(archive: Path, bin_dir: Path | None) -> None:
    from orchestration.dbt.project import deploy

    with tempfile.TemporaryDirectory(prefix="synkro-template-") as folder:
        data_dir = Path(folder)
        server = EmbeddedPostgres(data_dir, bin_dir=bin_dir)
        try:
            server.start()
            server.ensure_database(TEMPLATE)
            url = server.url(TEMPLATE)
            migrations.migrate(url)
            deploy(url, data_dir, lambda text: None)
            with psycopg.connect(url, autocommit=True) as connection:
                db.set_app_password(connection, APP_PASSWORD)
                connection.execute("checkpoint")
            server.stop()
            home = pg_cluster.home(data_dir / "postgres")
            fresh = archive.with_suffix(".new")
            command = ["tar", "--create", "--file", fresh, "--numeric-owner"]
            subprocess.run([*command, "-C", home, "pgdata", "password", "-C", data_dir, "dbt"], check=True)
        finally:
            server.destroy()
    fresh.rename(archive)
    for old in sorted(ARCHIVES.glob("*.tar"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)


def _unpack(archive: Path, data_dir: Path) -> None:
    root = data_dir / "postgres"
    root.mkdir(parents=True)
    place, account = root, binaries.account_for(root / "pgdata")
    if not binaries.can_enter(root, account):
        place = binaries.reachable_directory("synkro-pgdata-tests")
        (root / "location").write_text(str(place))
    command = ["tar", "--extract", "--file", archive, "--numeric-owner", "--same-owner", "--preserve-permissions"]
    subprocess.run([*command, "-C", place], check=True)
    shutil.move(place / "dbt", data_dir / "dbt")


if __name__ == "__main__":
    archive_of(Path(sys.argv[1]))
