"""The migrations of this release over a database of the previous one that is in use: they apply, and every row is still there.

A release is named by its last migration. Whoever releases adds a line to :data:`RELEASES`: what stands after it is the next one's.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestration.dbt.project import deploy
from synkro.database import migrations, rls_audit
from tests.support import twins
from tests.support.schema import differences, snapshot

#: version of the last migration → the release
RELEASES = {"20261101000024": "before hosted Supabase"}

#: rows of the tables that belong to no company: ``twins`` fills the others from the catalogue
ROWS = {
    "private.login_attempts": "(email, was_successful) values ('twins@x.example', true)",
    "private.services": "(service) values ('sender')",
    "private.vendor_limits": "(account_key) values ('amocrm:twins')",
    "private.web_sessions": f"(session_hash, user_id, expires_at) values ('hash', '{twins.PERSON}', '2100-01-01')",
    "raw_amocrm._dlt_loads": "(load_id, schema_name, status, inserted_at) values ('1', 'amocrm', 0, now())",
    "raw_amocrm._dlt_version": "(version, engine_version, inserted_at, schema_name, version_hash, schema)"
    " values (1, 11, now(), 'amocrm', 'hash', '{}')",
    "raw_radist._dlt_loads": "(load_id, schema_name, status, inserted_at) values ('1', 'radist', 0, now())",
    "raw_radist._dlt_version": "(version, engine_version, inserted_at, schema_name, version_hash, schema)"
    " values (1, 11, now(), 'radist', 'hash', '{}')",
}  # fmt: skip

#: tables a newer migration drops, and why
DROPPED = {
    "private.login_attempts": "held every e-mail typed at the sign-in; the counters of attempts hold keyed hashes"
}

#: columns a newer migration drops, and why
DROPPED_COLUMNS = {("synkro.tenants", "timezone"): "a company has one clock, the versioned one of its settings"}

_COLUMNS = """
select n.nspname || '.' || c.relname as name, array_agg(quote_ident(a.attname) order by a.attnum) as columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p') and (n.nspname in ('synkro', 'private', 'auth', 'intermediate', 'marts') or n.nspname like 'raw\\_%')
group by 1 order by 1
"""

Rows = dict[str, list[str]]


@dataclass
class Released:
    version: str
    url: str
    columns: dict[str, list[str]]
    rows: Rows


@pytest.fixture(scope="module", params=RELEASES, ids=list(RELEASES.values()))
def released(
    request: pytest.FixtureRequest, make_database: Callable[[str | None], str], tmp_path_factory: pytest.TempPathFactory
) -> Released:
    """A database as the release left it, with rows of two companies in every table of the migrations.

    The marts of a release are made by its own dbt project and made anew by the next one's: they are no part of it.
    """
    folder = tmp_path_factory.mktemp("release")
    for path in migrations.FOLDER.glob("*.sql"):
        if path.name[:14] <= request.param:
            shutil.copy(path, folder)
    url = make_database(None)
    assert migrations.migrate(url, folder=folder)[-1].version == request.param, "no migration ends this release"
    twins.fill(url)
    with psycopg.connect(url) as connection:
        for name, values in ROWS.items():
            connection.execute(f"insert into {name} {values}".encode())
        there: dict[str, list[str]] = dict(connection.execute(_COLUMNS).fetchall())
        assert [(table, name) for table, name in DROPPED_COLUMNS if name not in there[table]] == []
        columns = {
            table: [name for name in names if (table, name) not in DROPPED_COLUMNS] for table, names in there.items()
        }
        return Released(request.param, url, columns, _rows(connection, columns))


def _rows(connection: psycopg.Connection[Any], columns: dict[str, list[str]]) -> Rows:
    """Every row of these tables as text, of these columns."""
    return {
        name: [row[0] for row in connection.execute(f"select ({', '.join(of)})::text from {name} order by 1".encode())]
        for name, of in columns.items()
    }


def test_every_table_of_the_release_has_a_row(released: Released) -> None:
    assert [name for name, rows in released.rows.items() if not rows] == []
    assert len(released.rows) > 45


def test_the_newer_migrations_apply_and_lose_nothing(
    released: Released, make_database: Callable[[str | None], str], template: str, tmp_path: Path
) -> None:
    """What an upgraded database is made of is what a fresh one is made of."""
    newer = [one.version for one in migrations.available() if one.version > released.version]
    assert [one.version for one in migrations.migrate(released.url)] == newer != []

    with psycopg.connect(released.url) as connection:
        kept = {name: of for name, of in released.columns.items() if name not in DROPPED}
        assert _rows(connection, kept) == {name: rows for name, rows in released.rows.items() if name not in DROPPED}
        now: dict[str, list[str]] = dict(connection.execute(_COLUMNS).fetchall())
        assert [(table, name) for table, name in DROPPED_COLUMNS if name in now[table]] == []
        # until then all topics were a furniture shop's: the companies that were there keep them
        companies = [row[0] for row in connection.execute("select tenant_id from synkro.tenants order by 1")]
        kept = connection.execute("select tenant_id, version, pack, topics from synkro.topic_lists order by 1")
        assert [tuple(row) for row in kept] == [(company, 1, "furniture", None) for company in companies] != []
    deploy(released.url, tmp_path)
    assert migrations.pending(released.url) == [] == rls_audit.findings(released.url)
    assert differences(snapshot(make_database(template)), snapshot(released.url)) == []
