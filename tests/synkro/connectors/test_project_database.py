"""«Проверить» of a company's own database: whose address is opened, how, for how long, and by how many at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from synkro.connectors import checks, project_database
from synkro.connectors.project_database import address, look
from synkro.core.errors import AuthenticationError, ConfigurationError, PermanentError, TransientError

CODE = "abcdefghijklmnopqrst"
PROJECT = f"https://{CODE}.supabase.co"
LOCAL = "http://127.0.0.1:54321"
DIRECT = f"db.{CODE}.supabase.co"
POOLER = "aws-0-eu-central-1.pooler.supabase.com"
PUBLIC = "93.184.216.34"

#: what a person may type, and the word by which they find the mistake
REFUSED = {
    "another host": ("postgresql://postgres:x@evil.example:5432/postgres", "не база проекта"),
    "our network": ("postgresql://postgres:x@10.0.0.7:5432/postgres", "не база проекта"),
    "this machine": ("postgresql://postgres:x@localhost:5432/postgres", "не база проекта"),
    "cloud metadata": ("postgresql://postgres:x@169.254.169.254:80/postgres", "не база проекта"),
    "another project": ("postgresql://postgres:x@db.zzzzzzzzzzzzzzzzzzzz.supabase.co:5432/postgres", "не база проекта"),
    "a name that ends alike": (f"postgresql://postgres:x@evil{DIRECT}:5432/postgres", "не база проекта"),
    "a name that begins alike": (f"postgresql://postgres:x@{DIRECT}.evil.example:5432/postgres", "не база проекта"),
    "a pooler that ends alike": (f"postgresql://postgres.{CODE}:x@evilpooler.supabase.com:5432/postgres", "не база проекта"),
    "a pooler of a pooler": (f"postgresql://postgres.{CODE}:x@a.b.pooler.supabase.com:5432/postgres", "не база проекта"),
    "another project at the pooler": (f"postgresql://postgres.zzzz:x@{POOLER}:5432/postgres", f".{CODE}"),
    "nobody's project at the pooler": (f"postgresql://postgres:x@{POOLER}:5432/postgres", f".{CODE}"),
    "a password behind": (f"postgresql://postgres:x@{DIRECT}:5432@evil.example/postgres", "не база проекта"),
    "a port of ssh": (f"postgresql://postgres:x@{DIRECT}:22/postgres", "порт"),
    "several hosts": (f"postgresql://postgres:x@{DIRECT},evil.example:5432/postgres", "скопируйте"),
    "a socket": ("postgresql:///postgres?host=/var/run/postgresql", "скопируйте"),
    "keywords": (f"host={DIRECT} user=postgres password=x dbname=postgres", "скопируйте"),
    "a service": ("service=synkro", "скопируйте"),
    "no password": (f"postgresql://postgres@{DIRECT}:5432/postgres", "скопируйте"),
    "the password of the sample": (f"postgresql://postgres:[YOUR-PASSWORD]@{DIRECT}:5432/postgres", "впишите пароль"),
    "a line break": (f"postgresql://postgres:x@{DIRECT}:5432/postgres\nhost=evil.example", "скопируйте"),
    "a file to write": (f"postgresql://postgres:x@{DIRECT}:5432/postgres?sslkeylogfile=/data/keys", "sslkeylogfile"),
    "a file to read": (f"postgresql://postgres:x@{DIRECT}:5432/postgres?sslrootcert=/etc/passwd", "sslrootcert"),
    "an address beside the name": (f"postgresql://postgres:x@{DIRECT}:5432/postgres?hostaddr=10.0.0.7", "hostaddr"),
    "a second host": (f"postgresql://postgres:x@{DIRECT}:5432/postgres?host=evil.example", "host"),
    "options": (f"postgresql://postgres:x@{DIRECT}:5432/postgres?options=-c%20log_statement%3Dall", "options"),
    "no encryption": (f"postgresql://postgres:x@{DIRECT}:5432/postgres?sslmode=disable", "sslmode"),
    "a coded name": (f"postgresql://postgres:x@{DIRECT}:5432/postgres?%68ostaddr=10.0.0.7", "hostaddr"),
    "nothing": ("", "скопируйте"),
}  # fmt: skip


@pytest.fixture
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: Any, **__: Any) -> Any:
        raise AssertionError("a name was looked up or a connection opened")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    monkeypatch.setattr(psycopg.AsyncConnection, "connect", asked)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_the_projects_database_is_refused_unasked(name: str, nobody_is_asked: None) -> None:
    text, cure = REFUSED[name]
    with pytest.raises(ConfigurationError, match="db_url") as raised:
        checks.check_supabase(uuid4(), {"url": PROJECT}, {"db_url": text or " x "}, False)
    assert cure in raised.value.message
    assert "x@" not in raised.value.message and "/data/keys" not in raised.value.message


@pytest.mark.parametrize(
    ("text", "host", "port", "user"),
    [
        (f"postgresql://postgres:pass@{DIRECT}:5432/postgres", DIRECT, 5432, "postgres"),
        (f"postgres://postgres:pass@{DIRECT}:6543/postgres?pgbouncer=true", DIRECT, 6543, "postgres"),
        (
            f" postgresql://postgres.{CODE}:pass@{POOLER}:5432/postgres?sslmode=require ",
            POOLER,
            5432,
            f"postgres.{CODE}",
        ),
        (f"postgresql://reader.{CODE}:pass@{POOLER}:6543/postgres", POOLER, 6543, f"reader.{CODE}"),
        (f"postgresql://postgres:pass@{DIRECT}/postgres", DIRECT, 5432, "postgres"),
    ],
)
def test_the_projects_own_hosts_are_let_through(text: str, host: str, port: int, user: str) -> None:
    found = address(text, PROJECT)
    assert (found.host, found.port, found.user, found.password) == (host, port, user, "pass")
    assert "pass" not in repr(found)


@pytest.mark.parametrize(("typed", "meant"), [("p%40ss", "p@ss"), ("p@s/s#?", "p@s/s#?"), ("п%20", None)])
def test_a_password_of_any_signs(typed: str, meant: str | None) -> None:
    found = address(f"postgresql://postgres:{typed}@{DIRECT}:5432/postgres", PROJECT)
    assert found.host == DIRECT and (meant is None or found.password == meant)


def test_what_is_opened_is_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verified TLS to the pinned address, one deadline, and nothing that a tenant typed beside the parts."""
    opened: list[str] = []

    async def connect(conninfo: str) -> Any:
        opened.append(conninfo)
        raise psycopg.OperationalError("password authentication failed")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (PUBLIC, 5432))])
    monkeypatch.setattr(psycopg.AsyncConnection, "connect", connect)
    with pytest.raises(AuthenticationError, match="db_url"):
        look(
            address(f"postgresql://postgres:p%27 w@{DIRECT}:5432/postgres?sslmode=require".replace(" ", "%20"), PROJECT)
        )
    (parts,) = map(conninfo_to_dict, opened)
    assert (parts["host"], parts["hostaddr"], parts["password"]) == (DIRECT, PUBLIC, "p' w")
    assert parts["sslmode"] == "verify-full" and str(parts["sslrootcert"]).endswith("certificates/supabase.pem")
    assert set(parts) <= {
        "host", "hostaddr", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcertmode",
        "gssencmode", "connect_timeout", "application_name",
    }  # fmt: skip


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "64:ff9b::a00:7"])
def test_a_name_that_leads_into_our_network_is_refused(inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(2, 1, 6, "", (PUBLIC, 5432)), (2, 1, 6, "", (inside, 5432))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(PermanentError, match="внутренний адрес"):
        look(address(f"postgresql://postgres:x@{DIRECT}:5432/postgres", PROJECT))


@pytest.mark.postgres
def test_a_database_of_the_sandbox_answers(server_url: str) -> None:
    """The positive twin: a project on the loopback, where local vendors are allowed."""
    parts = conninfo_to_dict(server_url)
    url = f"postgresql://{parts['user']}:{parts.get('password') or 'x'}@127.0.0.1:{parts['port']}/{parts['dbname']}"
    found = checks.check_supabase(uuid4(), {"url": LOCAL}, {"db_url": url}, True)
    assert found["database"] == parts["dbname"] and found["server_version"]
    with pytest.raises(ConfigurationError, match="«url»"):
        checks.check_supabase(uuid4(), {"url": LOCAL}, {"db_url": url}, False)
    with pytest.raises(ConfigurationError, match="sslkeylogfile"):
        checks.check_supabase(uuid4(), {"url": LOCAL}, {"db_url": f"{url}?sslkeylogfile=/tmp/keys"}, True)


class Silent:
    """A server that takes connections and never says a word, until it hangs up."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.url = f"postgresql://postgres:x@127.0.0.1:{self._listener.getsockname()[1]}/postgres"

    def hang_up(self) -> None:
        self._listener.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent()
    yield made
    made.hang_up()


def test_a_silent_server_is_given_up(silent: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_database, "SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(TransientError, match="не ответила"):
        look(address(silent.url, LOCAL))
    assert time.monotonic() - began < 30


def test_many_checks_do_not_take_the_threads_of_the_pages(silent: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once and four in line; the next person is answered at once, and the places come back."""
    monkeypatch.setattr(project_database, "SECONDS", 120.0)
    where, places = address(silent.url, LOCAL), project_database.THREADS + project_database.QUEUE
    said: list[str] = []

    def check() -> None:
        try:
            look(where)
        except AuthenticationError as error:
            said.append(error.message)

    people = [threading.Thread(target=check) for _ in range(places)]
    for person in people:
        person.start()
    until(lambda: project_database._places._value == 0)
    with pytest.raises(TransientError, match="несколько баз"):
        look(where)
    silent.hang_up()
    for person in people:
        person.join(60)
    assert len(said) == places and all("не открылась" in message for message in said)
    until(lambda: project_database._places._value == places)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)
