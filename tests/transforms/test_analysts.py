"""An analyst's login: sees the marts of its companies, whatever SQL it writes; the documented queries run."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from cli.commands.analysts import analyst
from synkro.accounts import embedded
from synkro.core.errors import DataError, NotFoundError
from synkro.database import analysts, db
from synkro.tenancy import tenants, users
from tests.conftest import entry_points_to
from tests.transforms.conftest import Company

DOC = Path(__file__).parents[2] / "docs" / "analysts.md"
QUERIES = re.findall(r"\*\*(\d+)\. (.+?)\*\*.*?```sql\n(.*?)```", DOC.read_text(), re.S)
PHONE = "+77001112233"


@dataclass
class Login:
    name: str
    url: str
    ours: Company
    others: Company

    def rows(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]


def fill(company: Company, price: int) -> None:
    """A day of everything the queries look at."""
    company.manager(71, "Анна")
    company.pipeline(5)
    company.put("raw_radist.sources", id=1, type="whatsapp")
    company.put("raw_radist.sources", id=2, type="telegram")
    company.contact(1, PHONE)
    company.deal(1, 1, manager=71, price=price)
    company.deal(2, 1, manager=71, price=price, status=142, closed="2026-03-02 12:00")
    company.deal(3, 1, manager=71, price=price, status=143, closed="2026-03-02 12:00")
    company.chat(1, PHONE)
    company.chat(2, PHONE, connection=2)
    company.chat(3, None, is_group=True)
    company.say(3, "2026-03-02 09:30", "client", "Коллеги, всем доброе утро")
    company.say(1, "2026-03-02 10:00", "client", "Есть рассрочка?")
    company.say(1, "2026-03-02 10:07", "us", "Да, на год", by=71, contact=1)
    promise = company.say(2, "2026-03-02 10:09", "us", "Отправим договор до вечера", by=71, contact=1)
    company.does(2, promise, "promise", "document", "2026-03-02 20:00")
    company.task(1, 1, manager=71)
    company.say(1, "2026-03-02 16:00", "client", "Когда привезёте?")
    company.say(1, "2026-03-02 16:00:01", "us", "Мы скоро ответим")
    company.put(
        "raw_amocrm.events", id="moved", type="lead_status_changed", entity_type="lead", entity_id=2,
        created_at=company.at("2026-03-02 12:00"),
        payload={"created_by": 71, "value_before": [{"lead_status": {"id": 1, "pipeline_id": 5}}],
                 "value_after": [{"lead_status": {"id": 142, "pipeline_id": 5}}]},
    )  # fmt: skip


@pytest.fixture(scope="module")
def login(marts_db: str, company: Callable[..., Company], work: Path) -> Iterator[Login]:
    ours, others = company("ours"), company("others")
    for each, price in ((ours, 500), (others, 9_000_000)):
        fill(each, price)
        before = each.window("2026-03-01 06:00", "2026-03-02 06:00")
        day = each.window("2026-03-02 06:00", "2026-03-03 06:00")
        each.compare(day, before)
        each.build(day, before, work=work)
    name = f"anna_{secrets.token_hex(3)}"
    with psycopg.connect(marts_db, autocommit=True, row_factory=dict_row) as owner:
        tenant = tenants.by_slug(owner, "ours")
        password = analysts.add(owner, name, [tenant.tenant_id], timeout_seconds=60)
        yield Login(name, analysts.connection_string(marts_db, name, password), ours, others)
        analysts.remove(owner, name)


def test_there_are_twenty_queries() -> None:
    assert [int(number) for number, _, _ in QUERIES] == list(range(1, 21))


@pytest.mark.parametrize(("number", "title", "query"), QUERIES, ids=[number for number, _, _ in QUERIES])
def test_documented_query(login: Login, number: str, title: str, query: str) -> None:
    """Each finds something, and nothing of the neighbour, whose every price is nine million."""
    rows = login.rows(query)

    assert rows, title
    assert not [row for row in rows if "9000000" in str(row)]


def test_the_rows_behind_a_number_are_the_number(login: Login) -> None:
    rows = login.rows(QUERIES[19][2])

    assert len(rows) == rows[0]["unanswered_now"] == 1


def test_marts_and_api_show_one_company(login: Login) -> None:
    """Every relation there is, not a list of names; the owner sees that the neighbour has rows too."""
    relations = login.rows(
        "select table_schema || '.' || quote_ident(table_name) as name from information_schema.tables"
        " where table_schema in ('marts', 'api')"
    )
    assert len(relations) >= 22
    for relation in relations:
        found = login.rows(f"select distinct tenant_id from {relation['name']}")
        assert {row["tenant_id"] for row in found} == {login.ours.tenant_id}, relation["name"]
        assert login.others.rows(relation["name"], "count(*) as n")[0]["n"] > 0, relation["name"]


def test_claims_of_another_person_open_nothing(login: Login, marts_db: str) -> None:
    """Red when claims count for every login: an analyst writes any ``request.jwt.claims`` it likes."""
    with psycopg.connect(marts_db, autocommit=True, row_factory=dict_row) as owner:
        boss = embedded.add(owner, f"{secrets.token_hex(4)}@example.test", "a long enough password 1")
        users.grant(owner, boss.user_id, None, "super_admin")
    claim = (
        f'select set_config(\'request.jwt.claims\', \'{{"sub": "{boss.user_id}", "role": "authenticated"}}\', false)'
    )
    with psycopg.connect(login.url, row_factory=dict_row) as connection:
        connection.execute(claim)  # type: ignore[arg-type]
        found = connection.execute("select distinct tenant_id from marts.fct_messages").fetchall()
    assert [row["tenant_id"] for row in found] == [login.ours.tenant_id]


@pytest.mark.parametrize(
    "attempt",
    [
        "select * from raw_radist.messages",
        "select * from synkro.tenants",
        "select * from synkro.analyst_grants",
        "select * from private.vendor_limits",
        "select * from auth.users",
        "set role service_role",
        "set role authenticated",
        "set default_transaction_read_only = off; delete from marts.fct_messages",
        "set default_transaction_read_only = off; insert into synkro.analyst_grants select tenant_id, session_user from marts.fct_deals",
        "set default_transaction_read_only = off; create table marts.mine as select 1 as one",
        "alter role current_user superuser",
        "select pg_advisory_lock(91643030753871)",
        "select pg_try_advisory_lock_shared(1, 2)",
        "select pg_advisory_xact_lock(hashtextextended('report', 0))",
        "select pg_advisory_unlock_all()",
        "set default_transaction_read_only = off; select lo_from_bytea(0, 'x')",
        "set default_transaction_read_only = off; select lo_creat(-1)",
        "set default_transaction_read_only = off; select pg_logical_emit_message(true, 'fill', repeat('x', 1000))",
        "set default_transaction_read_only = off; create temporary table fill as select 1 as one",
        "set temp_file_limit = -1",
    ],
)
def test_nothing_else_is_open(login: Login, attempt: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
        login.rows(attempt)


def test_a_long_statement_is_cancelled(login: Login, marts_db: str) -> None:
    name = f"brief_{secrets.token_hex(3)}"
    with psycopg.connect(marts_db, autocommit=True) as owner:
        password = analysts.add(owner, name, [], timeout_seconds=1)
        try:
            with (
                psycopg.connect(analysts.connection_string(marts_db, name, password)) as connection,
                pytest.raises(psycopg.errors.QueryCanceled),
            ):
                connection.execute("select pg_sleep(30)")
        finally:
            analysts.remove(owner, name)


def test_every_function_that_locks_or_stores_is_closed_and_ours_may(login: Login, marts_db: str) -> None:
    """From the catalogue, not a list; whoever works for us keeps them."""
    query = (
        "select p.oid::regprocedure::text as name, {} from pg_proc p where pronamespace = 'pg_catalog'::regnamespace"
        " and (proname like '%advisory%' or proname like 'lo\\_%' or proname in ('loread', 'lowrite'))"
    )
    rows = login.rows(query.format("has_function_privilege(p.oid, 'execute') as may"))
    assert len(rows) > 40 and [row["name"] for row in rows if row["may"]] == []
    for role in ("service_role", "synkro_app"):
        asked = query.format(f"has_function_privilege('{role}', p.oid, 'execute') as may")
        with psycopg.connect(marts_db, row_factory=dict_row) as owner:
            ours = owner.execute(asked.encode()).fetchall()
        # files of the server are the superuser's
        assert {row["name"].partition("(")[0] for row in ours if not row["may"]} == {"lo_import", "lo_export"}
    with psycopg.connect(marts_db) as owner:
        owner.execute("create temporary table ours_may (one int)")
        # a login of ours that is made later; rolled back with the connection
        owner.execute("create role synkro_later login; select private.close_server_functions()")
        may = owner.execute("select has_function_privilege('synkro_later', 'pg_advisory_lock(bigint)', 'execute')")
        assert may.fetchone() == (True,)
        owner.rollback()


@contextmanager
def analyst_with(marts_db: str, seconds: int) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
    """``(a session of a new analyst, the owner's connection)``."""
    name = f"over_{secrets.token_hex(3)}"
    with psycopg.connect(marts_db, autocommit=True, row_factory=dict_row) as owner:
        password = analysts.add(owner, name, [], timeout_seconds=seconds)
        try:
            url = analysts.connection_string(marts_db, name, password)
            # not by its own context manager: what the test ends does not commit
            with closing(psycopg.connect(url, autocommit=True)) as session:
                yield session, owner
        finally:
            analysts.remove(owner, name)


def ended(marts_db: str) -> list[str]:
    with entry_points_to(marts_db), db.as_service("test") as connection:
        return [reason.partition(": ")[2] for reason in analysts.end_overdue(connection)]


def test_a_raised_timeout_does_not_help(marts_db: str) -> None:
    """The session takes its own limits away; what binds looks from outside. A session within its limits stays."""
    with analyst_with(marts_db, 1) as (session, owner):
        session.execute("set statement_timeout = 0; set lock_timeout = 0; set idle_in_transaction_session_timeout = 0")
        assert ended(marts_db) == []
        begun = owner.execute("select clock_timestamp() as at").fetchone()
        session.pgconn.send_query(b"select pg_sleep(60)")
        reasons: list[str] = []
        deadline = time.monotonic() + 30
        while not reasons and time.monotonic() < deadline:
            owner.execute("select pg_sleep(0.3)")
            reasons = ended(marts_db)
        assert reasons == ["statement"]
        lasted = owner.execute("select clock_timestamp() - %s as it", (begun["at"],)).fetchone()
        assert timedelta(seconds=6) <= lasted["it"] < timedelta(seconds=20)


def test_a_session_that_holds_an_advisory_lock_is_ended(marts_db: str) -> None:
    """Where the functions could not be taken away, as on a hosted project, the lock is held for seconds, not for ever."""
    with analyst_with(marts_db, 60) as (session, owner):
        owner.execute("grant execute on function pg_advisory_lock(bigint) to synkro_analyst")
        try:
            session.execute("select pg_advisory_lock(%s)", (91643030753871,))
            assert owner.execute("select pg_try_advisory_lock(%s) as got", (91643030753871,)).fetchone() == {
                "got": False
            }
            assert ended(marts_db) == ["advisory lock"]
            owner.execute("set lock_timeout = '5s'")
            owner.execute("select pg_advisory_lock(%s)", (91643030753871,))
        finally:
            owner.execute("revoke execute on function pg_advisory_lock(bigint) from synkro_analyst")


@pytest.mark.parametrize("name", ["dagster", "postgres", "template1"])
def test_the_other_databases_of_the_server_are_closed(login: Login, name: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not have CONNECT privilege"):
        psycopg.connect(db.with_database(login.url, name))


def test_connections_of_a_login_are_counted(marts_db: str) -> None:
    with analyst_with(marts_db, 60) as (session, _), ExitStack() as more:
        url = make_conninfo(session.info.dsn, password=session.info.password)
        for _ in range(analysts.CONNECTIONS - 1):
            more.enter_context(psycopg.connect(url))
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(url)


def test_names(login: Login, marts_db: str) -> None:
    with psycopg.connect(marts_db, autocommit=True) as owner:
        with pytest.raises(DataError, match="уже есть"):
            analysts.add(owner, login.name, [], timeout_seconds=60)
        with pytest.raises(DataError, match="строчные латинские"):
            analysts.add(owner, "Анна; drop role postgres", [], timeout_seconds=60)
        with pytest.raises(NotFoundError, match="analyst list"):
            analysts.remove(owner, "nobody")


def test_the_pooler_of_supabase_wants_the_project() -> None:
    owner = "postgresql://postgres.abcd:x@pool.example:5432/postgres"

    assert (
        analysts.connection_string(owner, "anna", "p") == "postgresql://analyst_anna.abcd:p@pool.example:5432/postgres"
    )


def test_the_command_line(marts_db: str, login: Login) -> None:
    name, run = f"boris_{secrets.token_hex(3)}", CliRunner().invoke
    with entry_points_to(marts_db):
        made = run(analyst, ["add", name, "--tenant", "ours", "--tenant", "others"], catch_exceptions=False)
        assert made.exit_code == 0 and "больше не покажем" in made.output
        address = made.output.strip().splitlines()[-1]
        with psycopg.connect(address) as connection:
            assert connection.execute("select count(distinct tenant_id) from fct_messages").fetchone() == (2,)
        listed = run(analyst, ["list"], catch_exceptions=False).output
        password = urlsplit(address).password
        assert re.search(rf"{name}\s+analyst_{name}\s+others, ours", listed) and password and password not in listed
        assert run(analyst, ["remove", name], catch_exceptions=False).exit_code == 0
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(address)
        assert run(analyst, ["add", "vera"], catch_exceptions=False).exit_code == 2
