"""Pages, the API and the sender come to the database by a login the policies hold back, or they do not start."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

import app.main
import delivery.service
import orchestration.dbt.project
from cli.commands import database as command
from cli.process import serve
from synkro.core.errors import ConfigurationError
from synkro.core.files import PRIVATE_UMASK, private_folder
from synkro.core.settings import settings
from synkro.database import app_login, db
from tests.conftest import entry_points_to
from tests.support.cluster import APP_PASSWORD

#: how a login of the app's may be too strong, the statement that makes it so, and the word that says it
TOO_STRONG = {
    "superuser": ("alter role {login} superuser", "суперпользователь"),
    "bypasses": ("alter role {login} bypassrls", "BYPASSRLS"),
    "makes roles": ("alter role {login} createrole", "CREATEROLE"),
    "owns a table": ("grant create on schema synkro to {login}; alter table synkro.reports owner to {login}", "synkro.reports"),
    "owns a view": ("grant create on schema api to {login}; alter view {view} owner to {login}", "владеет таблицами"),
    "may become the owner": ("grant {owner} to {login}", "суперпользователь"),
    "may become one who bypasses": ("create role {login}_in bypassrls; grant {login}_in to {login}", "BYPASSRLS"),
    "may become who owns": (
        "create role {login}_in; grant create on schema synkro to {login}_in;"
        " alter table synkro.reports owner to {login}_in; grant {login}_in to {login}", "synkro.reports"
    ),
}  # fmt: skip


@pytest.fixture
def login(database: str) -> Iterator[Callable[[str], str]]:
    """``login(sql)``: the address of a login like the app's, with these rights on top."""
    name = f"app_{uuid4().hex[:8]}"

    def make(more: str) -> str:
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute(
                f"create role {name} login noinherit password 'p'; grant authenticated, service_role to {name}"
            )
            first = owner.execute("select c.relname from pg_class c where c.relnamespace = 'api'::regnamespace and relkind = 'v'").fetchone()  # fmt: skip
            me = owner.execute("select current_user").fetchone()
            assert first and me
            owner.execute(more.format(login=name, owner=me[0], view=f"api.{first[0]}").encode())
        return db.with_login(database, name, "p")

    yield make
    db.close()
    with psycopg.connect(database, autocommit=True) as owner:
        for one in (name, f"{name}_in"):
            if owner.execute("select 1 from pg_roles where rolname = %s", (one,)).fetchone():
                owner.execute(f"reassign owned by {one} to current_user; drop owned by {one}".encode())
        for one in (name, f"{name}_in"):
            owner.execute(f"drop role if exists {one}".encode())


@pytest.mark.parametrize(("rights", "named"), TOO_STRONG.values(), ids=TOO_STRONG)
def test_a_login_the_policies_do_not_hold_back_is_refused(
    rights: str, named: str, database: str, login: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with entry_points_to(database, SYNKRO_APP_DATABASE_URL=login(rights)):
        with pytest.raises(ConfigurationError, match=r"synkro db app-url") as refused:
            app_login.check()
        assert named in refused.value.message and "SYNKRO_APP_DATABASE_URL" in refused.value.message
        # nothing that answers people starts
        monkeypatch.setattr(app.main, "_listen", lambda *_: pytest.fail("the app listens"))
        monkeypatch.setattr(delivery.service, "serve_forever", lambda: pytest.fail("the sender works"))
        monkeypatch.setattr(os, "umask", lambda _: 0)
        for process in ("app", "sender"):
            with pytest.raises(ConfigurationError, match="политики строк его не держат"):
                serve._alone(process)


def test_a_login_like_the_apps_is_let_in(database: str, login: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    app_login.check()
    started: list[str] = []
    with entry_points_to(database, SYNKRO_APP_DATABASE_URL=login("select 1")):
        app_login.check()
        monkeypatch.setattr(app.main, "_listen", lambda *_: started.append("app"))
        monkeypatch.setattr(app.main, "build", lambda: None)
        monkeypatch.setattr(app.main.uvicorn.Server, "run", lambda *_, **__: None)
        monkeypatch.setattr(delivery.service, "serve_forever", lambda: started.append("sender"))
        monkeypatch.setattr(os, "umask", lambda _: 0)
        for process in ("app", "sender"):
            serve._alone(process)
    assert started == ["app", "sender"]


def test_the_owners_address_alone_is_not_enough(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was in Compose: the app's own address left empty."""
    monkeypatch.delenv("SYNKRO_APP_DATABASE_URL")
    settings.cache_clear()
    with pytest.raises(ConfigurationError, match=r"\(SYNKRO_DATABASE_URL\).*SYNKRO_APP_DATABASE_URL"):
        app_login.check()


@pytest.fixture
def fresh_password(database: str) -> Iterator[str]:
    yield f"p@ss:w/{uuid4().hex}"
    # a login belongs to the server, which other tests share
    with psycopg.connect(database, autocommit=True) as owner:
        db.set_app_password(owner, APP_PASSWORD)


def test_migrate_gives_the_login_the_password_of_its_address(
    database: str, fresh_password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed: list[str] = []
    monkeypatch.setattr(orchestration.dbt.project, "deploy", lambda url, *_: deployed.append(url))
    wanted = db.with_login(database, db.APP_ROLE, fresh_password)
    assert db.refusal(wanted) is not None

    def verifier() -> Any:
        with psycopg.connect(database) as owner:
            return owner.execute("select rolpassword from pg_authid where rolname = %s", (db.APP_ROLE,)).fetchone()

    with entry_points_to(database, SYNKRO_APP_DATABASE_URL=wanted):
        command.prepare(lambda _: None)
        assert deployed == [database] and db.refusal(wanted) is None
        app_login.check()
        first = verifier()
        command.prepare(lambda _: None)
        assert verifier() == first, "a password that fits is not written again"
    with entry_points_to(database, SYNKRO_APP_DATABASE_URL=db.with_login(database, "somebody", "else")):
        command.prepare(lambda _: None)
    assert verifier() == first
    host = database.rpartition("@")[2]
    with (
        entry_points_to(database, SYNKRO_APP_DATABASE_URL=f"postgresql://{db.APP_ROLE}@{host}"),
        pytest.raises(ConfigurationError, match="нет пароля"),
    ):
        command.prepare(lambda _: None)


def test_each_process_is_given_what_it_needs(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, dict[str, str]] = {}

    class Children:
        def add(self, name: str, command: list[str], log: Path, **environment: str) -> None:
            given[name] = {**os.environ, **environment}

    def prepare() -> Path:
        monkeypatch.setenv("SYNKRO_DAGSTER_STORAGE_URL", "postgresql+psycopg2://owner@db/dagster")
        return tmp_path

    monkeypatch.setattr("orchestration.process.instance.prepare", prepare)
    monkeypatch.setenv("SYNKRO_CODE_SERVER", "127.0.0.1:4000")
    monkeypatch.setenv("SYNKRO_DAGSTER_DATABASE_URL", "postgresql://owner@db/dagster")
    settings.cache_clear()
    serve.start(Children())  # type: ignore[arg-type]
    assert given.keys() == {"app", "sender", "code server", "dagster webserver", "dagster daemon"}
    owners = {name for name, variables in given.items() if variables["SYNKRO_DATABASE_URL"]}
    assert owners == {"code server", "dagster daemon"}
    for name in ("app", "sender"):
        assert given[name]["SYNKRO_APP_DATABASE_URL"] and not given[name]["SYNKRO_DAGSTER_DATABASE_URL"]
    web = {name for name, value in given["dagster webserver"].items() if name.startswith("SYNKRO_") and value}
    assert "SYNKRO_DAGSTER_STORAGE_URL" in web
    assert not web & {"SYNKRO_APP_DATABASE_URL", "SYNKRO_SECRET_KEYS", "SYNKRO_WEB_SECRET", *serve.OWNERS}


def test_work_files_are_for_their_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(private_folder(tmp_path / "work" / "run")) == 0o700
    (tmp_path / "old").mkdir(mode=0o755)
    assert mode(private_folder(tmp_path / "old")) == 0o700
    # a container's process
    seen: list[int] = []
    monkeypatch.setattr(os, "umask", lambda value: seen.append(value) or 0)
    monkeypatch.setattr(os, "execv", lambda *_: None)
    monkeypatch.setattr("orchestration.process.instance.prepare", lambda: tmp_path)
    serve._alone("daemon")
    assert seen == [PRIVATE_UMASK] == [0o077]
