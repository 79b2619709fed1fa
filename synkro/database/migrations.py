"""Applies ``supabase/migrations`` to any Postgres, the way the Supabase CLI would.

Each file runs in one transaction together with its row in ``supabase_migrations.schema_migrations``
(``version``, ``statements``, ``name``: the CLI's own table), so either tool can go on where the other
stopped. A file that was applied is never run again; a failing file leaves the earlier ones in place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from synkro.core.errors import ConfigurationError
from synkro.core.resources import MIGRATIONS
from synkro.database import connections

FOLDER = MIGRATIONS
_NAME = re.compile(r"^(\d{14})_([a-z0-9_]+)\.sql$")
#: two deployers at once: the second waits, then finds nothing to do
_LOCK_KEY = 0x53594E4B524F


@dataclass(frozen=True)
class Migration:
    version: str
    name: str
    sql: str


def available(folder: Path = FOLDER) -> list[Migration]:
    """The files in order of version; raises :class:`ConfigurationError` on a misnamed one."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise ConfigurationError(
                f"Имя миграции {path.name} не подходит: нужны 14 цифр, подчёркивание и строчные буквы."
            )
        found.append(Migration(match[1], match[2], path.read_text(encoding="utf-8")))
    return found


def migrate(url: str, *, folder: Path = FOLDER, progress: Callable[[str], None] = lambda text: None) -> list[Migration]:
    """Apply what is missing and return it. ``url`` is the owner's."""
    applied = []
    with connections.connect(url, "migration", autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK_KEY,))
        connection.execute("set lock_timeout = '10s'")
        connection.execute("create schema if not exists supabase_migrations")
        connection.execute(
            "create table if not exists supabase_migrations.schema_migrations"
            " (version text primary key, statements text[], name text)"
        )
        done = {row[0] for row in connection.execute("select version from supabase_migrations.schema_migrations")}
        for migration in available(folder):
            if migration.version in done:
                continue
            progress(f"миграция {migration.version}_{migration.name}")
            try:
                with connection.transaction():
                    connection.execute(migration.sql.encode())
                    connection.execute(
                        "insert into supabase_migrations.schema_migrations (version, statements, name)"
                        " values (%s, %s, %s)",
                        (migration.version, [migration.sql], migration.name),
                    )
            except psycopg.errors.DiskFull as error:
                raise ConfigurationError(
                    "На диске базы данных нет места: освободите его и повторите, применённое останется.",
                    detail=str(error),
                ) from None
            except psycopg.Error as error:
                cause = str(error).strip().splitlines()[0]
                raise ConfigurationError(
                    f"Миграция {migration.version}_{migration.name} не применилась, база осталась на предыдущей: {cause}",
                    detail=str(error),
                ) from error
            applied.append(migration)
    return applied


def pending(url: str, *, folder: Path = FOLDER) -> list[Migration]:
    """What :func:`migrate` would apply."""
    with connections.connect(url, "question") as connection:
        exists = connection.execute("select to_regclass('supabase_migrations.schema_migrations')").fetchone()
        done = (
            {row[0] for row in connection.execute("select version from supabase_migrations.schema_migrations")}
            if exists and exists[0]
            else set()
        )
    return [migration for migration in available(folder) if migration.version not in done]
