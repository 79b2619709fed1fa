"""``synkro doctor`` on a hosted project: every address and key judged in words, Supabase's own schemas left alone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from cli.commands import doctor
from sandbox.vendors.supabase.project import HostedProject
from synkro.connectors import supabase_auth
from synkro.core.errors import ConfigurationError, SynkroError, TransientError
from synkro.core.settings import settings
from synkro.database import addresses, db, migrations, rls_audit
from tests.conftest import entry_points_to


@pytest.fixture(scope="module")
def project() -> Iterator[HostedProject]:
    with HostedProject() as made:
        migrations.migrate(made.session_url)
        yield made


@pytest.fixture
def installation(project: HostedProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostedProject]:
    """The settings of an installation on the project."""
    for name, value in project.environment(project.session_url).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield project
    db.close()
    settings.cache_clear()


def wanted(monkeypatch: pytest.MonkeyPatch, **variables: str | None) -> None:
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    settings.cache_clear()


# --- isolation ------------------------------------------------------------------------------------------------


def test_what_belongs_to_supabase_is_no_hole(project: HostedProject) -> None:
    assert rls_audit.findings(project.session_url) == []


def test_our_own_grant_on_what_is_supabases_is_a_hole(project: HostedProject) -> None:
    with psycopg.connect(project.session_url, autocommit=True) as connection:
        connection.execute("grant select on auth.users to synkro_app")
        try:
            found = rls_audit.findings(project.session_url)
        finally:
            connection.execute("revoke select on auth.users from synkro_app")
    assert found == ["auth.users: not ours, yet synkro_app may SELECT it by our grant"]


def test_the_same_schema_is_ours_where_we_made_it(database: str) -> None:
    """On a server without Supabase ``auth`` is our own table of accounts."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("alter table auth.users disable row level security")
        connection.execute("grant select on auth.users to authenticated")
    found = rls_audit.findings(database)
    assert any(said.startswith("auth.users: ") for said in found), found


# --- addresses ------------------------------------------------------------------------------------------------


def test_each_address_is_named_with_what_it_goes_through(
    installation: HostedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted(
        monkeypatch,
        SYNKRO_APP_DATABASE_URL=installation.transaction_url,
        SYNKRO_DAGSTER_DATABASE_URL=installation.direct_url,
    )
    said = doctor._addresses()
    assert "SYNKRO_DATABASE_URL: пулер в режиме сеансов" in said
    assert "SYNKRO_APP_DATABASE_URL: пулер в режиме транзакций" in said
    assert "SYNKRO_DAGSTER_DATABASE_URL: прямое соединение" in said


@pytest.mark.parametrize("variable", ["SYNKRO_DATABASE_URL", "SYNKRO_DAGSTER_DATABASE_URL"])
def test_a_shared_connection_is_refused_where_locks_are_held(
    installation: HostedProject, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    wanted(monkeypatch, **{variable: installation.transaction_url})
    with pytest.raises(SynkroError, match=rf"{variable}: пулер в режиме транзакций.*5432"):
        doctor._addresses()


def test_an_address_that_does_not_open_is_named(installation: HostedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted(monkeypatch, SYNKRO_APP_DATABASE_URL=installation.pooled_url("session", password="другой"))
    with pytest.raises(SynkroError) as refused:
        doctor._addresses()
    assert "SYNKRO_APP_DATABASE_URL: база не открылась" in refused.value.message
    assert "SYNKRO_DATABASE_URL: пулер" in refused.value.message, "the others are judged all the same"
    assert "другой" not in refused.value.message


def test_the_embedded_server_has_no_address_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted(monkeypatch, SYNKRO_DATABASE_URL=None, SYNKRO_APP_DATABASE_URL=None, SYNKRO_DAGSTER_DATABASE_URL=None)
    assert doctor._addresses() == "встроенный Postgres"


HOST = "db.abcdefghijklmnopqrst.supabase.co"
ENCRYPTION = {
    "verified": (HOST, "verify-full", True, "TLS, сервер проверен"),
    "unverified": (HOST, "require", True, "?sslmode=verify-full"),
    "another host unverified": ("db.example.com", "prefer", True, "не проверяется (sslmode=prefer)"),
    "another host in clear": ("db", "prefer", False, "внутри своей сети"),
    "this machine": ("127.0.0.1", "prefer", False, "на этой же машине"),
}


@pytest.mark.parametrize("case", ENCRYPTION)
def test_encryption_is_told(case: str) -> None:
    host, mode, is_encrypted, said = ENCRYPTION[case]
    assert said in addresses.encryption("X", host, mode, is_encrypted)


@pytest.mark.parametrize("host", [HOST, "aws-0-eu-central-1.pooler.supabase.com"])
def test_supabase_in_clear_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"не зашифровано.*verify-full"):
        addresses.encryption("SYNKRO_DATABASE_URL", host, "disable", False)


def test_a_direct_host_without_a_way_to_it_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def only_ipv6(host: str, port: int, family: int = 0, kind: int = 0) -> list[Any]:
        asked.append((host, family))
        if family == socket.AF_INET:
            raise socket.gaierror("no address")
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", port, 0, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", only_ipv6)
    monkeypatch.setattr(addresses, "_has_route", lambda address: False)
    with pytest.raises(ConfigurationError, match=r"Session pooler.*5432"):
        addresses.judge("SYNKRO_DATABASE_URL", f"postgresql://postgres:secret@{HOST}:5432/postgres")
    assert asked[0] == (HOST, socket.AF_INET)
    monkeypatch.setattr(addresses, "_has_route", lambda address: True)
    addresses._reachable("SYNKRO_DATABASE_URL", HOST)


# --- Supabase Auth --------------------------------------------------------------------------------------------


def test_both_keys_in_their_places_are_well(installation: HostedProject) -> None:
    assert "оба ключа приняты" in doctor._supabase_auth()


def test_an_installation_of_its_own_has_nothing_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted(monkeypatch, SYNKRO_SUPABASE_URL=None)
    assert "не настроен" in doctor._supabase_auth()


WRONG = {
    "swapped": ({"PUBLISHABLE": "secret", "SECRET": "publishable"}, "Поменяйте ключи местами"),
    "the secret twice": ({"PUBLISHABLE": "secret"}, "лежит секретный ключ"),
    "the publishable twice": ({"SECRET": "publishable"}, "лежит publishable-ключ"),
    "a revoked publishable": (
        {"PUBLISHABLE": "sb_publishable_of_another_project"},
        "не принимает SYNKRO_SUPABASE_PUBL",
    ),
    "a revoked secret": ({"SECRET": "sb_secret_of_another_project"}, "не принимает SYNKRO_SUPABASE_SECRET_KEY"),
    "no secret": ({"SECRET": ""}, "SYNKRO_SUPABASE_SECRET_KEY нет"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_key_is_named(installation: HostedProject, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    keys, said = WRONG[case]
    known = {"publishable": installation.publishable_key, "secret": installation.secret_key}
    wanted(monkeypatch, **{f"SYNKRO_SUPABASE_{name}_KEY": known.get(value, value) for name, value in keys.items()})
    with pytest.raises(ConfigurationError) as refused:
        supabase_auth.check()
    assert said in refused.value.message
    assert installation.secret_key not in f"{refused.value.message} {refused.value.detail}"


def test_a_project_that_does_not_answer_is_told(installation: HostedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    wanted(monkeypatch, SYNKRO_SUPABASE_URL=f"http://127.0.0.1:{port}")
    with pytest.raises(TransientError, match=r"не отвечает.*SYNKRO_SUPABASE_URL"):
        supabase_auth.check()


def test_a_local_address_is_for_the_sandbox_alone(installation: HostedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted(monkeypatch, SYNKRO_ALLOW_LOCAL_VENDORS="")
    with pytest.raises(ConfigurationError, match="SYNKRO_ALLOW_LOCAL_VENDORS"):
        supabase_auth.check()


def test_doctor_reports_them_all(installation: HostedProject) -> None:
    names = [name for name, _ in doctor.CHECKS]
    assert {"адреса базы", "Supabase Auth", "изоляция"} <= set(names)
    with entry_points_to(installation.session_url):
        assert doctor._look("изоляция", doctor._isolation)["ok"]
