"""Connections of the schemas' owner: whoever is refused waits, and a statement's limit is its purpose's."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from cli.commands import database as cli_database
from orchestration.dbt import invoke
from sandbox.vendors.supabase.pooler import WORDS
from synkro.core.errors import ConfigurationError, TransientError
from synkro.core.settings import ROOT, settings
from synkro.database import connections, db, migrations, poolers
from tests.conftest import entry_points_to
from tests.support.packages import PRODUCT
from tests.support.pooled import Pooled, pooled

REFUSALS = [
    WORDS["EMAXCONNSESSION"].format(15),
    WORDS["MaxClientsInSessionMode"],
    "(EMAXCONN) max client connections reached, limit: 200",
    "FATAL:  no more connections allowed (max_client_conn)",
]
SERVERS_OWN = [
    "FATAL:  sorry, too many clients already",
    'FATAL:  too many connections for role "postgres"',
    "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
]


@pytest.fixture
def small(database: str) -> Iterator[Pooled]:
    """The database behind a pooler that lends two connections."""
    connections._fit.clear()
    with pooled(database, size=2) as made:
        yield made


# --- waiting --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [*REFUSALS, *SERVERS_OWN])
def test_every_refusal_is_known(said: str) -> None:
    assert connections.is_busy(f'connection to server at "127.0.0.1", port 5432 failed: {said}')


@pytest.mark.parametrize(
    "said", ["Connection refused", "password authentication failed", "the database system is starting up", "disk full"]
)
def test_other_failures_are_not_waited_for(said: str) -> None:
    calls = []

    def attempt() -> None:
        calls.append(1)
        raise psycopg.OperationalError(said)

    with pytest.raises(psycopg.OperationalError):
        connections.waited(attempt)
    assert len(calls) == 1


def test_whoever_is_refused_waits_for_the_next_free_connection(small: Pooled, database: str) -> None:
    url = small.url(database)
    # asks what the address is, which takes the second one for a moment
    first = connections.connect(url, "question")
    second = connections.connect(url, "question")
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(connections.connect(url, "question")))
    waiting.start()
    while small.pooler.refused == 0:
        time.sleep(0.01)
    assert not got
    first.close()
    waiting.join(20)
    assert got and got[0].execute("select 1").fetchone() == (1,)
    second.close()
    got[0].close()


@pytest.mark.parametrize("words", WORDS)
def test_a_pool_that_stays_lent_is_named_with_its_cure(database: str, words: str) -> None:
    connections._fit.clear()
    with (
        pooled(database, size=1, words=words) as made,
        connections.connect(made.url(database), "question"),
        pytest.raises(TransientError) as refused,
    ):
        connections.connect(made.url(database), "question", patience=0.3)
    assert "Пул соединений Supabase занят" in refused.value.message
    assert "Pool Size" in refused.value.message
    assert "max clients reached" in str(refused.value.detail)


def test_a_full_server_is_named_with_its_own_cure(database: str) -> None:
    name = database.rpartition("/")[2]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"alter database {name} connection limit 0")
        connection.execute("drop role if exists one_of_many")
        connection.execute("create role one_of_many login password 'one-of-many'")
    with pytest.raises(TransientError, match="max_connections"):
        connections.connect(db.with_login(database, "one_of_many", "one-of-many"), "question", patience=0.3)


def test_a_door_names_the_pool_that_is_lent_out(small: Pooled, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = small.url(database)
    monkeypatch.setattr(db, "_TURN", 0.2)
    monkeypatch.setattr(db, "DOWN_SECONDS", 0.2)
    with (
        entry_points_to(url, SYNKRO_APP_DATABASE_URL=url),
        psycopg.connect(url),
        psycopg.connect(url),
        pytest.raises(TransientError, match="Пул соединений Supabase занят"),
        db.as_user("00000000-0000-0000-0000-000000000000"),
    ):
        pass


def test_a_door_waits_for_the_pool(small: Pooled, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = small.url(database)
    monkeypatch.setattr(db, "_TURN", 0.2)
    with entry_points_to(url, SYNKRO_APP_DATABASE_URL=url), psycopg.connect(url) as one, psycopg.connect(url):

        def free() -> None:
            while small.pooler.refused == 0:
                time.sleep(0.01)
            one.close()

        freeing = threading.Thread(target=free)
        freeing.start()
        with db.as_service("test") as connection:
            assert connection.execute("select 1 as one").fetchone() == {"one": 1}
        freeing.join()


def test_a_process_holds_no_more_than_its_setting(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pooled(database) as made:
        url = made.url(database)
        with entry_points_to(url, SYNKRO_APP_DATABASE_URL=url, SYNKRO_DATABASE_POOL="2"):
            assert settings().database_pool == 2
            together = threading.Barrier(2, timeout=20)

            def work(is_first: bool) -> None:
                with db.as_service("test") as connection:
                    if is_first:
                        together.wait()
                    connection.execute("select pg_sleep(0.05)")

            threads = [threading.Thread(target=work, args=(number < 2,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert made.pooler.clients["session"].peak == 2


def test_a_process_that_leads_a_run_holds_more_than_others(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "_size", db.POOL)
    with entry_points_to(database, SYNKRO_DATABASE_POOL=""):
        with db.as_service("test"):
            assert [pool.max_size for pool in db._pools.values()] == [db.POOL]
        db.grow(db.RUN_POOL)
        assert [pool.max_size for pool in db._pools.values()] == [db.RUN_POOL]
        db.grow(db.POOL)
        assert db._pool().max_size == db.RUN_POOL, "a smaller wish takes nothing away"
    with entry_points_to(database, SYNKRO_DATABASE_POOL="1"):
        db.grow(db.APP_POOL)
        assert db._pool().max_size == 1


def test_the_certificate_of_an_address_reaches_dbt() -> None:
    profile = (ROOT / "transforms" / "profiles.yml").read_text(encoding="utf-8")
    url = "postgresql://a:b@localhost/c?sslmode=verify-full&sslrootcert=/data/ca.crt"
    with invoke.connection_settings(url):
        for key, value in {"sslmode": "verify-full", "sslrootcert": "/data/ca.crt"}.items():
            variable = re.search(rf"{key}: .*env_var\('(\w+)'", profile)
            assert variable and os.environ[variable[1]] == value


def test_nobody_opens_a_connection_of_the_owner_past_the_helper() -> None:
    """Apart from it: what asks about an address, a server of our own, a company's own project."""
    allowed = {
        "synkro/database/connections.py",
        "synkro/database/poolers.py",
        "synkro/database/addresses.py",
        "synkro/database/db.py",
        "synkro/database/embedded/postgres.py",
        "synkro/connectors/project_database.py",
        "ingestion/load/destination.py",
    }
    found = {
        path.relative_to(ROOT).as_posix()
        for package in PRODUCT
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"psycopg2?\.connect\(|create_engine\(|Connection\.connect\(", path.read_text(encoding="utf-8"))
    }
    assert found <= allowed
    assert "synkro/database/connections.py" in found, "a positive control"


# --- what stands between us and the server ----------------------------------------------------------------------


def test_what_an_address_goes_through_is_told_by_behaviour(database: str) -> None:
    with pooled(database) as made:
        for mode, url in {
            "direct": database,
            "session": made.url(database),
            "transaction": made.url(database, "transaction"),
        }.items():
            with psycopg.connect(url, autocommit=True) as connection:
                assert poolers.mode(connection, url) == mode


def test_one_free_connection_is_enough_to_tell(database: str) -> None:
    with pooled(database, size=1) as made:
        url = made.url(database)
        with psycopg.connect(url, autocommit=True) as connection:
            assert poolers.mode(connection, url) == "session"


def test_a_migration_through_a_shared_connection_is_refused_and_leaves_nothing(empty_database: str) -> None:
    connections._fit.clear()
    with pooled(empty_database, size=2) as made:
        with pytest.raises(ConfigurationError, match="режиме транзакций") as refused:
            migrations.migrate(made.url(empty_database, "transaction"))
        assert "5432" in refused.value.message
        with psycopg.connect(empty_database) as connection:
            locks = connection.execute(
                "select count(*) from pg_locks where locktype = 'advisory' and database ="
                " (select oid from pg_database where datname = current_database())"
            ).fetchone()
            schemas = connection.execute(
                "select count(*) from pg_namespace where nspname in ('synkro', 'supabase_migrations')"
            ).fetchone()
        assert (locks, schemas) == ((0,), (0,))
        # whoever comes next on the shared connection meets no setting of ours
        with psycopg.connect(made.url(empty_database, "transaction")) as connection:
            assert connection.execute("show statement_timeout").fetchone() == ("0",)


def test_the_command_refuses_it_too(database: str) -> None:
    connections._fit.clear()
    with (
        pooled(database) as made,
        entry_points_to(made.url(database, "transaction")),
        pytest.raises(ConfigurationError, match="режиме транзакций"),
    ):
        cli_database.prepare(lambda text: None)


def test_the_doors_work_through_a_shared_connection(database: str) -> None:
    """As the app's login, with what each transaction sets gone when the next client comes."""
    from tests.conftest import APP_PASSWORD

    with pooled(database, size=1) as made:
        app = made.url(db.with_login(database, db.APP_ROLE, APP_PASSWORD), "transaction")
        with entry_points_to(database, SYNKRO_APP_DATABASE_URL=app):
            for _ in range(8):
                with db.as_service("test") as connection:
                    # over psycopg's threshold for a prepared statement
                    row = connection.execute("select current_user::text as who, %s::int as one", (1,)).fetchone()
                    assert row == {"who": "service_role", "one": 1}
                with db.as_user("00000000-0000-0000-0000-000000000001") as connection:
                    row = connection.execute("select current_user::text as who, auth.uid()::text as id").fetchone()
                    assert row == {"who": "authenticated", "id": "00000000-0000-0000-0000-000000000001"}
            with psycopg.connect(app, prepare_threshold=None) as stranger:
                left = stranger.execute(
                    "select current_user::text, current_setting('request.jwt.claims', true),"
                    " current_setting('statement_timeout'), current_setting('synchronous_commit')"
                ).fetchone()
            assert left == (db.APP_ROLE, "", "0", "off")


# --- how long a statement may take -------------------------------------------------------------------------------


@pytest.fixture
def hurried(database: str) -> Iterator[str]:
    """The owner's address as a hosted project's login has it: a statement is stopped early, here after a fifth of a second."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("drop role if exists hurried")
        connection.execute("create role hurried superuser login password 'hurried'")
        connection.execute("alter role hurried set statement_timeout = '200ms'")
    yield db.with_login(database, "hurried", "hurried")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("drop owned by hurried cascade")
        connection.execute("drop role hurried")


def test_the_limit_of_a_login_does_not_stop_the_owners_statements(hurried: str) -> None:
    with psycopg.connect(hurried) as plain, pytest.raises(psycopg.errors.QueryCanceled):
        plain.execute("select pg_sleep(0.5)")
    for purpose in connections.STATEMENT_SECONDS:
        for autocommit in (True, False):
            with connections.connect(hurried, purpose, autocommit=autocommit) as connection:
                connection.execute("select pg_sleep(0.3)")
                assert connection.autocommit is autocommit


def test_a_migration_outlives_the_limit_of_a_login(hurried: str, tmp_path: Any) -> None:
    (tmp_path / "20990101000000_slow.sql").write_text("create table public.slow as select 1 as one from pg_sleep(0.5)")
    assert [one.name for one in migrations.migrate(hurried, folder=tmp_path)] == ["slow"]


def test_people_keep_a_limit_of_their_own_and_workers_a_longer_one(hurried: str) -> None:
    with entry_points_to(hurried, SYNKRO_APP_DATABASE_URL=hurried):
        limits = []
        for door in (db.as_user("00000000-0000-0000-0000-000000000001"), db.as_service("test")):
            with door as connection:
                connection.execute("select pg_sleep(0.3)")
                row = connection.execute("select current_setting('statement_timeout') as it").fetchone()
                assert row is not None
                limits.append(row["it"])
        assert limits == ["1min", "10min"]
