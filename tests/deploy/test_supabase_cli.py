"""The Supabase CLI and ``synkro db migrate`` apply the same files and go on where the other stopped.

The CLI itself is asked by ``make assurance``, since it comes by npm; what our side promises it is asked here without it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from sandbox.vendors.supabase.project import HostedProject
from synkro.core.settings import ROOT
from synkro.database import migrations
from synkro.database.embedded.postgres import EmbeddedPostgres
from tests.conftest import system_binaries
from tests.support import needs
from tests.support.schema import differences, snapshot

README = (ROOT / "supabase" / "README.md").read_text(encoding="utf-8")
FILES = migrations.available()
#: the documented commands, as a shell would take them apart
COMMANDS = [shlex.split(line) for line in re.findall(r"^supabase .+$", README, re.M)]


# --- without the CLI --------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=[one.version[-2:] for one in FILES])
def test_a_file_holds_nothing_the_cli_cannot_run_in_one_transaction(file: migrations.Migration) -> None:
    bodies = re.compile(r"\$(\w*)\$.*?\$\1\$", re.S)
    plain = re.sub(r"'[^']*'", "''", re.sub(r"--.*", "", bodies.sub("", file.sql)))
    statements = [" ".join(one.split()).lower() for one in plain.split(";")]
    ends = (
        "begin",
        "commit",
        "rollback",
        "start transaction",
        "vacuum",
        "create database",
        "lock table",
        "alter system",
    )
    assert [one for one in statements if one.startswith(ends) or "concurrently" in one] == []


def test_ours_goes_on_where_the_cli_stopped(empty_database: str) -> None:
    """The CLI records a file by its statements, one an element; ours asks for the version alone."""
    half = len(FILES) // 2
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(
            "create schema supabase_migrations; create table supabase_migrations.schema_migrations"
            " (version text not null primary key, statements text[], name text)"
        )
        for file in FILES[:half]:
            connection.execute(file.sql.encode())
            connection.execute(
                "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
                (file.version, file.name, ["select 1", "select 2"]),
            )
    assert [one.version for one in migrations.migrate(empty_database)] == [one.version for one in FILES[half:]]
    assert migrations.migrate(empty_database) == []


def test_the_documented_flags_are_those_of_the_next_version_too() -> None:
    assert len(COMMANDS) >= 5 and all("--remote" in command for command in COMMANDS)
    assert needs.SUPABASE_CLI in README


# --- the CLI itself ---------------------------------------------------------------------------------------


@dataclass
class Cli:
    program: Path
    folder: Path
    server: EmbeddedPostgres

    def database(self, name: str) -> str:
        self.server.ensure_database(name)
        return self.server.url(name)

    def run(self, *arguments: str, url: str = "", status: int = 0) -> str:
        """What the command says, with its warnings; no terminal, no account, a home of its own."""
        done = subprocess.run(
            [self.program, *(url if one == "$URL" else one for one in arguments), "--workdir", self.folder],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "DO_NOT_TRACK": "1",
                "SUPABASE_TELEMETRY_DISABLED": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == status, said
        return said


@pytest.fixture(scope="module")
def cli(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The CLI beside a copy of the files and a server that has none of our roles yet."""
    program = needs.supabase_cli()
    if program is None:
        pytest.skip(f"supabase {needs.SUPABASE_CLI} is not here and there is no npm to install it: apt-get install npm")
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "supabase", folder / "supabase")
    server = EmbeddedPostgres(tmp_path_factory.mktemp("server"), bin_dir=_programs(request))
    try:
        server.start()
        yield Cli(program, folder, server)
    finally:
        server.destroy()


def listed(said: str) -> list[tuple[str, str]]:
    """``(local, remote)`` of every line of ``migration list``."""
    rows = [re.findall(r"`\s*(\d{14}|)\s*`", line)[:2] for line in said.splitlines() if re.search(r"`\d{14}`", line)]
    return [(row[0], row[1]) for row in rows]


ALL = [(one.version, one.version) for one in FILES]


@pytest.mark.assurance
def test_the_cli_pushes_from_zero_and_ours_finds_nothing(cli: Cli) -> None:
    url = cli.database("pushed")
    assert listed(cli.run("migration", "list", "--remote", "$URL", url=url)) == [(version, "") for version, _ in ALL]
    dry = cli.run("db", "push", "--remote", "$URL", "--dry-run", url=url)
    assert all(f"{one.version}_{one.name}.sql" in dry for one in FILES)
    refused = cli.run("db", "push", "--remote", "$URL", url=url, status=1)
    assert "--yes" in refused and len(migrations.pending(url)) == len(FILES)

    cli.run("db", "push", "--remote", "$URL", "--yes", url=url)
    assert listed(cli.run("migration", "list", "--remote", "$URL", url=url)) == ALL
    assert "up to date" in cli.run("db", "push", "--remote", "$URL", "--yes", url=url)
    assert migrations.pending(url) == migrations.migrate(url) == []

    ours = cli.database("ours")
    migrations.migrate(ours)
    assert differences(snapshot(ours), snapshot(url)) == []


@pytest.mark.assurance
def test_the_cli_finds_nothing_after_ours(cli: Cli) -> None:
    url = cli.database("migrated")
    assert len(migrations.migrate(url)) == len(FILES)
    assert listed(cli.run("migration", "list", "--remote", "$URL", url=url)) == ALL
    assert "up to date" in cli.run("db", "push", "--remote", "$URL", "--yes", url=url)


@pytest.mark.assurance
def test_each_goes_on_where_the_other_stopped(cli: Cli, tmp_path: Path) -> None:
    """Ours the first files, the CLI the next, ours the last."""
    url, third = cli.database("by_turns"), len(FILES) // 3
    for upto in (third, 2 * third):
        folder = tmp_path / str(upto) / "supabase"
        shutil.copytree(ROOT / "supabase", folder)
        for one in FILES[upto:]:
            (folder / "migrations" / f"{one.version}_{one.name}.sql").unlink()
    assert len(migrations.migrate(url, folder=tmp_path / str(third) / "supabase" / "migrations")) == third
    cli_there = Cli(cli.program, tmp_path / str(2 * third), cli.server)
    cli_there.run("db", "push", "--remote", "$URL", "--yes", url=url)
    assert [one.version for one in migrations.migrate(url)] == [one.version for one in FILES[2 * third :]]
    assert "up to date" in cli.run("db", "push", "--remote", "$URL", "--yes", url=url)


@pytest.mark.assurance
def test_the_documented_commands_work_and_the_old_flag_warns(cli: Cli) -> None:
    url = cli.database("documented")
    lints = _can_lint(url)
    for command in COMMANDS:
        if "lint" in command and not lints:
            continue
        said = cli.run(*command[1:], url=url)
        assert "deprecated" not in said, command
        if "lint" in command:
            assert "No schema errors found" in said
        if "advisors" in command:
            assert "No issues found" in said
    assert "deprecated" in cli.run("migration", "list", "--db-url", "$URL", url=url)


@pytest.mark.assurance
def test_what_the_advisors_and_the_lint_name_ends_in_an_error(cli: Cli) -> None:
    """Else a clean answer would mean nothing."""
    url = cli.database("wrong")
    migrations.migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create function private.f() returns int language sql as 'select 1'")
        connection.execute("create function private.g() returns int language plpgsql as 'begin return nothing; end'")
    said = cli.run("db", "advisors", "--remote", "$URL", "--level", "warn", "--fail-on", "warn", url=url, status=1)
    assert "function_search_path_mutable" in said
    if _can_lint(url):
        assert "nothing" in cli.run("db", "lint", "--remote", "$URL", "--fail-on", "warning", url=url, status=1)


@pytest.mark.assurance
def test_the_seed_by_the_cli_twice(cli: Cli) -> None:
    url = cli.database("seeded")
    for _ in range(2):
        cli.run("db", "push", "--remote", "$URL", "--include-seed", "--yes", url=url)
    with psycopg.connect(url) as connection:
        assert connection.execute("select slug from synkro.tenants").fetchall() == [("local",)]


@pytest.mark.assurance
@pytest.mark.parametrize("way", ["direct", "session pooler"])
def test_the_cli_pushes_to_a_hosted_project(cli: Cli, request: pytest.FixtureRequest, way: str) -> None:
    """Where the owner is no superuser and Supabase's own roles and tables of ``auth`` stand already."""
    with HostedProject(bin_dir=_programs(request)) as project:
        url = project.direct_url if way == "direct" else project.session_url
        cli.run("db", "push", "--remote", "$URL", "--yes", url=url)
        assert migrations.pending(project.direct_url) == []
        assert "up to date" in cli.run("db", "push", "--remote", "$URL", "--yes", url=url)
        advised = cli.run("db", "advisors", "--remote", "$URL", "--level", "warn", "--fail-on", "warn", url=url)
        assert "No issues found" in advised


def _programs(request: pytest.FixtureRequest) -> Path | None:
    """The server's programs: the bundled ones, or the system's."""
    return system_binaries() if request.config.getoption("--postgres") == "system" else None


def _can_lint(url: str) -> bool:
    """Whether the server has plpgsql_check: the wheel's has not, Debian's has it by postgresql-15-plpgsql-check."""
    with psycopg.connect(url) as connection:
        found = connection.execute("select 1 from pg_available_extensions where name = 'plpgsql_check'").fetchone()
    return found is not None
